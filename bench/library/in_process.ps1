# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs a module as Ansible's module_wrapper.ps1 does, in a runspace of its own, and says what that took: milliseconds of
# wall and processor time without the start of PowerShell. The first run is what counts: over WinRM each task is a process
# of its own, so that C# is compiled at each of them.

param([string]$Module, [string]$Arguments, [string]$AddType, [string]$CSharp)

$ErrorActionPreference = 'Stop'
$table = ConvertFrom-Json -InputObject (Get-Content -LiteralPath $Arguments -Raw) -AsHashtable
$source = Get-Content -LiteralPath $Module -Raw
$process = [System.Diagnostics.Process]::GetCurrentProcess()
$processor = $process.TotalProcessorTime.TotalMilliseconds
$watch = [System.Diagnostics.Stopwatch]::StartNew()

$shell = [powershell]::Create([initialsessionstate]::CreateDefault2())
$shell.Runspace.SessionStateProxy.SetVariable('ErrorActionPreference', 'Stop')
$shell.Runspace.SessionStateProxy.SetVariable('complex_args', $table)
if ($CSharp) {
    # As the wrapper does for a module that asks for Ansible.Basic.
    $null = $shell.AddCommand('Import-Module').AddParameter('Name', $AddType).AddStatement()
    $null = $shell.AddCommand('Add-CSharpType').AddParameter('References', @(Get-Content -LiteralPath $CSharp -Raw)).AddStatement()
    $null = $shell.AddScript('[Ansible.Basic.AnsibleModule]::Exit = { param([int]$rc) }').AddStatement()
    $null = $shell.AddScript('[Ansible.Basic.AnsibleModule]::WriteLine = { param([string]$line) $global:said = $line }')
    $null = $shell.AddStatement()
}
$null = $shell.AddScript($source)
$output = $shell.Invoke()

$watch.Stop()
$process.Refresh()
@{
    wall = $watch.Elapsed.TotalMilliseconds
    cpu = $process.TotalProcessorTime.TotalMilliseconds - $processor
    said = if ($CSharp) { $shell.Runspace.SessionStateProxy.GetVariable('said') } else { $output -join '' }
    errors = @($shell.Streams.Error | ForEach-Object { [string]$_ })
} | ConvertTo-Json -Compress
