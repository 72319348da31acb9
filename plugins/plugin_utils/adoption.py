# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A living fabric as inventory, variables and artifacts: pure functions over what its machines showed.

What is written declares what was found and nothing else, so that running it back changes nothing. A machine that the
rollout would change is left out, with the reason; what the roles cannot say is said in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import adoption_fabric, adoption_guardian, adoption_tenant
from .adoption_model import Adopted, Found, Kept, Shown
from .adoption_reading import METADATA
from .artifact_kinds import KEY_PROTECTOR
from .problems import Kind, Owner, Problem

LEFT_OUT = Kind(
    "GF-ADO-002",
    Owner.CONTROLLER,
    "is not adopted, since the rollout would change it or nobody knows whether it would",
    "do what the reason asks for, or take it out of its group; then adopt again",
)

GROUPS: Mapping[str, str] = {
    "hgs": "hgs",
    "dns": "fabric_dns",
    "host": "guarded_hosts",
    "tenant": "tenant",
    "guest": "guests",
}
"""Group of the inventory by part of the fabric."""
REFERENCES = "reference_hosts"
NOT_ADOPTED = "not_adopted"
EVERYONE = "all"

_OF_ONE = frozenset(
    {
        "guarded_host_name",
        "hardware_class",
        "guarded_host_software_class",
        "shielded_vm_names",
        "shielded_vm_machine_settings",
    }
)
"""Variables of a single machine, even where it is the only one of its group."""


@dataclass(frozen=True)
class Adoption:
    """What is written of a fabric.

    members: machines by group. connections: how each of them is reached. groups and machines: variables by name.
    """

    members: Mapping[str, Sequence[str]]
    connections: Mapping[str, Mapping[str, object]]
    groups: Mapping[str, Mapping[str, object]]
    machines: Mapping[str, Mapping[str, object]]
    artifacts: Sequence[Found]
    problems: Sequence[Problem]


def adopt(machines: Sequence[Shown], exchange: str, kept: Kept) -> Adoption:
    """Return what is written of the machines that an inventory names, in its order.

    exchange: the path of the exchange directory. kept: what lies there already.
    """
    of = {part: [machine for machine in machines if machine.part == part] for part in GROUPS}
    nodes, no_nodes = adoption_guardian.in_service(of["hgs"])
    names = adoption_guardian.registered_as(of["host"], nodes)
    hosts, no_hosts = adoption_fabric.ready(of["host"], names if nodes else None)
    metadata = next((content for node in nodes if (content := node.artifact(METADATA))), None)
    service = str(nodes[0].single("hgs_server")["service"]) if nodes else ""
    domain = str(nodes[0].single("hgs_server")["domain"]) if nodes else ""
    guardian = adoption_tenant.guardian_name(service, adoption_tenant.thumbprints_of(metadata), of["tenant"])
    guardians, classes = adoption_guardian.adopt(nodes, of["host"], names, guardian, kept) if nodes else (Adopted(), {})
    fabric = adoption_fabric.adopt(hosts, names, classes)
    protectors = [found for found in fabric.artifacts if found.kind is KEY_PROTECTOR]
    parts = {
        "hgs": guardians,
        "dns": adoption_fabric.adopt_dns(of["dns"], domain),
        "host": fabric,
        "tenant": adoption_tenant.adopt(of["tenant"], adoption_tenant.machines_of(hosts, protectors), nodes, kept),
        "guest": adoption_tenant.adopt_guests(of["guest"]),
    }
    reasons = {**no_nodes, **no_hosts, **{name: why for part in parts.values() for name, why in part.left_out.items()}}
    shared: dict[str, object] = {"exchange_directory": exchange}
    if nodes:
        shared |= {"hgs_domain": domain, "hgs_service_name": service}
    return _put_together(machines, parts, reasons, shared)


def _put_together(
    machines: Sequence[Shown], parts: Mapping[str, Adopted], reasons: Mapping[str, str], shared: Mapping[str, object]
) -> Adoption:
    members: dict[str, list[str]] = {GROUPS[name]: list(part.variables) for name, part in parts.items()}
    members[REFERENCES] = [
        name for name, values in parts["host"].variables.items() if values[adoption_fabric.REFERENCE]
    ]
    members[NOT_ADOPTED] = list(reasons)
    written = {
        name: {key: value for key, value in values.items() if key != adoption_fabric.REFERENCE}
        for part in parts.values()
        for name, values in part.variables.items()
    }
    groups = {GROUPS[name]: _common([written[machine] for machine in part.variables]) for name, part in parts.items()}
    group_of = {machine.name: GROUPS[machine.part] for machine in machines}
    connections = {machine.name: machine.connection for machine in machines}
    everywhere = {name: value for name, value in _same(list(connections.values())).items() if name != "ansible_host"}
    unknown = [problem for machine in machines for problem in machine.unknown()]
    left_out = [Problem(LEFT_OUT, name, why) for name, why in reasons.items()]
    return Adoption(
        members={name: found for name, found in members.items() if found},
        connections={name: _without(values, everywhere) for name, values in connections.items()},
        groups={
            EVERYONE: {**everywhere, **shared},
            **{name: values for name, values in groups.items() if values},
        },
        machines={name: own for name, values in written.items() if (own := _without(values, groups[group_of[name]]))},
        artifacts=_distinct(found for part in parts.values() for found in part.artifacts),
        problems=[*left_out, *unknown, *(problem for part in parts.values() for problem in part.problems)],
    )


def _distinct(artifacts: Iterable[Found]) -> list[Found]:
    """Return one artifact for each place; one that is trusted comes before one that is not."""
    found: dict[tuple[str, str], Found] = {}
    for item in artifacts:
        place = (item.kind.folder, item.name)
        if place not in found or (item.trusted and not found[place].trusted):
            found[place] = item
    return [found[place] for place in sorted(found)]


def _same(machines: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the variables that all of the machines have with one value."""
    first = machines[0] if machines else {}
    return {name: value for name, value in first.items() if all(name in one and one[name] == value for one in machines)}


def _common(machines: Sequence[Mapping[str, object]]) -> dict[str, object]:
    return {name: value for name, value in _same(machines).items() if name not in _OF_ONE}


def _without(values: Mapping[str, object], common: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in common}
