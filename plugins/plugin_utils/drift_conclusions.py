# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the machines of a fabric showed to what was found: pure functions over the results of the module drift."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import drift_findings as kinds
from .catalogue import RESOURCES
from .findings import Finding, FindingKind
from .policy_names import parse
from .problems import Owner

Result = Mapping[str, Any]
"""What the module drift returned for a machine, or, unreachable or failed, Ansible in its place."""

_TRUSTED = ("attestation_hosts", "attestation_policies", "guardians", "trusted_tpm_certificates")
"""Resources whose items are let in: one that nobody declared is more than untidy."""

OWNERS = {"hgs": Owner.GUARDIAN, "host": Owner.FABRIC, "dns": Owner.FABRIC, "tenant": Owner.TENANT}
"""Whose a machine is, by its part in the fabric."""

CERTIFICATES = ("service_certificates", "vendor_certificates", "guardian_certificates")
"""Sides of a machine's health that are lists of certificates."""

_ONE_OWNER = (kinds.ADMITS_OTHERS, kinds.NOT_SHIELDED, kinds.NOT_ATTESTED, kinds.SUPERSEDED)
_ATTESTATION = {kind.id: kind for kind in kinds.ATTESTATION}


@dataclass(frozen=True)
class Seen:
    """A machine of the inventory, its part in the fabric, and what it showed; None where no task ever ran for it."""

    name: str
    part: str
    result: Result | None

    @property
    def owner(self) -> Owner:
        """The trust domain that it belongs to."""
        return OWNERS[self.part]

    @property
    def unseen_because(self) -> str:
        """Why nothing is known of it; empty where something is."""
        if self.result is None:
            return "no task ran for it"
        if self.result.get("unreachable") or self.result.get("failed"):
            return str(self.result.get("msg") or "it gave no reason")
        return "" if isinstance(self.result.get("resources"), Mapping) else "it has no result of a drift check"

    @property
    def health(self) -> Mapping[str, Any]:
        """What it told beside what is declared; nothing of a machine that was not seen."""
        if self.unseen_because or self.result is None:
            return {}
        health: Mapping[str, Any] = self.result.get("health") or {}
        return health

    @property
    def certificates(self) -> list[Mapping[str, Any]]:
        """The certificates that it told of."""
        return [certificate for aspect in CERTIFICATES for certificate in self.health.get(aspect) or ()]

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """What was found of each resource; nothing of a machine that was not seen."""
        if self.unseen_because or self.result is None:
            return {}
        resources: Mapping[str, Mapping[str, Any]] = self.result["resources"]
        return resources


@dataclass(frozen=True)
class Limits:
    """From when on something is a finding.

    days: left of a certificate's life. seconds: between a machine's clock and the controller's.
    """

    days: int = 30
    seconds: int = 300


def findings(machines: Sequence[Seen], limits: Limits, now: dt.datetime) -> list[Finding]:
    """Return everything that the machines show at a time (UTC)."""
    found = [finding for machine in machines for finding in _of_machine(machine, limits, now)]
    return [*found, *_nodes([machine for machine in machines if machine.part == "hgs" and machine.resources])]


def _of_machine(machine: Seen, limits: Limits, now: dt.datetime) -> Iterator[Finding]:
    if machine.unseen_because:
        yield Finding(kinds.UNSEEN, machine.name, actual=machine.unseen_because, owner=machine.owner)
        return
    for name, verdict in machine.resources.items():
        yield from _of_resource(machine, name, verdict)
    yield from _of_health(machine, limits, now)


def _of_resource(machine: Seen, name: str, verdict: Mapping[str, Any]) -> Iterator[Finding]:
    found = partial(Finding, machine=machine.name, resource=name)
    for problem in verdict["unknown"]:
        yield found(kinds.UNREADABLE, actual=_told(problem), owner=machine.owner)
    if verdict["missing"] is not None:
        yield found(kinds.NOT_READY, actual=_told(verdict["missing"]), owner=machine.owner)
    if verdict["settling"]:
        yield found(kinds.UNSETTLED, actual=verdict["settling"], owner=machine.owner)
    declared = _declared_classes(verdict) if name == "attestation_policies" else frozenset()
    for difference in verdict["differences"]:
        kind = _kind(name, difference)
        if kind is kinds.UNDECLARED and _class(difference["object"]) in declared:
            kind = kinds.SUPERSEDED
        yield found(
            kind,
            item=difference["object"],
            option=difference["property"],
            expected=difference["expected"],
            actual=difference["actual"],
            owner=None if kind in _ONE_OWNER else RESOURCES[name].owner,
        )
    for problem in verdict["problems"]:
        if problem["id"] in _ATTESTATION:
            yield found(_ATTESTATION[problem["id"]], actual=problem["detail"])


def _class(policy: str) -> str | None:
    named = parse(policy)
    return None if named is None else named.class_name


def _declared_classes(verdict: Mapping[str, Any]) -> frozenset[str | None]:
    """Return the classes of which a policy is there and declared: those of its older ones are known, too."""
    differing = {difference["object"] for difference in verdict["differences"]}
    known = {_class(str(item["name"])) for item in verdict["before"] if item["name"] not in differing}
    return frozenset(known - {None})


def _told(problem: Mapping[str, Any]) -> str:
    return f"{problem['id']} {problem['what']} ({problem['detail']})".removesuffix(" ()")


def _kind(resource: str, difference: Mapping[str, Any]) -> FindingKind:
    """Return what kind of finding a difference is: some are more than a value that is another."""
    option, expected, actual = difference["property"], difference["expected"], difference["actual"]
    if not option:
        if expected is not None:
            return kinds.ABSENT
        return kinds.UNDECLARED if resource in _TRUSTED else kinds.DIFFERS
    if resource == "shielded_vms" and option in ("owner", "guardians") and actual is not None:
        return kinds.ADMITS_OTHERS
    if resource == "shielded_vms" and option in ("shielded", "tpm", "encrypt_state", "owner", "guardians"):
        return kinds.NOT_SHIELDED
    if resource == "hgs_client" and option == "attested":
        return kinds.NOT_ATTESTED
    return kinds.DIFFERS


def _of_health(machine: Seen, limits: Limits, now: dt.datetime) -> Iterator[Finding]:
    found = partial(Finding, machine=machine.name, owner=machine.owner)
    for aspect, told in machine.health.items():
        if told is None:
            yield found(kinds.UNREADABLE, item=aspect.replace("_", " "))
        elif aspect == "clock" and abs(told) > limits.seconds:
            allowed = f"at most {limits.seconds} s apart"
            yield found(kinds.CLOCKS_APART, item=aspect, expected=allowed, actual=f"{told:+.0f} s")
        elif aspect == "restart" and told:
            yield found(kinds.RESTART_PENDING, actual=", ".join(told))
        elif aspect in CERTIFICATES:
            # By the clock of the machine that uses it.
            there = now + dt.timedelta(seconds=machine.health.get("clock") or 0)
            for certificate in told:
                yield from _of_certificate(machine, certificate, limits, there)


def _of_certificate(
    machine: Seen, certificate: Mapping[str, Any], limits: Limits, now: dt.datetime
) -> Iterator[Finding]:
    begin, end = (dt.datetime.fromisoformat(certificate[name]) for name in ("not_before", "not_after"))
    item = f"{certificate['purpose']} {certificate['thumbprint'][:8]}"
    owner = Owner.TENANT if machine.part == "tenant" else Owner.GUARDIAN
    if not begin <= now < end:
        valid = f"valid on {now.date().isoformat()}"
        told = f"valid from {begin.date().isoformat()} to {end.date().isoformat()}"
        yield Finding(kinds.ENDED, machine.name, item, "validity", expected=valid, actual=told, owner=owner)
    elif end - now < dt.timedelta(days=limits.days):
        left = (end - now).days
        yield Finding(
            kinds.ENDS_SOON,
            machine.name,
            item,
            "validity",
            expected=f"{limits.days} days left",
            actual=f"{left} days left, until {end.date().isoformat()}",
            owner=owner,
        )


def _nodes(nodes: Sequence[Seen]) -> Iterator[Finding]:
    """Compare what the nodes of the service show: what is replicated has to be the same on each."""
    for resource in ("attestation_hosts", "attestation_policies", "trusted_tpm_certificates"):
        shown = {
            node.name: _keys(node.resources[resource]["before"])
            for node in nodes
            if _is_known(node.resources, resource)
        }
        everywhere = frozenset.intersection(*shown.values()) if shown else frozenset()
        for item in sorted(frozenset().union(*shown.values()) - everywhere):
            having = sorted(name for name, items in shown.items() if item in items)
            yield Finding(kinds.NODES_DISAGREE, "hgs", item, "", resource, expected=sorted(shown), actual=having)


def _is_known(resources: Mapping[str, Mapping[str, Any]], name: str) -> bool:
    return name in resources and not resources[name]["unknown"] and resources[name]["missing"] is None


def _keys(before: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(item.get("name") or item.get("thumbprint") or item) for item in before)
