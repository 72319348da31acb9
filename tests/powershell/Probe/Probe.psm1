# SPDX-License-Identifier: GPL-3.0-or-later
#
# Functions that give what cmdlets of Windows may give, and show what they were given.

# In hexadecimal UTF-16, so that nothing on the way back can hide a difference.
function ConvertTo-Hex([string]$Text) { -join ([char[]]$Text | ForEach-Object { '{0:x4}' -f [int]$_ }) }

function Get-ProbeArgument {
    [CmdletBinding()]
    param($Value, [string]$Text, [switch]$Switch, [securestring]$Secret, [pscredential]$Credential, [string[]]$List)
    foreach ($name in $PSBoundParameters.Keys) {
        $item = $PSBoundParameters[$name]
        if ($item -is [securestring]) { $item = [pscredential]::new('x', $item).GetNetworkCredential().Password }
        if ($item -is [pscredential]) { $item = @($item.UserName, $item.GetNetworkCredential().Password) }
        [pscustomobject]@{
            Parameter = $name
            Type      = if ($null -eq $item) { '' } else { $item.GetType().FullName }
            Count     = @($item).Count
            Hex       = @(foreach ($part in $item) { ConvertTo-Hex $part })
            Text      = @(foreach ($part in $item) { [string]$part })
        }
    }
}

function Get-ProbeTable {
    [CmdletBinding()]
    param([hashtable]$Table)
    foreach ($pair in $Table.GetEnumerator()) {
        ConvertTo-Hex $pair.Key
        foreach ($item in $pair.Value) { ConvertTo-Hex $item }
    }
}

function Get-ProbeFile {
    [CmdletBinding()]
    param([string]$Path)
    [pscustomobject]@{ FullName = $Path; Hash = (Get-FileHash -LiteralPath $Path).Hash; Length = (Get-Item -LiteralPath $Path).Length }
}

function New-ProbeCertificate {
    $key = [Security.Cryptography.ECDsa]::Create()
    $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=Probe', $key, 'SHA256')
    $request.CreateSelfSigned('2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z')
}


function Get-ProbeObject {
    param([int]$Number = 1)
    foreach ($index in 1..$Number) {
        [pscustomobject]@{
            Index       = $index
            Name        = "item $index"
            Empty       = $null
            Yes         = $true
            Flag        = [switch]$true
            Big         = [uint64]::MaxValue
            Fraction    = 0.5
            NoNumber    = [double]::NaN
            Letter      = [char]'x'
            Day         = [DayOfWeek]::Monday
            Options     = [IO.FileAttributes]'Hidden, System'
            Local       = [datetime]'2026-11-24T19:00:00Z'
            Offset      = [datetimeoffset]::new(2026, 11, 24, 21, 0, 0, [timespan]::FromHours(2))
            Duration    = [timespan]::FromMinutes(90)
            Id          = [guid]'0f8fad5b-d9cb-469f-a165-70867728950e'
            Version     = [version]'10.0.20348'
            Address     = [uri]'http://hgs.example/Attestation'
            RawData     = [byte[]](0, 1, 254, 255)
            NoData      = [byte[]]@()
            Password    = ConvertTo-SecureString 'hidden' -AsPlainText -Force
            Owner       = [pscustomobject]@{ Name = 'Owner'; Certificate = New-ProbeCertificate }
            Guardians   = @([pscustomobject]@{ Name = 'one' }, [pscustomobject]@{ Name = 'two' }, [pscustomobject]@{ Other = 1 })
            Single      = @('only')
            Nothing     = @()
            Nested      = @(@(1, 2), @(3))
            Typed       = [Collections.Generic.List[string]]@('a', 'b')
            Table       = @{ Keys = 'a key named Keys'; 'with "quotes"' = @{ deep = @{ deeper = @(1) } } }
            Dictionary  = & { $d = [Collections.Generic.Dictionary[string, int]]::new(); $d['a'] = 1; $d }
            Certificate = New-ProbeCertificate
            Xml         = [xml]'<a b="1"><c /></a>'
            Process     = Get-Process -Id $PID
        }
    }
}

function Get-ProbeScalar {
    param([string]$Kind)
    switch ($Kind) {
        'text' { 'text' }
        'texts' { 'a', 'b' }
        'nothing' { }
        'null' { $null }
        'bytes' { , [byte[]](1, 2, 3) }
        'stream' { [byte[]](1, 2, 3) }
        'onebyte' { [byte]7 }
        'dates' { [datetime]'2026-01-02T03:04:05Z' }
        'enum' { [DayOfWeek]::Friday }
        'mixed' { 1; [pscustomobject]@{ Name = 'an object' }; $true; 'last' }
        'array' { , @(1, 2) }
        'content' { Get-Content -LiteralPath $PSCommandPath -TotalCount 1 }
        'host' { Write-Host 'for a person'; 'for a program' }
        'unicode' { "Grüße 東京 `u{1F512} `u{2028} `"quoted`" back\slash `t" }
    }
}

function Write-ProbeStream {
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param([string[]]$Warning, [string]$ErrorId, [string]$Thrown, [switch]$Careless, [switch]$Native)
    $Warning | Where-Object { $_ } | ForEach-Object { Write-Warning $_ }
    Write-Verbose 'verbose' -Verbose
    Write-Progress -Activity 'progress'
    Write-Information 'information' -InformationAction Continue
    if ($Native) { & /bin/sh -c 'exit 3' }
    if ($Careless) { $ErrorActionPreference = 'Continue' }
    if ($ErrorId) { Write-Error -Message 'it went wrong' -ErrorId $ErrorId -Category ResourceBusy }
    if ($Thrown) { throw $Thrown }
    if ($PSCmdlet.ShouldProcess('probe')) { 'came to its end' }
}

Set-Alias -Name Get-ProbeAlias -Value Get-ProbeArgument
