# SPDX-License-Identifier: GPL-3.0-or-later
"""Get-WinEvent of Microsoft.PowerShell.Diagnostics, for the log of code integrity and a choice of events by id.

Which values an event has, and in which order, is from the manifests that Windows shows; of the many, the lab gives the
first: lengths and texts of file and process, signing levels, status, sizes and bytes of the hashes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import CodeIntegrityEvent

    from .registry import Bound, Session

MODULE: Final = "Microsoft.PowerShell.Diagnostics"
_CODE_INTEGRITY: Final = "microsoft-windows-codeintegrity/operational"
_EMPTY: Final = frozenset({"microsoft-windows-applocker/msi and script"})
"""Logs that are there and in which the lab writes nothing."""
_BY_ID: Final = re.compile(r"\*\[System\[\(?((?:EventID=\d+(?: or )?)+)\)?\]\]")
_DEVICE: Final = r"\Device\HarddiskVolume3"
_NOT_SIGNED, _REQUIRED, _STATUS = 1, 2, 0xC0E90002


@cmdlet(MODULE, "Get-WinEvent")
def get_win_event(session: Session, p: Bound) -> object:
    """Return the events of a log by id, the newest first."""
    for name in p:
        if name not in {"LogName", "FilterXPath", "MaxEvents", "ErrorAction"}:
            raise NotEmulatedError(f"the lab does not emulate Get-WinEvent -{name}")
    (log,) = p.texts("LogName")
    if log.lower() not in {_CODE_INTEGRITY, *_EMPTY}:
        raise _error(f"There is not an event log on this computer that matches '{log}'.", "NoMatchingLogsFound")
    match = _BY_ID.fullmatch(p.text("FilterXPath", "*[System[(EventID=3076 or EventID=3077)]]"))
    if match is None:
        raise NotEmulatedError("the lab's Get-WinEvent takes *[System[(EventID=1 or EventID=2)]] and no other query")
    wanted = {int(number) for number in re.findall(r"\d+", match[1])}
    events = session.machine.code_integrity_events if log.lower() == _CODE_INTEGRITY else []
    found = [event for event in reversed(events) if event.id in wanted][: int(str(p.get("MaxEvents", len(events))))]
    if not found:
        raise _error("No events were found that match the specified selection criteria.", "NoMatchingEventsFound")
    return [_object(event) for event in found]


def _error(message: str, reason: str) -> CmdletError:
    return CmdletError(message, f"{reason},Microsoft.PowerShell.Commands.GetWinEventCommand", "ObjectNotFound")


def _object(event: CodeIntegrityEvent) -> PSObject:
    file, process = (_device_path(path) for path in (event.file, event.process))
    values: tuple[object, ...] = (
        len(file),
        file,
        len(process),
        process,
        _REQUIRED,
        _NOT_SIGNED,
        _STATUS,
        len(event.sha1),
        event.sha1,
        len(event.sha256),
        event.sha256,
    )
    return PSObject(
        "System.Diagnostics.Eventing.Reader.EventLogRecord",
        {
            "Id": event.id,
            "TimeCreated": event.time,
            "ProviderName": "Microsoft-Windows-CodeIntegrity",
            "Properties": [
                PSObject("System.Diagnostics.Eventing.Reader.EventProperty", {"Value": value}) for value in values
            ],
        },
    )


def _device_path(path: str) -> str:
    return _DEVICE + path[2:] if path[1:3] == ":\\" else path
