# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look at the fabric finds: data that a person, a monitor and the next run can all read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from .problems import Kind, Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


Identity: TypeAlias = tuple[str, str, str, str, str]
"""What makes a finding the same one in another run: kind, machine, resource, object, property."""


class Severity(IntEnum):
    """How bad a finding is, in order."""

    INFO = 0
    """Worth knowing."""
    WARNING = 1
    """Will fail, or is not what was declared."""
    ERROR = 2
    """Something does not work, or could not be seen."""
    CRITICAL = 3
    """Somebody may get at what they must not."""

    @property
    def word(self) -> str:
        """Its name in files and options."""
        return self.name.lower()


def severity_of(word: str) -> Severity:
    """Return the severity of a word. Raises KeyError for another word."""
    return Severity[word.upper()]


@dataclass(frozen=True)
class FindingKind(Kind):
    """A kind of finding: a kind of problem that also says how bad it is and what usually causes it."""

    severity: Severity
    cause: str


@dataclass(frozen=True)
class Finding:
    """One finding.

    owner: whose it is, where that is not always the same for its kind.
    machine: the inventory's name of the machine that showed it. resource: the module that manages the object, if any.
    item: the thing's name on that machine; empty for the machine itself. option: which property of it differs, if any.
    expected, actual: JSON values; None where there is no such value. since: ISO 8601 UTC, when it was first seen.
    """

    kind: FindingKind
    machine: str
    item: str = ""
    option: str = ""
    resource: str = ""
    expected: object = None
    actual: object = None
    since: str = ""
    owner: Owner | None = None

    @property
    def whose(self) -> Owner:
        """The trust domain whose job it is."""
        return self.owner or self.kind.owner

    @property
    def identity(self) -> Identity:
        """What makes it the same finding in another run, whatever its values and its owner are by then."""
        return (self.kind.id, self.machine, self.resource, self.item, self.option)

    @property
    def thing(self) -> str:
        """What it is about, for people."""
        parts = [self.resource, self.item]
        named = " ".join(part for part in parts if part)
        return f"{named} on {self.machine}" if named else self.machine

    @property
    def sentence(self) -> str:
        """What was found, in a line."""
        told = f"{self.thing}: {self.kind.title}"
        if self.option:
            told += f" ({self.option})"
        if self.expected is not None or self.actual is not None:
            told += f": expected {shown(self.expected)}, found {shown(self.actual)}"
        return told


def shown(value: object) -> str:
    """Return a value in a line of text."""
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def as_data(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON data, in the shape that findings.schema.json describes."""
    kind = finding.kind
    return {
        "id": kind.id,
        "severity": kind.severity.word,
        "owner": finding.whose.value,
        "machine": finding.machine,
        "resource": finding.resource,
        "object": finding.item,
        "property": finding.option,
        "title": kind.title,
        "expected": finding.expected,
        "actual": finding.actual,
        "since": finding.since,
        "cause": kind.cause,
        "remedy": kind.next_step,
    }


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the worst first, and those of one machine together."""
    return sorted(findings, key=lambda finding: (-finding.kind.severity, *finding.identity[1:], finding.kind.id))


def dated(findings: Iterable[Finding], now: str, before: Sequence[Mapping[str, object]]) -> list[Finding]:
    """Return findings with the time since when each is there: now, unless the run before had it already."""
    since = {identity_of(item): str(item["since"]) for item in before}
    return [replace(finding, since=since.get(finding.identity, now)) for finding in findings]


def identity_of(data: Mapping[str, object]) -> Identity:
    """Return the identity of a finding that is JSON data."""
    return (
        str(data["id"]),
        str(data["machine"]),
        str(data["resource"]),
        str(data["object"]),
        str(data["property"]),
    )
