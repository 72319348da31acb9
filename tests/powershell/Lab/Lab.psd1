# SPDX-License-Identifier: GPL-3.0-or-later
@{
    RootModule        = 'Lab.psm1'
    ModuleVersion     = '1.0.0'
    FunctionsToExport = @('Invoke-LabCmdlet')
}
