# SPDX-License-Identifier: GPL-3.0-or-later
"""The few PowerShell texts that stock Ansible plugins send outside of a module, each matched as a whole.

The lab interprets no PowerShell. A text is taken for one of these only where every line but the inserted values is the
plugin's (ansible.windows 3.1 to 3.7, plugins/plugin_utils/_reboot.py); anything else is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .process_result import ProcessResult

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOWS_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RebootRequest:
    """`shutdown.exe /r` of win_reboot; `forget_logon_screen`: LogonScreenQuery is to wait for the next start."""

    delay: int
    """Seconds between the command and the shutdown."""
    message: str
    forget_logon_screen: bool

    def answer(self, rc: int = 0, stderr: str = "") -> ProcessResult:
        """Output of the script; `rc` is shutdown.exe's: 1190 already scheduled, 1115 already in progress."""
        output = json.dumps({"stdout": "", "stderr": stderr, "rc": rc}, separators=(",", ":"))
        return ProcessResult(0, output.encode() + b"\r\n")


@dataclass(frozen=True)
class AbortShutdown:
    """`shutdown.exe /a`, which win_reboot sends where a shutdown was already scheduled."""

    def answer(self, rc: int = 0, stderr: str = "") -> ProcessResult:
        """Output of the script; `rc` is shutdown.exe's: 1116 no shutdown in progress."""
        return ProcessResult(rc, b"", stderr.encode())


@dataclass(frozen=True)
class BootTimeQuery:
    """Asks when Windows started."""

    def answer(self, started: datetime) -> ProcessResult:
        """Output of the script: a FILETIME, 100 ns steps since 1601."""
        since = started - _WINDOWS_EPOCH
        filetime = (since.days * 86_400 + since.seconds) * 10_000_000 + since.microseconds * 10
        return ProcessResult(0, f"{filetime}\r\n".encode())


@dataclass(frozen=True)
class LogonScreenQuery:
    """Asks whether the logon screen has been shown since the start, by a registry key that LogonUI creates."""

    marker: str

    def answer(self, *, shown: bool) -> ProcessResult:
        """Output of the script."""
        if shown:
            return ProcessResult(0, f"{self.marker}\r\n".encode())
        return ProcessResult(1, b"", b"Cannot find path because it does not exist.\r\n")


@dataclass(frozen=True)
class WhoAmI:
    """`whoami`, the test command that documentation and people use."""

    def answer(self, account: str) -> ProcessResult:
        r"""Output of the command; `account` is `machine\user`."""
        return ProcessResult(0, account.lower().encode() + b"\r\n")


@dataclass(frozen=True)
class HostName:
    """`hostname`."""

    def answer(self, name: str) -> ProcessResult:
        """Output of the command."""
        return ProcessResult(0, name.encode() + b"\r\n")


ScriptRequest = RebootRequest | AbortShutdown | BootTimeQuery | LogonScreenQuery | WhoAmI | HostName

_LOGON_UI_KEY: Final = r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\AutoLogonChecked"

_REBOOT_START: Final = (
    r"""$ErrorActionPreference = 'Continue'
if ($<forget>) {
Remove-Item -LiteralPath '"""
    + _LOGON_UI_KEY
    + r"""' -Force -ErrorAction SilentlyContinue
}
$stdout = $null
$stderr = . { <shutdown> /r /t <delay> /c <message> | Set-Variable stdout } 2>&1 | ForEach-Object ToString
"""
)
_REBOOT_END: Final = r"""ConvertTo-Json -Compress -InputObject @{
stdout = (@($stdout) -join "`n")
stderr = (@($stderr) -join "`n")
"""
_REBOOT_UP_TO_3_3: Final = _REBOOT_START + _REBOOT_END + "rc = $LASTEXITCODE\n}"
_REBOOT: Final = (
    _REBOOT_START
    + r"""If (Get-Variable LASTEXITCODE -ErrorAction SilentlyContinue) {
$rc = $LASTEXITCODE
} Else {
$rc=1
}
"""
    + _REBOOT_END
    + "rc = $rc\n}"
)

_HOLES: Final = {
    "shutdown": r"(?:C:\\Windows\\System32\\)?shutdown\.exe",
    "forget": r"(?P<forget>True|False)",
    "delay": r"(?P<delay>\d{1,9})",
    "message": r"'(?P<message>(?:[^'\u2018-\u201b]|''|\u2018\u2018|\u2019\u2019|\u201a\u201a|\u201b\u201b)*)'",
    "marker": r"'(?P<marker>success-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'",
}

_STRICT_MODE: Final = "Set-StrictMode -Version Latest\n"
_EXIT: Final = (
    "If (-not $?) { If (Get-Variable LASTEXITCODE -ErrorAction SilentlyContinue)"
    " { exit $LASTEXITCODE } Else { exit 1 } }"
)
_ENDINGS: Final = (f"; {_EXIT}", f"\n{_EXIT}", "\nexit $LASTEXITCODE")
"""What win_reboot, the shell plugin and the psrp connection put behind a command so that its exit code gets back."""


def _whole(template: str) -> re.Pattern[str]:
    parts = re.split(r"<(\w+)>", template)
    return re.compile("".join(_HOLES[part] if index % 2 else re.escape(part) for index, part in enumerate(parts)))


def _undouble(quoted: str) -> str:
    # PowerShell takes five characters for a single quote; the plugin doubles each.
    return re.sub(r"(['\u2018-\u201b])\1", r"\1", quoted)


def _reboot(m: re.Match[str]) -> RebootRequest:
    return RebootRequest(int(m["delay"]), _undouble(m["message"]), forget_logon_screen=m["forget"] == "True")


_RECOGNISERS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ScriptRequest]], ...]] = (
    (_whole(_REBOOT), _reboot),
    (_whole(_REBOOT_UP_TO_3_3), _reboot),
    (_whole("<shutdown> /a"), lambda _: AbortShutdown()),
    (
        _whole(
            "(Get-CimInstance -ClassName Win32_OperatingSystem -Property LastBootUpTime).LastBootUpTime.ToFileTime()"
        ),
        lambda _: BootTimeQuery(),
    ),
    (
        _whole(f"Get-Item -LiteralPath '{_LOGON_UI_KEY}' -ErrorAction Stop; <marker>"),
        lambda m: LogonScreenQuery(m["marker"]),
    ),
    (re.compile(r"(?i)whoami(?:\.exe)?"), lambda _: WhoAmI()),
    (re.compile(r"(?i)hostname(?:\.exe)?"), lambda _: HostName()),
)


def recognise(text: str) -> ScriptRequest | None:
    """Return what a script asks for, None where its lines are not exactly those of a known one."""
    # The shell plugin drops indentation and empty lines, win_reboot of later releases does not use it.
    lines = "\n".join(line.strip() for line in text.splitlines() if line.strip()).removeprefix(_STRICT_MODE)
    for ending in _ENDINGS:
        lines = lines.removesuffix(ending)
    for pattern, request in _RECOGNISERS:
        if match := pattern.fullmatch(lines.strip()):
            return request(match)
    return None
