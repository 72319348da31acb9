# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.guarded.fabric.lab.wire.recognised_scripts import (
    AbortShutdown,
    BootTimeQuery,
    HostName,
    LogonScreenQuery,
    RebootRequest,
    WhoAmI,
    recognise,
)

BOOT_TIME = "(Get-CimInstance -ClassName Win32_OperatingSystem -Property LastBootUpTime).LastBootUpTime.ToFileTime()"
FAILED = (
    "; If (-not $?) { If (Get-Variable LASTEXITCODE -ErrorAction SilentlyContinue) "
    "{ exit $LASTEXITCODE } Else { exit 1 } }"
)


@pytest.mark.parametrize("ending", ["", FAILED, "\nexit $LASTEXITCODE"])
@pytest.mark.parametrize(
    ("command", "request_"),
    [
        (BOOT_TIME, BootTimeQuery()),
        ("whoami", WhoAmI()),
        ("WhoAmI.exe", WhoAmI()),
        ("hostname", HostName()),
        ("C:\\Windows\\System32\\shutdown.exe /a", AbortShutdown()),
    ],
)
def test_commands_are_recognised_with_what_plugins_put_behind_them(command: str, request_: object, ending: str) -> None:
    assert recognise(command + ending) == request_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whoami; Remove-Item C:\\ -Recurse",
        "whoami /all",
        f"{BOOT_TIME}; whoami",
        f"whoami{FAILED}; hostname",
        "C:\\Windows\\System32\\shutdown.exe /a /f",
    ],
)
def test_anything_around_a_command_makes_it_unknown(text: str) -> None:
    assert recognise(text) is None


def test_boot_time_is_a_filetime() -> None:
    # FILETIME of the Unix epoch: Win32 docs, "Converting a time_t value to a file time".
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert BootTimeQuery().answer(epoch).stdout == b"116444736000000000\r\n"
    assert BootTimeQuery().answer(epoch + timedelta(microseconds=1)).stdout == b"116444736000000010\r\n"


KEY = r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\AutoLogonChecked"
REBOOT_3_1 = (
    r"""Set-StrictMode -Version Latest
$ErrorActionPreference = 'Continue'
if ($False) {
Remove-Item -LiteralPath 'KEY' -Force -ErrorAction SilentlyContinue
}
$stdout = $null
$stderr = . { shutdown.exe /r /t 5 /c 'it''s time' | Set-Variable stdout } 2>&1 | ForEach-Object ToString
ConvertTo-Json -Compress -InputObject @{
stdout = (@($stdout) -join "`n")
stderr = (@($stderr) -join "`n")
rc = $LASTEXITCODE
}
""".replace("KEY", KEY)
    + FAILED.removeprefix("; ")
)
REBOOT_3_3 = (
    r"""$ErrorActionPreference = 'Continue'

if ($False) {
    Remove-Item -LiteralPath 'KEY' -Force -ErrorAction SilentlyContinue
}

$stdout = $null
$stderr = . { SHUTDOWN /r /t 5 /c 'it''s time' | Set-Variable stdout } 2>&1 | ForEach-Object ToString

ConvertTo-Json -Compress -InputObject @{
    stdout = (@($stdout) -join "`n")
    stderr = (@($stderr) -join "`n")
    rc = $LASTEXITCODE
}
""".replace("KEY", KEY).replace("SHUTDOWN", r"C:\Windows\System32\shutdown.exe")
    + FAILED
)
REBOOT_3_4 = REBOOT_3_3.replace(
    "\nConvertTo-Json",
    """
If (Get-Variable LASTEXITCODE -ErrorAction SilentlyContinue) {
    $rc = $LASTEXITCODE
} Else {
    $rc=1
}

ConvertTo-Json""",
).replace("rc = $LASTEXITCODE\n}\n;", "rc = $rc\n}\n;")


@pytest.mark.parametrize("text", [REBOOT_3_1, REBOOT_3_3, REBOOT_3_4])
def test_reboot_is_recognised_as_each_release_of_ansible_windows_sends_it(text: str) -> None:
    assert recognise(text) == RebootRequest(5, "it's time", forget_logon_screen=False)


@pytest.mark.parametrize("text", [REBOOT_3_1, REBOOT_3_3, REBOOT_3_4])
@pytest.mark.parametrize(
    ("part", "by"),
    [
        ("/c 'it''s time'", "/c 'it's time'"),
        ("/r /t 5", "/r /f /t 5"),
        ("/t 5", "/t $(whoami)"),
        ("$stdout = $null", "$stdout = $null; whoami"),
        ("($False)", "($Evil)"),
    ],
)
def test_a_reboot_that_does_more_is_unknown(text: str, part: str, by: str) -> None:
    assert part in text
    assert recognise(text.replace(part, by)) is None


def test_reboot_reports_the_exit_code_of_shutdown_inside_its_json() -> None:
    result = RebootRequest(2, "why", forget_logon_screen=True).answer(
        1190, "A system shutdown has already been scheduled."
    )
    assert result.rc == 0
    assert json.loads(result.stdout) == {
        "stdout": "",
        "stderr": "A system shutdown has already been scheduled.",
        "rc": 1190,
    }


def test_logon_screen_query_fails_until_it_was_shown() -> None:
    query = LogonScreenQuery("success-1")
    assert query.answer(shown=False).rc == 1
    assert query.answer(shown=True).stdout == b"success-1\r\n"
