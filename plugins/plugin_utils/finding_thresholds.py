# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a drift check fails: at a severity, of all findings or of those that a query selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .finding_query import Query
from .finding_query import read as read_query
from .findings import Finding, Severity
from .problems import FabricError, Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BAD_THRESHOLD = Kind(
    "GF-WAT-005",
    Owner.CONTROLLER,
    "is no severity that a check can fail at",
    f"use one of {', '.join(severity.word for severity in Severity)}, or never",
)
NEVER = "never"


@dataclass(frozen=True)
class Threshold:
    """Findings of this severity or worse fail the check; without a query, all of them do."""

    severity: Severity
    query: Query | None = None

    def crossed_by(self, finding: Finding) -> bool:
        """Tell whether a finding fails the check."""
        covered = self.query is None or self.query.matches(finding)
        return covered and finding.kind.severity >= self.severity


def read(given: Sequence[Mapping[str, object]], samples: Sequence[Finding]) -> tuple[Threshold, ...]:
    """Read thresholds, each a severity and perhaps a query. Raises FabricError."""
    found: list[Threshold] = []
    for item in given:
        word = str(item.get("severity") or "")
        query = read_query(str(item["query"]), samples) if item.get("query") else None
        if word == NEVER:
            continue
        if word.upper() not in Severity.__members__:
            raise FabricError(Problem(BAD_THRESHOLD, repr(word)))
        found.append(Threshold(Severity[word.upper()], query))
    return tuple(found)


def crossing(findings: Sequence[Finding], thresholds: Sequence[Threshold]) -> list[Finding]:
    """Return the findings that fail the check."""
    return [finding for finding in findings if any(threshold.crossed_by(finding) for threshold in thresholds)]
