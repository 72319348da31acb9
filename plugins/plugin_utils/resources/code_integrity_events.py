# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
r"""What a code integrity policy blocked on a host, or in audit mode would have: read from the events of code integrity.

Ids: Microsoft's "Understanding App Control event IDs" (3076 and 8028 would have been blocked, 3077 and 8029 were). The
order of an event's values is not published there, so file and process are taken for the first two values that are paths
and the hash for the first of 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Inspection, Question
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

LOGS = {
    "programs": ("Microsoft-Windows-CodeIntegrity/Operational", (3076, 3077)),
    "scripts": ("Microsoft-Windows-AppLocker/MSI and Script", (8028, 8029)),
}
_BLOCKED = frozenset({3077, 8029})
DEFAULT_LIMIT, HIGHEST_LIMIT = 500, 5000
_NO_EVENTS, _NO_LOG = "NoMatchingEventsFound", "NoMatchingLogsFound"
_SHA256 = 32


@dataclass(frozen=True)
class Event:
    """One event. `time` is ISO 8601, UTC; texts are empty where the event has none."""

    time: str
    blocked: bool
    file: str
    process: str
    sha256: str


def _limit(options: Item) -> int:
    limit = options.get("limit")
    return max(1, min(limit, HIGHEST_LIMIT)) if isinstance(limit, int) else DEFAULT_LIMIT


def _observe(options: Item) -> Sequence[Call]:
    return (
        Call("Get-CimInstance", {"ClassName": "Win32_OperatingSystem"}, id="system", select=("LastBootUpTime",)),
        *(
            Call(
                "Get-WinEvent",
                {
                    "LogName": [log],
                    "FilterXPath": f"*[System[({' or '.join(f'EventID={number}' for number in numbers)})]]",
                    "MaxEvents": _limit(options),
                },
                id=name,
                select=("Id", "TimeCreated", "Properties.Value"),
                accept=(_NO_EVENTS, _NO_LOG),
            )
            for name, (log, numbers) in LOGS.items()
        ),
    )


def _event(item: Mapping[str, object]) -> Event:
    given = item.get("Properties.Value")
    values: list[object] = given if isinstance(given, list) else [given]
    paths = [value for value in values if isinstance(value, str) and "\\" in value]
    hashes = [value for value in values if isinstance(value, bytes) and len(value) == _SHA256]
    return Event(
        time=str(item.get("TimeCreated", "")),
        blocked=str(item.get("Id")) in {str(number) for number in _BLOCKED},
        file=paths[0] if paths else "",
        process=paths[1] if paths[1:] else "",
        sha256=hashes[0].hex() if hashes else "",
    )


def _grouped(events: Iterable[Event]) -> list[dict[str, object]]:
    """Return each file once, with how often and when last, the most frequent first."""
    by_file: dict[tuple[bool, str, str, str], list[Event]] = {}
    for event in events:
        by_file.setdefault((event.blocked, event.file, event.process, event.sha256), []).append(event)
    found: list[dict[str, object]] = [
        {
            "blocked": blocked,
            "file": file,
            "process": process,
            "sha256": sha256,
            "count": len(group),
            "last": max(event.time for event in group),
        }
        for (blocked, file, process, sha256), group in by_file.items()
    ]
    return sorted(found, key=lambda item: (-int(str(item["count"])), str(item["file"])))


def _tell(results: Results, question: Question) -> Mapping[str, object]:
    started = str(results.first("system").get("LastBootUpTime", ""))
    events = [_event(item) for name in LOGS for item in results.objects(name)]
    # Both are ISO 8601 in UTC with the same number of digits, so they compare as text.
    counted = events if question.options.get("before_start") else [event for event in events if event.time >= started]
    limit = _limit(question.options)
    return {
        "events": _grouped(counted),
        "since": None if question.options.get("before_start") else started,
        "truncated": any(len(results.objects(name)) >= limit for name in LOGS),
    }


INSPECTION = Inspection(
    name="code_integrity_events",
    owner=Owner.FABRIC,
    options=(
        Option("limit", Role.INPUT, type="int"),
        Option("before_start", Role.INPUT, type="bool"),
    ),
    observe=_observe,
    tell=_tell,
)
