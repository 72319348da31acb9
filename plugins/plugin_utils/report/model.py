# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of the drift check: what every report is a picture of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, Identity, Severity


@dataclass(frozen=True)
class Machine:
    """A machine of the inventory. `part` is what it is: hgs, host, tenant or dns. Unseen, `reason` says why."""

    name: str
    part: str
    seen: bool
    reason: str = ""


@dataclass(frozen=True)
class Host:
    """A guarded host: whether it is one right now, None where nobody could see."""

    name: str
    guarded: bool | None
    status: str = ""
    substatus: tuple[str, ...] = ()


@dataclass(frozen=True)
class VirtualMachine:
    """A virtual machine. `guardians` are the fabrics that may start it, by name; None where nobody could see."""

    name: str
    host: str
    power: str = ""
    shielded: bool | None = None
    owner: str = ""
    guardians: tuple[str, ...] | None = None
    can_start: bool | None = None


@dataclass(frozen=True)
class Certificate:
    """A certificate that the fabric depends on; times are ISO 8601 UTC."""

    machine: str
    purpose: str
    subject: str
    thumbprint: str
    not_before: str
    not_after: str


@dataclass(frozen=True)
class Suppressed:
    """A finding that somebody decided to live with until a day: why, who said so, until when (ISO date)."""

    finding: Finding
    reason: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Run:
    """A finished run. Times are ISO 8601 UTC.

    known: identities of the findings that the run before had. gone: its findings that are no more, as data.
    """

    started: str
    finished: str
    machines: Sequence[Machine] = ()
    hosts: Sequence[Host] = ()
    virtual_machines: Sequence[VirtualMachine] = ()
    certificates: Sequence[Certificate] = ()
    findings: Sequence[Finding] = ()
    suppressed: Sequence[Suppressed] = ()
    known: frozenset[Identity] = frozenset()
    gone: Sequence[Mapping[str, object]] = ()

    def counted(self) -> dict[Severity, int]:
        """Return how many findings there are of each severity."""
        counts = dict.fromkeys(Severity, 0)
        for finding in self.findings:
            counts[finding.kind.severity] += 1
        return counts

    def new(self) -> list[Finding]:
        """Return the findings that the run before did not have."""
        return [finding for finding in self.findings if finding.identity not in self.known]
