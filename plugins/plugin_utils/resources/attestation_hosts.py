# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts whose TPM the attestation service knows (TPM mode).

Add-HgsAttestationTpmHost raises an error for what is registered already, so hosts are looked up by name first. How HGS
makes the identifier it shows is not published. Where it shows one that is the SHA-256 of a key in config, that is how;
only then are identifiers compared. A host that got another TPM is removed, then added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate, endorsement_key, platform_identifier
from ansible_collections.guarded.fabric.plugins.plugin_utils import tpm_vendors
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import PLATFORM_IDENTIFIER
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_service import missing
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import ANY_ERROR, Call, File, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain, certainly
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ansible_collections.guarded.fabric.plugins.module_utils.platform_identifier import PlatformIdentifier
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

SHARED_TPM = Kind(
    "GF-AHO-001",
    Owner.FABRIC,
    "have platform identifiers of one and the same TPM",
    "capture each identifier on the host it is named after",
)
NO_IDENTIFIER = Kind(
    "GF-AHO-002",
    Owner.GUARDIAN,
    "is not registered, and config has no platform identifier for it",
    "set path to the identifier that was captured from it",
)
NO_CERTIFICATE = Kind(
    "GF-AHO-003",
    Owner.FABRIC,
    "has no endorsement key certificate, without which HGS takes no host (policy version 2)",
    "get it from the maker of the machine or TPM, or take another machine, then capture its identifier again",
)
UNTRUSTED_VENDOR = Kind(
    "GF-AHO-004",
    Owner.GUARDIAN,
    "has a TPM of a vendor that this node does not trust",
    "compare the vendor's certificates with what the vendor publishes, then add them on all nodes with the module "
    "guarded.fabric.trusted_tpm_certificates",
)
REGISTERED_TPM = Kind(
    "GF-AHO-005",
    Owner.GUARDIAN,
    "has the TPM that is registered under another name",
    "find out which name is right; remove the other one with state deleted, or capture the identifier where it belongs",
)
OTHER_TPM = Kind(
    "GF-AHO-006",
    Owner.GUARDIAN,
    "is registered with another TPM than the one in its platform identifier",
    "find out why it has another TPM; if that is right, remove the host with state deleted, then register it again",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    identifiers = {
        str(item["name"]): platform_identifier.parse(artifact.content)
        for item in config
        if isinstance(artifact := item.get("path"), Artifact) and artifact.content is not None
    }
    problems = [
        Problem(NO_CERTIFICATE, f"the host {name}", "; ".join(found.messages))
        for name, found in identifiers.items()
        # Windows' own words count: that nothing was found in a document without a published schema proves nothing.
        if found.messages and found.endorsement_certificate is None
    ]
    shared = platform_identifier.shared_keys(identifiers)
    problems += [Problem(SHARED_TPM, ", ".join(names)) for names in shared]
    if problems:
        raise FabricError(*problems)
    return [
        {**item, "found": identifiers[name], "same_tpm": True} if (name := str(item["name"])) in identifiers else item
        for item in config
    ]


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call("Get-HgsAttestationTpmHost", id="hosts", select=("Name", "Identifier"), accept=(ANY_ERROR,)),
        *tpm_vendors.observe(),
    )


def _read(results: Results, config: Sequence[Item]) -> Reading:
    hosts: dict[str, dict[str, object]] = {}
    for host in results.objects("hosts"):
        name = name_in(host, "Name")
        hosts[name.casefold()] = {"name": name, "identifier": str(host.get("Identifier", ""))}
    documents = {
        str(item["name"]).casefold(): found
        for item in config
        if isinstance(found := item.get("found"), platform_identifier.PlatformIdentifier)
    }
    shown = {str(host["identifier"]).upper(): str(host["name"]) for host in hosts.values()}
    compares = any(_fingerprint(found) in shown for found in documents.values())
    obstacles: dict[str, Sequence[Problem]] = {}
    trusted = tpm_vendors.read(results)
    for name, found in documents.items():
        if name in hosts:
            same = str(hosts[name]["identifier"]).upper() == _fingerprint(found)
            hosts[name]["same_tpm"] = same or not compares
        else:
            obstacles[name] = list(_obstacles(name, found, shown, trusted))
    return Reading(hosts, missing=missing(results, "hosts"), obstacles=obstacles)


def _fingerprint(found: PlatformIdentifier) -> str:
    return "" if found.endorsement_key is None else endorsement_key.fingerprint(found.endorsement_key)


def _obstacles(
    name: str, found: PlatformIdentifier, shown: Mapping[str, str], trusted: tpm_vendors.Trusted | None
) -> Iterator[Problem]:
    thing = f"the host {name}"
    other = shown.get(_fingerprint(found))
    if other is not None:
        yield Problem(REGISTERED_TPM, thing, other)
    if trusted is None or found.endorsement_certificate is None:
        return
    issuer = ek_certificate.parse(found.endorsement_certificate).issuer
    if tpm_vendors.leads_nowhere(issuer, trusted):
        yield Problem(UNTRUSTED_VENDOR, thing, issuer)


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if before is not None and after is not None and not before.get("same_tpm"):
        return (Problem(OTHER_TPM, f"the host {after['name']}", f"HGS shows {before['identifier']}"),)
    if before is None and after is not None and after.get("path") is None:
        return (Problem(NO_IDENTIFIER, f"the host {after['name']}"),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    if after is None:
        before = certain(before, "nothing to nothing is no change")
        return (changing("Remove-HgsAttestationTpmHost", {"Name": str(before["name"])}),)
    artifact = certainly(Artifact, after.get("path"), "refused without")
    document = File(artifact.content or b"", artifact.name)
    return (changing("Add-HgsAttestationTpmHost", {"Name": str(after["name"]), "Path": document}),)


RESOURCE = Resource(
    name="attestation_hosts",
    owner=Owner.GUARDIAN,
    options=(
        Option("name", Role.KEY, required=True),
        Option("path", Role.INPUT, type="path", artifact=PLATFORM_IDENTIFIER, approval=True),
        Option("same_tpm", Role.DERIVED, type="bool"),
        Option("identifier", Role.COMPUTED),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    states=("merged", "overridden", "deleted", "gathered", "rendered"),
)
