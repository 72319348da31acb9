# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can start which virtual machine: its key protector names the guardians whose attested hosts get the key.

A guardian that a protector names can start the machine whatever else is configured. Nobody else can but the owner: who
holds the owner's keys opens the protector on any host (WSD guarded-fabric-and-shielded-vms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata, key_protector
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import problems
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

from .artifact_kinds import key_protector_holders
from .attestation_status import PASSED
from .fabric_summary import table
from .guardian_names import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Guardian:
    """A guardian that somebody here knows. `approved_by`: who approved its metadata; empty for one known otherwise."""

    name: str
    thumbprint: str
    approved_by: str = ""


@dataclass(frozen=True)
class Protection:
    """What protects a machine: thumbprints (upper-case hex) of its owner and guardians, owner None for no protector."""

    owner: str | None
    guardians: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A machine as a host has it; protection None where nobody looked."""

    name: str
    host: str
    protection: Protection | None


def read_protection(content: bytes) -> Protection:
    """Read a key protector and check all that needs no key. Raises FormatError where it is none."""
    protector = key_protector.read(content)
    if protector is None:
        return Protection(None)
    owner, guardians = key_protector_holders(content)
    return Protection(owner, guardians, tuple(problem.reason for problem in problems(protector)))


def read_metadata(name: str, content: bytes, approved_by: str) -> tuple[Guardian, ...]:
    """Read guardian metadata: the guardian under each of its signing certificates. Raises FormatError."""
    found = guardian_metadata.read(content)
    certificates = (found.signing_certificate, *found.other_signing_certificates)
    return tuple(Guardian(name, thumbprint(certificate), approved_by) for certificate in certificates)


def placed(machines: Mapping[str, Sequence[Mapping[str, Any]] | None]) -> list[Placed]:
    """Return the machines that shielded_vms gathered, by host."""
    return [
        Placed(str(item["name"]), host, _protection(item)) for host, found in machines.items() for item in found or ()
    ]


def _protection(item: Mapping[str, Any]) -> Protection | None:
    owner = item.get("owner")
    if owner is None:
        # A machine that was looked at shows whether it is shielded; one that has no protector has no owner.
        return Protection(None) if "shielded" in item else None
    if str(owner).startswith(_UNKNOWN):
        return Protection("", doubts=(str(owner),))
    return Protection(str(owner).upper(), tuple(str(one).upper() for one in item.get("guardians") or ()))


def attesting(hosts: Mapping[str, Mapping[str, Any] | None]) -> tuple[list[str], list[str]]:
    """Return the hosts that attest now, and those of which nobody knows, from what hgs_client gathered by host."""
    now, unknown = [], []
    for name, state in sorted(hosts.items()):
        if not state:
            unknown.append(name)
        elif state.get("is_host_guarded") is True and state.get("attestation_status") == PASSED:
            now.append(name)
    return now, unknown


@dataclass(frozen=True)
class Fabric:
    """The fabric behind a guardian, by its signing certificates: hosts that attest now, and of which nobody knows."""

    thumbprints: frozenset[str]
    attesting: Sequence[str]
    unknown: Sequence[str]


def rows(
    machines: Iterable[Placed], filed: Mapping[str, Protection], guardians: Iterable[Guardian], fabric: Fabric
) -> list[dict[str, object]]:
    """Return for each machine who can start it, as JSON data.

    filed: protectors of the exchange directory, by name of their machine. A machine that no host has comes from there.
    """
    known = {guardian.thumbprint.upper(): guardian for guardian in guardians}
    by_name = {name.casefold(): protection for name, protection in filed.items()}
    there = list(machines)
    names = {machine.name.casefold() for machine in there}
    there += [Placed(name, "", None) for name in filed if name.casefold() not in names]
    return [
        _row(machine, by_name.get(machine.name.casefold()), known, fabric)
        for machine in sorted(there, key=lambda one: (one.name.casefold(), one.host))
    ]


def _row(machine: Placed, filed: Protection | None, known: Mapping[str, Guardian], fabric: Fabric) -> dict[str, object]:
    actual = machine.protection
    # Nobody looked at the machine: what was made for it is all there is to go by.
    assumed = filed if actual is None else actual
    agrees = None if actual is None or filed is None else _holders(actual) == _holders(filed)
    return {
        "name": machine.name,
        "host": machine.host,
        "seen": actual is not None,
        "protected": None if assumed is None else assumed.owner is not None,
        "owner": None if assumed is None or not assumed.owner else _named(assumed.owner, known),
        "guardians": [] if assumed is None else [_guardian(one, known, fabric) for one in assumed.guardians],
        "agrees_with_exchange": agrees,
        "doubts": [] if assumed is None else list(assumed.doubts),
    }


def _holders(protection: Protection) -> tuple[str | None, tuple[str, ...]]:
    return protection.owner, tuple(sorted(protection.guardians))


def _named(print_: str, known: Mapping[str, Guardian]) -> dict[str, object]:
    guardian = known.get(print_)
    return {
        "name": None if guardian is None else guardian.name,
        "thumbprint": print_,
        "approved_by": None if guardian is None else guardian.approved_by or None,
    }


def _guardian(print_: str, known: Mapping[str, Guardian], fabric: Fabric) -> dict[str, object]:
    named = _named(print_, known)
    is_here = print_ in fabric.thumbprints
    hosts: object = list(fabric.attesting) if is_here else None
    return {**named, "hosts": hosts, "unknown_hosts": list(fabric.unknown) if is_here else []}


def summary(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return who can start what as a table."""
    return table(
        "Who can start which virtual machine",
        ["name", "lies on", "owner", "guardians", "hosts that can start it now", "remarks"],
        [
            [
                item["name"],
                item["host"] or "exchange only",
                _title(item["owner"]) if item["owner"] else "-",
                ", ".join(_title(one) for one in item["guardians"]) or "-",
                _hosts(item),
                "; ".join(_remarks(item)) or "-",
            ]
            for item in found
        ],
    )


def _title(named: Mapping[str, Any]) -> str:
    return str(named["name"] or str(named["thumbprint"])[:SHORT])


def _hosts(item: Mapping[str, Any]) -> str:
    if item["protected"] is False:
        return "any"
    if item["protected"] is None:
        return _UNKNOWN
    here = [one for one in item["guardians"] if one["hosts"] is not None]
    listed = [host for one in here for host in one["hosts"]]
    elsewhere = [f"those of {_title(one)}" for one in item["guardians"] if one["hosts"] is None]
    unknown = [f"{host}?" for one in here for host in one["unknown_hosts"]]
    return ", ".join([*listed, *unknown, *elsewhere]) or "none"


def _remarks(item: Mapping[str, Any]) -> list[str]:
    remarks = list(item["doubts"])
    if item["protected"] is False:
        remarks.append("no key protector")
    if item["host"] and not item["seen"] and item["protected"] is not None:
        remarks.append("not looked at; as made")
    if item["agrees_with_exchange"] is False:
        remarks.append("not the protector of the exchange directory")
    remarks += [f"nobody here knows {_title(one)}" for one in item["guardians"] if one["name"] is None]
    return remarks
