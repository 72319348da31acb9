# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs a module file the way Ansible's module_wrapper.ps1 does: in a runspace of its own, with the arguments in the global
# variable complex_args. One request a line, as JSON: script, arguments, language_mode, modules (paths, imported before
# the language mode is set, as signed modules are on a host that enforces a policy). One answer a line.

$ErrorActionPreference = 'Stop'

function ConvertTo-Table($Value) {
    if ($Value -is [System.Management.Automation.PSCustomObject]) {
        $table = @{}
        foreach ($property in $Value.PSObject.Properties) { $table[$property.Name] = ConvertTo-Table $property.Value }
        $table
    }
    elseif ($Value -is [array]) { , @(foreach ($item in $Value) { ConvertTo-Table $item }) }
    else { $Value }
}

function Invoke-Module($Request) {
    $runspace = [runspacefactory]::CreateRunspace([initialsessionstate]::CreateDefault2())
    $shell = [powershell]::Create($runspace)
    try {
        $runspace.Open()
        $proxy = $runspace.SessionStateProxy
        $proxy.SetVariable('ErrorActionPreference', 'Stop')
        $proxy.SetVariable('complex_args', (ConvertTo-Table $Request.arguments))
        if ($Request.modules) {
            $null = $shell.AddCommand('Import-Module').AddParameter('Name', [string[]]$Request.modules).Invoke()
            $shell.Commands.Clear()
        }
        $null = $shell.AddScript('Function Write-Host($msg) { Write-Output -InputObject $msg }').Invoke()
        $shell.Commands.Clear()
        $proxy.LanguageMode = $Request.language_mode
        $null = $shell.AddScript((Get-Content -LiteralPath $Request.script -Raw))
        $output = $shell.Invoke()
        @{
            stdout = $output -join "`n"
            stderr = @($shell.Streams.Error | ForEach-Object { [string]$_ })
            rc     = $proxy.GetVariable('LASTEXITCODE')
        }
    }
    catch { @{ stdout = ''; stderr = @([string]$_); rc = 1 } }
    finally {
        $shell.Dispose()
        $runspace.Dispose()
    }
}

# Of these, PowerShell before 7.5 has none: it would turn text that looks like a date into a date.
$asText = if ((Get-Command ConvertFrom-Json).Parameters.ContainsKey('DateKind')) { @{ DateKind = 'String' } } else { @{} }

while ($null -ne ($line = [Console]::In.ReadLine())) {
    $answer = Invoke-Module (ConvertFrom-Json -InputObject $line @asText)
    [Console]::Out.WriteLine((ConvertTo-Json -InputObject $answer -Depth 5 -Compress))
}
