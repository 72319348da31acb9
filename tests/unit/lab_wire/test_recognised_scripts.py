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
