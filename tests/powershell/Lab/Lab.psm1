# SPDX-License-Identifier: GPL-3.0-or-later
#
# Lets a stub do what the lab's cmdlet of that name does: sends what PowerShell has bound, and gives what comes back as
# objects that PowerShell knows. GUARDED_FABRIC_LAB is the URL of the lab, GUARDED_FABRIC_DRIVE the folder of its drive C.

if (-not (Get-PSDrive -Name C -ErrorAction Ignore)) {
    $null = New-PSDrive -Name C -PSProvider FileSystem -Root $env:GUARDED_FABRIC_DRIVE -Scope Global
}

# Without it, text that looks like a date becomes one; PowerShell before 7.5 has no way to say so.
$asText = if ((Get-Command ConvertFrom-Json).Parameters.ContainsKey('DateKind')) { @{ DateKind = 'String' } } else { @{} }

function ConvertTo-Wire($Value) {
    if ($null -eq $Value) { return $null }
    if ($Value -is [switch]) { return [bool]$Value }
    if ($Value -is [byte[]]) { return @{ '$bytes' = [Convert]::ToBase64String($Value) } }
    if ($Value -is [securestring]) { return @{ '$secret' = [pscredential]::new('x', $Value).GetNetworkCredential().Password } }
    if ($Value -is [pscredential]) {
        return @{ '$credential' = @{ username = $Value.UserName; password = $Value.GetNetworkCredential().Password } }
    }
    if ($Value -is [datetime]) { return @{ '$date' = $Value.ToUniversalTime().ToString('o') } }
    if ($Value -is [timespan]) { return @{ '$span' = $Value.TotalSeconds } }
    if ($Value -is [guid]) { return @{ '$guid' = [string]$Value } }
    if ($Value -is [xml]) { return $Value.OuterXml }
    if ($Value.PSObject.Properties['LabHandle']) { return @{ '$object' = $Value.LabHandle } }
    if ($Value -is [System.Collections.IDictionary]) {
        $table = @{}
        foreach ($key in $Value.Keys) { $table[[string]$key] = ConvertTo-Wire $Value[$key] }
        return @{ '$table' = $table }
    }
    if ($Value -is [array] -or $Value -is [System.Collections.IList]) {
        return , @(foreach ($item in $Value) { ConvertTo-Wire $item })
    }
    if ($Value -is [bool] -or $Value -is [int] -or $Value -is [long] -or $Value -is [double]) { return $Value }
    if ($Value -is [ValueType] -and $Value -isnot [enum] -and $Value -isnot [char]) { return [decimal]$Value }
    [string]$Value
}

function ConvertFrom-Wire($Value) {
    if ($Value -is [array]) { return , @(foreach ($item in $Value) { ConvertFrom-Wire $item }) }
    if ($Value -isnot [System.Management.Automation.PSCustomObject]) { return $Value }
    $tag = @($Value.PSObject.Properties)[0].Name
    $content = $Value.$tag
    switch -Exact ($tag) {
        '$bytes' { return , [Convert]::FromBase64String($content) }
        '$date' { return [datetime]::Parse($content, [cultureinfo]::InvariantCulture, 'AdjustToUniversal') }
        '$span' { return [timespan]::FromSeconds($content) }
        '$guid' { return [guid]$content }
        '$secret' { return ConvertTo-SecureString 'hidden' -AsPlainText -Force }
        '$xml' { return [xml]$content }
        '$certificate' {
            return [System.Security.Cryptography.X509Certificates.X509Certificate2]::new((ConvertFrom-Wire $content))
        }
        '$table' {
            $table = @{}
            foreach ($property in $content.PSObject.Properties) { $table[$property.Name] = ConvertFrom-Wire $property.Value }
            return $table
        }
    }
    $object = New-Object -TypeName psobject
    $object.PSObject.TypeNames.Insert(0, $content.type)
    foreach ($property in $content.properties.PSObject.Properties) {
        $object | Add-Member -NotePropertyName $property.Name -NotePropertyValue (ConvertFrom-Wire $property.Value)
    }
    $object | Add-Member -NotePropertyName LabHandle -NotePropertyValue $content.handle -PassThru
}

function Invoke-LabCmdlet([string]$Name, [string]$Set, $Bound, $Stub) {
    $parameters = @{}
    foreach ($key in $Bound.Keys) { $parameters[$key] = ConvertTo-Wire $Bound[$key] }
    $body = ConvertTo-Json -InputObject @{ cmdlet = $Name; set = $Set; parameters = $parameters } -Depth 20
    $utf8 = [Text.Encoding]::UTF8.GetBytes($body)
    $text = (Invoke-WebRequest -Uri $env:GUARDED_FABRIC_LAB -Method Post -Body $utf8 -UseBasicParsing).Content
    $answer = ConvertFrom-Json -InputObject ([Text.Encoding]::UTF8.GetString($text)) @asText
    foreach ($warning in $answer.warnings) { $Stub.WriteWarning($warning) }
    if ($answer.error) {
        $exception = [Exception]::new($answer.error.message)
        $record = [System.Management.Automation.ErrorRecord]::new($exception, $answer.error.id, $answer.error.category, $null)
        $Stub.WriteError($record)
        return
    }
    # One by one, so that a byte[] stays one.
    foreach ($item in $answer.output) { $Stub.WriteObject((ConvertFrom-Wire $item), $false) }
}
