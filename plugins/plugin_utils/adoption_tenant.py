# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tenant's part of a living fabric as variables: owners, the guardians they know, and guests that are encrypted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

from .adoption_fabric import protected
from .adoption_model import Adopted, Found, Kept, Shown, names_in
from .adoption_reading import METADATA
from .artifact_kinds import GUARDIAN_METADATA
from .exchange import is_name
from .problems import Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METADATA_UNKNOWN = Kind(
    "GF-ADO-008",
    Owner.TENANT,
    "is a guardian whose metadata nobody can read back; it is declared by its name",
    "ask the fabric it belongs to for its metadata, before a machine is to be shielded for it",
)
NOT_OWNED = Kind(
    "GF-ADO-009",
    Owner.TENANT,
    "has a key protector that no machine of the tenant would make; it is kept as it is",
    "find out who owns it, and for which guardians; name it in shielded_vm_names of the machine with the owner's keys",
)

Thumbprints: TypeAlias = tuple[str, str]
"""Of a guardian's signing and encryption certificate, in upper case."""


@dataclass(frozen=True)
class Machine:
    """A virtual machine whose key protector is kept: thumbprints of the signing certificates of owner and guardians."""

    name: str
    owner: str
    guardians: frozenset[str]


def machines_of(hosts: Sequence[Shown], kept: Sequence[Found]) -> list[Machine]:
    """Return the virtual machines whose key protectors are kept."""
    names = {found.name for found in kept}
    return [
        Machine(str(item["name"]), str(item["owner"]).upper(), frozenset(str(one).upper() for one in item["guardians"]))
        for host in hosts
        for item in protected(host)
        if item["name"] in names
    ]


def guardian_name(service: str, metadata: Thumbprints | None, tenants: Sequence[Shown]) -> str:
    """Return the name of the service's metadata: that which the first tenant knows it by, else the service's."""
    known = (item for tenant in tenants for item in tenant.state("guardians") or () if _thumbprints(item) == metadata)
    return next((name for item in known if is_name(name := str(item["name"]))), service)


def thumbprints_of(content: bytes | None) -> Thumbprints | None:
    """Return the thumbprints of a guardian's metadata; None where it is none."""
    try:
        found = guardian_metadata.read(content or b"")
    except FormatError:
        return None
    return thumbprint(found.signing_certificate), thumbprint(found.encryption_certificate)


def _thumbprints(item: Mapping[str, Any]) -> Thumbprints:
    return str(item["signing_thumbprint"]).upper(), str(item["encryption_thumbprint"]).upper()


@dataclass(frozen=True)
class Tenancy:
    """What a tenant's machine does: its owner, the guardians it grants, the machines it owns, others that it knows."""

    owner: str
    granted: tuple[str, ...]
    machines: tuple[str, ...]
    known: tuple[str, ...]


def adopt(tenants: Sequence[Shown], machines: Sequence[Machine], nodes: Sequence[Shown], kept: Kept) -> Adopted:
    """Return the part of the tenants' machines: those that have an owner's keys."""
    served = {
        prints: content
        for node in reversed(nodes)
        if (content := node.artifact(METADATA)) is not None and (prints := thumbprints_of(content)) is not None
    }
    reasons = {tenant.name: _why_not(tenant) for tenant in tenants}
    files = {tenant.name: _metadata(tenant, served, kept) for tenant in tenants if not reasons[tenant.name]}
    filed = {name: {found.name for found in found_of} for name, found_of in files.items()}
    tenancies = {
        tenant.name: _tenancy(tenant, machines, filed[tenant.name]) for tenant in tenants if not reasons[tenant.name]
    }
    owned = {machine for tenancy in tenancies.values() for machine in tenancy.machines}
    problems = [
        *(
            Problem(METADATA_UNKNOWN, f"the guardian {guardian}", f"known to {name}")
            for name, tenancy in tenancies.items()
            for guardian in tenancy.known
            if guardian not in filed[name]
        ),
        *(Problem(NOT_OWNED, f"the virtual machine {item.name}") for item in machines if item.name not in owned),
    ]
    return Adopted(
        {name: _variables(tenancy) for name, tenancy in tenancies.items()},
        tuple(found for found_of in files.values() for found in found_of),
        tuple(problems),
        {name: reason for name, reason in reasons.items() if reason},
    )


def _why_not(tenant: Shown) -> str:
    if tenant.unseen_because:
        return tenant.unseen_because
    guardians = tenant.state("guardians")
    if guardians is None:
        return "its guardians could not be read"
    return "" if _owners(tenant) else "it has no guardian with private keys, so that it owns nothing"


def _owners(tenant: Shown) -> list[Mapping[str, Any]]:
    return [item for item in tenant.state("guardians") or () if item.get("has_private_signing_key")]


def _metadata(tenant: Shown, served: Mapping[Thumbprints, bytes], kept: Kept) -> list[Found]:
    """Return the metadata of guardians that a tenant knows, from HGS or out of the exchange directory."""
    contents = dict(served)
    for name in sorted(names_in(kept, GUARDIAN_METADATA)):
        content = kept[GUARDIAN_METADATA.folder, name].content
        prints = thumbprints_of(content)
        if content is not None and prints is not None:
            contents.setdefault(prints, content)
    return [
        Found(GUARDIAN_METADATA, str(item["name"]), contents[_thumbprints(item)], tenant.name, trusted=True)
        for item in tenant.state("guardians") or ()
        if _thumbprints(item) in contents and is_name(str(item["name"])) and not item.get("has_private_signing_key")
    ]


def _tenancy(tenant: Shown, machines: Sequence[Machine], filed: set[str]) -> Tenancy:
    """Return what a machine that has an owner's keys does.

    The role has one owner and grants all its machines the same guardians: the owner of most machines, and what most of
    these are granted, are taken.
    """
    counts = Counter(machine.owner for machine in machines)
    owner = min(_owners(tenant), key=lambda item: (-counts[_thumbprints(item)[0]], str(item["name"])))
    names = {
        _thumbprints(item)[0]: str(item["name"])
        for item in reversed(tenant.state("guardians") or ())
        if item["name"] in filed
    }
    owned = [item for item in machines if item.owner == _thumbprints(owner)[0] and item.guardians <= set(names)]
    grants = Counter(item.guardians for item in owned)
    granted = min(grants, key=lambda guardians: (-grants[guardians], sorted(guardians)), default=frozenset())
    granted_names = sorted(names[print_] for print_ in granted)
    others = [item for item in tenant.state("guardians") or () if not item.get("has_private_signing_key")]
    return Tenancy(
        owner=str(owner["name"]),
        granted=tuple(granted_names),
        machines=tuple(sorted(item.name for item in owned if item.guardians == granted)),
        known=tuple(sorted(name for item in others if (name := str(item["name"])) not in granted_names)),
    )


def _variables(tenancy: Tenancy) -> dict[str, object]:
    known = {"shielded_vm_known_guardians": list(tenancy.known)} if tenancy.known else {}
    return {
        "shielded_vm_owner": tenancy.owner,
        "shielded_vm_guardians": list(tenancy.granted),
        "shielded_vm_names": list(tenancy.machines),
        **known,
    }


def adopt_guests(guests: Sequence[Shown]) -> Adopted:
    """Return the part of the guests: those of which a volume is encrypted."""
    variables: dict[str, dict[str, object]] = {}
    left_out: dict[str, str] = {}
    for guest in guests:
        volumes = guest.state("bitlocker_volumes")
        encrypted = sorted(str(item["mount_point"]) for item in volumes or () if item["encrypted"])
        if guest.unseen_because:
            left_out[guest.name] = guest.unseen_because
        elif volumes is None:
            left_out[guest.name] = "its volumes could not be read"
        elif not encrypted:
            left_out[guest.name] = "none of its volumes is encrypted"
        else:
            variables[guest.name] = {
                "shielded_vm_guest_volumes": [{"mount_point": name, "encrypted": True} for name in encrypted]
            }
    return Adopted(variables, left_out=left_out)
