# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# Runs cmdlet calls that arrive as data and returns what they gave; invoke_cmdlets.yml describes both. This is the only
# PowerShell of the collection, and it is the same for every user and every task.
#
# It keeps to what Constrained Language Mode allows, because the code integrity policies that the collection deploys put
# unsigned scripts into that mode, and to what Windows PowerShell 5.1 has: no .NET methods but those of core types, no C#.

#Requires -Version 5.1

# Ansible runs a module in the global scope of a runspace of its own, so that modules of Windows inherit these.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'Continue'
# Nobody is there to answer; whoever made the calls has decided.
$ConfirmPreference = 'None'
# Ansible's wrapper turns Write-Host into output, which would mix with what a cmdlet returns.
Remove-Item -LiteralPath Function:\Write-Host -ErrorAction Ignore

# Cmdlets that run text or programs: a value given to one of them would be code.
$forbidden = 'Add-Type', 'Invoke-Command', 'Invoke-Expression', 'Start-Job', 'Start-Process'

# State of the batch: results of calls by id, and the folder of its temporary files once there is one.
$batch = @{ Results = @{}; Folder = $null; Scratch = $null }

# A parameter of this name makes Get-Content and Set-Content work on bytes.
$asBytes = if ($PSVersionTable.PSVersion.Major -ge 6) { @{ AsByteStream = $true } } else { @{ Encoding = 'Byte' } }

function Stop-Call([string]$Message) {
    # Write-Error, since Constrained Language Mode cannot make an error record with an id.
    Write-Error -Message $Message -ErrorId InvalidCall -Category InvalidArgument -ErrorAction Stop
}

function Get-TemporaryPath([string]$Suffix) {
    if ($Suffix -notmatch '^(\.[A-Za-z0-9]{1,16})?\z') { Stop-Call "'$Suffix' is no file name suffix" }
    if ($null -eq $batch.Folder) {
        $root = @($env:TEMP, $env:TMPDIR, '/tmp') | Where-Object { $_ } | Select-Object -First 1
        $path = Join-Path -Path $root -ChildPath ('guarded-fabric-' + [guid]::NewGuid())
        $null = New-Item -ItemType Directory -Path $path
        $batch.Folder = $path
    }
    Join-Path -Path $batch.Folder -ChildPath ([string][guid]::NewGuid() + $Suffix)
}

# Base64 goes through CLIXML, where a byte[] is base64 between two tags: Constrained Language Mode has no [Convert]. One
# file serves all of a batch.

function ConvertFrom-Base64([string]$Text) {
    if ($Text -notmatch '^[A-Za-z0-9+/]*={0,2}\z') { Stop-Call 'bytes are not base64 text' }
    $namespace = 'http://schemas.microsoft.com/powershell/2004/04'
    $document = '<Objs Version="1.1.0.1" xmlns="' + $namespace + '"><BA>' + $Text + '</BA></Objs>'
    if ($null -eq $batch.Scratch) { $batch.Scratch = Get-TemporaryPath '.xml' }
    Set-Content -LiteralPath $batch.Scratch -Value $document -Encoding ASCII
    , [byte[]](Import-Clixml -LiteralPath $batch.Scratch)
}

function ConvertTo-Base64([byte[]]$Bytes) {
    if ($null -eq $batch.Scratch) { $batch.Scratch = Get-TemporaryPath '.xml' }
    Export-Clixml -LiteralPath $batch.Scratch -InputObject $Bytes
    if ((Get-Content -LiteralPath $batch.Scratch -Raw) -match '<BA>([^<]+)</BA>') { $Matches[1] } else { '' }
}

function Get-FileContent([string]$Path) {
    $content = Get-Content -LiteralPath $Path -Raw @asBytes
    if ($null -eq $content) { $content = @() }
    , [byte[]]$content
}

function New-InputFile([string]$Base64, [string]$Suffix) {
    $path = Get-TemporaryPath $Suffix
    $bytes = ConvertFrom-Base64 $Base64
    if ($bytes.Length -eq 0) { $null = New-Item -ItemType File -Path $path }
    else { Set-Content -LiteralPath $path -Value $bytes @asBytes }
    $path
}

function New-Secret([string]$Text) {
    # Not ConvertTo-SecureString: a host that logs the parameters of cmdlets would log the text.
    $secret = New-Object -TypeName System.Security.SecureString
    foreach ($character in $Text.ToCharArray()) { $secret.AppendChar($character) }
    $secret
}

# Part of an object by name as @{ Value = ... }, or nothing where it has none. A list gives the parts of its items.
function Get-Part($Object, [string]$Name) {
    if ($null -eq $Object) { return }
    if ($Object -is [System.Collections.IDictionary]) {
        if ($Object.PSBase.Keys -contains $Name) { @{ Value = $Object[$Name] } }
    }
    elseif ($Object -is [System.Collections.IList]) {
        if ($Name -match '^[0-9]{1,9}$') {
            if ([int]$Name -lt $Object.Count) { @{ Value = $Object[[int]$Name] } }
            return
        }
        $parts = @(foreach ($item in $Object) { Get-Part $item $Name })
        if ($parts.Count -gt 0 -or $Object.Count -eq 0) { @{ Value = @(foreach ($part in $parts) { , $part.Value }) } }
    }
    else {
        $property = $Object.PSObject.Properties[$Name]
        if ($null -ne $property) { @{ Value = $property.Value } }
    }
}

# The same for a dotted name.
function Get-Path($Object, [string[]]$Names) {
    $part = @{ Value = $Object }
    foreach ($name in $Names) {
        $part = Get-Part $part.Value $name
        if ($null -eq $part) { return }
    }
    $part
}

# The parts that an object has of those wanted, by dotted name.
function Select-Part($Object, [string[]]$Wanted) {
    $selected = [ordered]@{}
    foreach ($name in $Wanted) {
        $part = Get-Path $Object ($name -split '\.')
        if ($null -ne $part) { $selected[$name] = $part.Value }
    }
    $selected
}

function Resolve-Reference([string]$Reference) {
    $id, $names = $Reference -split '\.'
    if (-not $batch.Results.ContainsKey($id)) { Stop-Call "no earlier call has the id '$id'" }
    $part = Get-Path $batch.Results[$id] $names
    if ($null -eq $part) { Stop-Call "the result of an earlier call has no '$Reference'" }
    , $part.Value
}

# A parameter's value. Text stays text: nothing here, and nothing that is called, evaluates it.
function Resolve-Value($Value) {
    if ($Value -is [System.Collections.IDictionary]) {
        $names = @($Value.PSBase.Keys)
        if ($names.Count -eq 1) {
            $content = $Value[$names[0]]
            switch -Exact -CaseSensitive ($names[0]) {
                '$ref' { return , (Resolve-Reference $content) }
                '$secret' { return New-Secret $content }
                '$credential' { return [pscredential]::new($content['username'], (New-Secret $content['password'])) }
                '$bytes' { return , (ConvertFrom-Base64 $content) }
                '$file' { return New-InputFile $content['content'] $content['suffix'] }
            }
        }
        $table = @{}
        foreach ($name in $names) { $table[$name] = Resolve-Value $Value[$name] }
        return $table
    }
    if ($Value -is [System.Collections.IList]) { return , @(foreach ($item in $Value) { , (Resolve-Value $item) }) }
    # PowerShell 7 reads text that looks like a date as a date where ansible-core older than 2.21 does not stop it.
    if ($Value -is [datetime]) { return $Value.ToString('o') -replace '\.0000000(?=\D|$)', '' }
    $Value
}

# Results are turned into JSON text here: ConvertTo-Json of Windows PowerShell 5.1 wraps some arrays in an object, cuts
# deep ones, adds properties to text that came from a file, and has a date format of its own.

function ConvertTo-JsonText([string]$Text) {
    if ($Text -match '[\x00-\x1f"\\]') { ConvertTo-Json -InputObject $Text -Compress } else { '"' + $Text + '"' }
}

# JSON of a value that is no object, or nothing.
function ConvertTo-JsonScalar($Value) {
    if ($null -eq $Value) { 'null' }
    elseif ($Value -is [string] -or $Value -is [char] -or $Value -is [enum]) { ConvertTo-JsonText ([string]$Value) }
    elseif ($Value -is [bool] -or $Value -is [switch]) { if ($Value) { 'true' } else { 'false' } }
    elseif ($Value -is [datetime]) { '"' + $Value.ToUniversalTime().ToString('o') + '"' }
    elseif ($Value -is [System.DateTimeOffset]) { '"' + $Value.UtcDateTime.ToString('o') + '"' }
    elseif ($Value -is [byte[]]) { '{"$bytes":"' + (ConvertTo-Base64 $Value) + '"}' }
    elseif ($Value -is [securestring]) { '{"$secret":true}' }
    elseif ($Value -is [guid] -or $Value -is [uri] -or $Value -is [version] -or $Value -is [timespan]) {
        ConvertTo-JsonText ([string]$Value)
    }
    elseif ($Value.PSObject.TypeNames[0] -match '^System\.(S?Byte|U?Int(16|32|64)|Single|Double|Decimal)$') {
        $number = [string]$Value
        # NaN and the infinities are no JSON.
        if ($number -match '^-?[0-9]') { $number } else { ConvertTo-JsonText $number }
    }
}

function ConvertTo-JsonValue($Value) {
    $scalar = ConvertTo-JsonScalar $Value
    if ($null -ne $scalar) { $scalar }
    elseif ($Value -is [System.Collections.IDictionary]) {
        $pairs = @(foreach ($name in @($Value.PSBase.Keys)) {
                (ConvertTo-JsonText $name) + ':' + (ConvertTo-JsonValue $Value[$name])
            })
        '{' + ($pairs -join ',') + '}'
    }
    elseif ($Value -is [System.Collections.IList]) {
        '[' + (@(foreach ($item in $Value) { ConvertTo-JsonValue $item }) -join ',') + ']'
    }
    elseif ($Value -is [System.Security.Cryptography.X509Certificates.X509Certificate2]) {
        ConvertTo-JsonValue (Select-Part $Value ('Thumbprint', 'Subject', 'Issuer', 'NotBefore', 'NotAfter'))
    }
    else { ConvertTo-JsonText ([string]$Value) }
}

function Resolve-Cmdlet([string]$Name) {
    if ($Name -notmatch '^[A-Za-z]+-[A-Za-z0-9]+\z' -or $forbidden -contains $Name) {
        Stop-Call "'$Name' is not the name of a cmdlet that may be called"
    }
    $command = Get-Command -Name $Name -CommandType Cmdlet, Function
    # Functions of this file and of Ansible's wrapper belong to no module.
    if (-not $command.Source) { Stop-Call "'$Name' belongs to no module" }
    $command
}

# Runs a call; adds to $Warnings.List as they come, so that they are there when the cmdlet fails.
function Invoke-Call($Call, $Warnings) {
    $command = Resolve-Cmdlet $Call['cmdlet']
    $parameters = @{}
    if ($null -ne $Call['parameters']) {
        foreach ($name in @($Call['parameters'].PSBase.Keys)) {
            $parameters[$name] = Resolve-Value $Call['parameters'][$name]
        }
    }
    # Errors are merged too: a module that sets its own preference would go on after an error, and nobody would know.
    $output = @(& $command @parameters 2>&1 3>&1 | ForEach-Object {
            if ($_ -is [System.Management.Automation.WarningRecord]) { $Warnings.List += [string]$_.Message }
            elseif ($_ -is [System.Management.Automation.ErrorRecord]) { throw $_ }
            elseif ($null -ne $_) { , $_ }
        })
    if ($output.Count -gt 0 -and @($output | Where-Object { $_ -isnot [byte] }).Count -eq 0) { $output = , [byte[]]$output }
    # Without "if" as an expression, which would take an array apart.
    if ($output.Count -eq 1) { $batch.Results[[string]$Call['id']] = $output[0] } else { $batch.Results[[string]$Call['id']] = $output }

    $select = @($Call['select'] | Where-Object { $_ })
    $objects = @(foreach ($item in $output) {
            $scalar = ConvertTo-JsonScalar $item
            if ($null -ne $scalar) { $scalar }
            elseif ($select.Count -gt 0) { ConvertTo-JsonValue (Select-Part $item $select) }
        })
    $attachments = @(foreach ($name in @($Call['attach'] | Where-Object { $_ })) {
            $path = Get-Path $batch.Results[[string]$Call['id']] ($name -split '\.')
            if ($null -eq $path -or $path.Value -isnot [string]) { Stop-Call "the result has no path '$name'" }
            (ConvertTo-JsonText $name) + ':"' + (ConvertTo-Base64 (Get-FileContent $path.Value)) + '"'
        })
    '"output":[' + ($objects -join ',') + '],"attachments":{' + ($attachments -join ',') + '}'
}

function Get-ErrorCode([string]$ErrorId) { ($ErrorId -split ',')[0] }

# Whether an error is an answer. One of this file never is: it says that the call itself is wrong.
function Test-Accepted($Call, [string]$ErrorId) {
    $code = Get-ErrorCode $ErrorId
    $code -cne 'InvalidCall' -and @($Call['accept'] | Where-Object { $_ -in '*', $code, $ErrorId }).Count -gt 0
}

function Invoke-Batch($Arguments) {
    $changed = $false
    $message = $null
    $calls = @($Arguments['calls'])
    $changing = @($calls | Where-Object { $_['changes'] } | ForEach-Object { $_['cmdlet'] })
    if ($Arguments['_ansible_check_mode'] -and $changing.Count -gt 0) {
        $message = 'check mode: refused to run ' + ($changing -join ', ')
        $calls = @()
    }

    $entries = @(foreach ($call in $calls) {
            $warnings = @{ List = @() }
            try {
                $result = Invoke-Call $call $warnings
                if ($call['changes']) { $changed = $true }
            }
            catch {
                $errorId = [string]$_.FullyQualifiedErrorId
                $accepted = Test-Accepted $call $errorId
                $description = ConvertTo-JsonValue ([ordered]@{
                        id       = $errorId
                        category = [string]$_.CategoryInfo.Category
                        message  = [string]$_.Exception.Message
                        type     = [string]$_.Exception.PSObject.TypeNames[0]
                    })
                $result = '"error":' + $description + ',"accepted":' + (ConvertTo-JsonValue $accepted)
                $batch.Results[[string]$call['id']] = @()
                if (-not $accepted) { $message = [string]$call['cmdlet'] + ': ' + $_.Exception.Message }
            }
            '{"id":' + (ConvertTo-JsonText $call['id']) + ',' + $result + ',"warnings":' + (ConvertTo-JsonValue $warnings.List) + '}'
            if ($null -ne $message) { break }
        })

    $answer = '"changed":' + (ConvertTo-JsonValue $changed) + ',"results":[' + ($entries -join ',') + ']'
    $answer += ',"language_mode":' + (ConvertTo-JsonText $ExecutionContext.SessionState.LanguageMode)
    $answer += ',"powershell":' + (ConvertTo-JsonText $PSVersionTable.PSVersion)
    if ($null -ne $message) { $answer += ',"failed":true,"msg":' + (ConvertTo-JsonText $message) }
    $answer
}

try { $answer = Invoke-Batch $complex_args }
finally {
    $remaining = $null
    if ($null -ne $batch.Folder) {
        Remove-Item -LiteralPath $batch.Folder -Recurse -Force -ErrorAction SilentlyContinue -ErrorVariable remaining
    }
}
if ($remaining) { $answer += ',"warnings":[' + (ConvertTo-JsonText "temporary files remain in $($batch.Folder)") + ']' }
# What a program that some cmdlet ran left here would become the module's own exit code.
$global:LASTEXITCODE = 0
'{' + $answer + '}'
