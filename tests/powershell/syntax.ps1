# SPDX-License-Identifier: GPL-3.0-or-later
#
# Writes what PowerShell files are made of, one JSON line each, read off their syntax trees and without running them.

param([Parameter(ValueFromRemainingArguments)][string[]]$Path)

$ErrorActionPreference = 'Stop'

# Every node of a tree of a type, those inside of functions and script blocks too.
function Find-Node($Tree, [string]$Type) { $Tree.FindAll({ $args[0].GetType().Name -eq $Type }.GetNewClosure(), $true) }

function Get-Description([string]$File) {
    $problems = $null
    $tree = [System.Management.Automation.Language.Parser]::ParseFile($File, [ref]$null, [ref]$problems)
    $commands = foreach ($node in Find-Node $tree CommandAst) {
        @{
            name       = $node.GetCommandName()
            line       = $node.Extent.StartLineNumber
            parameters = @($node.CommandElements | Where-Object { $_ -is [System.Management.Automation.Language.CommandParameterAst] } |
                    ForEach-Object { $_.ParameterName })
        }
    }
    # Types behind -is only ask; all others convert, make, or call.
    $types = foreach ($name in 'TypeExpressionAst', 'TypeConstraintAst') {
        foreach ($node in Find-Node $tree $name) {
            $operator = if ($node.Parent -is [System.Management.Automation.Language.BinaryExpressionAst]) { [string]$node.Parent.Operator } else { '' }
            @{ name = $node.TypeName.FullName; line = $node.Extent.StartLineNumber; asks = $operator -in 'Is', 'IsNot' }
        }
    }
    $methods = foreach ($node in Find-Node $tree InvokeMemberExpressionAst) {
        @{ name = [string]$node.Member; static = $node.Static; line = $node.Extent.StartLineNumber }
    }
    $members = foreach ($node in Find-Node $tree AssignmentStatementAst) {
        if ($node.Left -is [System.Management.Automation.Language.MemberExpressionAst]) { [string]$node.Left }
    }
    $operators = foreach ($name in 'BinaryExpressionAst', 'AssignmentStatementAst') { Find-Node $tree $name | ForEach-Object { [string]$_.Operator } }

    ConvertTo-Json -Depth 5 -Compress -InputObject @{
        problems  = @($problems | ForEach-Object { $_.Message })
        requires  = [string]$tree.ScriptRequirements.RequiredPSVersion
        nodes     = @($tree.FindAll({ $true }, $true) | ForEach-Object { $_.GetType().Name } | Sort-Object -Unique)
        functions = @(Find-Node $tree FunctionDefinitionAst | ForEach-Object { $_.Name })
        commands  = @($commands)
        types     = @($types)
        methods   = @($methods)
        assigned  = @($members)
        operators = @($operators | Sort-Object -Unique)
        optional  = @(Find-Node $tree MemberExpressionAst | Where-Object { $_.NullConditional } | ForEach-Object { [string]$_ })
    }
}

foreach ($file in $Path) { Get-Description $file }
