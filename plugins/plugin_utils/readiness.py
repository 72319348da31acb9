# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a server can be a guarded host, by attestation mode, and what is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

from . import findings
from .findings import Finding, FindingKind
from .host_facts import HostFacts
from .host_requirements import REQUIREMENTS
from .readiness_findings import NOT_READ
from .requirement import Demands, Mode, Requirement, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Shortfall:
    """A requirement that is not met, or not known to be."""

    requirement: Requirement
    kind: FindingKind
    actual: str
    verdict: Verdict


@dataclass(frozen=True)
class Readiness:
    """What a server is ready for."""

    facts: HostFacts
    shortfalls: tuple[Shortfall, ...]

    def verdict(self, mode: Mode) -> Verdict:
        """Return the worst of what stands against a mode."""
        order = list(Verdict)
        found = [item.verdict for item in self.shortfalls if mode in item.requirement.modes]
        return max(found, key=order.index, default=Verdict.READY)


def judge(facts: HostFacts, demands: Demands) -> Readiness:
    """Judge a server."""
    return Readiness(facts, tuple(_shortfalls(facts, demands)))


def _shortfalls(facts: HostFacts, demands: Demands) -> Iterator[Shortfall]:
    for requirement in REQUIREMENTS:
        found = requirement.judge(facts, demands)
        if found.met is False:
            yield Shortfall(requirement, requirement.kind, found.actual, found.lacking or requirement.lacking)
        elif found.met is None:
            yield Shortfall(requirement, NOT_READ, found.actual, Verdict.UNKNOWN)


def as_data(readiness: Readiness, machine: str) -> dict[str, object]:
    """Return it as JSON data: verdicts by mode, findings, and the facts they rest on."""
    return {
        "modes": {mode.value: readiness.verdict(mode).value for mode in Mode},
        "findings": [_as_data(item, machine) for item in readiness.shortfalls],
        "facts": _facts(readiness.facts),
    }


def _as_data(item: Shortfall, machine: str) -> dict[str, object]:
    finding = Finding(
        item.kind,
        machine,
        option=item.requirement.kind.id if item.kind is NOT_READ else "",
        resource="host_readiness",
        expected=item.requirement.expected,
        actual=item.actual or None,
    )
    modes = sorted(mode.value for mode in item.requirement.modes)
    return {**findings.as_data(finding), "modes": modes, "means": item.verdict.value}


def _facts(facts: HostFacts) -> dict[str, object]:
    shown = replace(facts, endorsement_certificates=None)
    found = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(shown).items()}
    found["endorsement_certificates"] = [_certificate(item) for item in facts.endorsement_certificates or ()]
    return found


def _certificate(content: bytes) -> dict[str, object]:
    try:
        found = ek_certificate.parse(content)
    except FormatError as error:
        return {"unreadable": str(error)}
    return {
        "manufacturer": found.manufacturer,
        "model": found.model,
        "issuer": found.issuer,
        "not_after": found.not_after.strftime("%Y-%m-%d"),
        "thumbprint": found.thumbprint,
    }
