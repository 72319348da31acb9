# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings that somebody decided to live with: a reason, an owner, and the day until which it holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .finding_query import Query
from .finding_query import read as read_query
from .findings import Finding, FindingKind, Severity
from .problems import FabricError, Kind, Owner, Problem
from .report.model import Suppressed

BAD_SUPPRESSION = Kind(
    "GF-WAT-004",
    Owner.CONTROLLER,
    "is no suppression",
    "give each a query, a reason, an owner, and expires as a date (YYYY-MM-DD)",
)
EXPIRED = FindingKind(
    "GF-WAT-101",
    Owner.CONTROLLER,
    "is a suppression that expired while it still covers findings",
    "solve what it covers, or decide anew and set another date",
    Severity.WARNING,
    "nobody solved what was to be solved by then",
)
_PARTS = ("query", "reason", "owner", "expires")


@dataclass(frozen=True)
class Suppression:
    """A decision to live with some findings until a day, that day included."""

    query: Query
    reason: str
    owner: str
    expires: dt.date


@dataclass(frozen=True)
class Sorted:
    """Findings that count, and those that somebody decided to live with."""

    findings: Sequence[Finding]
    suppressed: Sequence[Suppressed]


def read(given: Sequence[Mapping[str, object]], samples: Sequence[Finding]) -> tuple[Suppression, ...]:
    """Read suppressions. Raises FabricError with the problems of all of them."""
    found = [_read_one(item, f"suppression {number}", samples) for number, item in enumerate(given, 1)]
    problems = [problem for one in found if isinstance(one, FabricError) for problem in one.problems]
    if problems:
        raise FabricError(*problems)
    return tuple(one for one in found if isinstance(one, Suppression))


def _read_one(item: Mapping[str, object], name: str, samples: Sequence[Finding]) -> Suppression | FabricError:
    missing = [part for part in _PARTS if not str(item.get(part) or "").strip()]
    if missing:
        return FabricError(Problem(BAD_SUPPRESSION, name, f"it has no {', '.join(missing)}"))
    try:
        expires = dt.date.fromisoformat(str(item["expires"]))
        query = read_query(str(item["query"]), samples)
    except ValueError as error:
        return FabricError(Problem(BAD_SUPPRESSION, name, f"expires: {error}"))
    except FabricError as error:
        return error
    return Suppression(query, str(item["reason"]), str(item["owner"]), expires)


def sort(findings: Sequence[Finding], suppressions: Sequence[Suppression], today: dt.date) -> Sorted:
    """Sort findings into those that count and those that are suppressed today.

    The first suppression that covers a finding is the one that is named. One that expired and still covers something is
    a finding itself.
    """
    counting: list[Finding] = []
    suppressed: list[Suppressed] = []
    needed: dict[str, Suppression] = {}
    for finding in findings:
        covering = [item for item in suppressions if item.query.matches(finding)]
        valid = next((item for item in covering if item.expires >= today), None)
        if valid is not None:
            suppressed.append(Suppressed(finding, valid.reason, valid.owner, valid.expires.isoformat()))
            continue
        counting.append(finding)
        needed |= {item.query.text: item for item in covering}
    expired = [
        Finding(EXPIRED, "localhost", item=text, expected=f"solved by {item.expires.isoformat()}", actual=item.reason)
        for text, item in needed.items()
    ]
    return Sorted([*counting, *expired], suppressed)
