# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a kind of evidence is: how it is told and read, what it says, what is wrong with it, what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, FindingKind

T = TypeVar("T")


@dataclass(frozen=True)
class Judgement:
    """One thing that evidence shows. `item` is what it is about, `place` where it is found; the values are words."""

    kind: FindingKind
    item: str = ""
    place: str = ""
    expected: str | None = None
    actual: str | None = None

    def found_on(self, machine: str, evidence: str) -> Finding:
        """Return it as a finding about a machine, shown by evidence of a kind."""
        return Finding(self.kind, machine, self.item, self.place, evidence, self.expected, self.actual)


@dataclass(frozen=True)
class EvidenceKind(Generic[T]):
    """A kind of evidence.

    `claims` tells it from the other kinds by its first bytes, and says nothing of the rest; `read` raises FormatError.
    """

    name: str
    claims: Callable[[bytes], bool]
    read: Callable[[bytes], T]
    facts: Callable[[T], Mapping[str, object]]
    problems: Callable[[T], Iterable[Judgement]]
    differences: Callable[[T, T], Iterable[Judgement]]
