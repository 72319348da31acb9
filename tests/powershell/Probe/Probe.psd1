# SPDX-License-Identifier: GPL-3.0-or-later
@{
    RootModule        = 'Probe.psm1'
    ModuleVersion     = '1.0.0'
    FunctionsToExport = @(
        'Get-ProbeArgument', 'Get-ProbeFile', 'Get-ProbeObject', 'Get-ProbeScalar', 'Get-ProbeTable', 'Write-ProbeStream'
    )
    AliasesToExport   = @('Get-ProbeAlias')
}
