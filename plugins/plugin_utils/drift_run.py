# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run of the drift check, put together: what was seen, what is found, what is new, gone, or lived with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import drift_picture
from .drift_conclusions import Limits, Seen, findings
from .finding_suppressions import Suppression, sort
from .findings import dated, identity_of, ordered
from .report.model import Run

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True)
class Settings:
    """What the users decided: from when on something is a finding, and what they live with."""

    limits: Limits
    suppressions: Sequence[Suppression] = ()


def conclude(
    seen: Sequence[Seen],
    settings: Settings,
    started: dt.datetime,
    finished: dt.datetime,
    last: Mapping[str, Any] | None,
) -> Run:
    """Return the run of what was seen between two times (UTC); `last` is the run before as data, if there was one.

    A finding that was suppressed in the run before is not new when its suppression ends, and one that is suppressed now
    is not gone. Nor is one of a machine that could not be seen: nobody knows.
    """
    before: list[Mapping[str, Any]] = [*last["findings"], *last["suppressed"]] if last else []
    now = finished.isoformat(timespec="seconds")
    found = sort(findings(seen, settings.limits, finished), settings.suppressions, finished.date())
    counting = dated(found.findings, now, before)
    lived_with = dated((item.finding for item in found.suppressed), now, before)
    present = {finding.identity for finding in (*counting, *lived_with)}
    unseen = {item.name for item in seen if item.unseen_because}
    return Run(
        # A clock that was set back in between must not make it end before it began.
        started=min(started, finished).isoformat(timespec="seconds"),
        finished=now,
        machines=drift_picture.machines(seen),
        hosts=drift_picture.hosts(seen),
        virtual_machines=drift_picture.virtual_machines(seen),
        certificates=drift_picture.certificates(seen),
        findings=ordered(counting),
        suppressed=[replace(item, finding=finding) for item, finding in zip(found.suppressed, lived_with, strict=True)],
        known=frozenset(identity_of(item) for item in before),
        gone=[
            {name: value for name, value in item.items() if name != "new"}
            for item in (last["findings"] if last else ())
            if identity_of(item) not in present and item["machine"] not in unseen
        ],
    )
