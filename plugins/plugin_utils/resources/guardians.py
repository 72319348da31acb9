# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guardians in the local store of a tenant's machine: owners with their keys, and the guardians of fabrics.

New-HgsGuardian -GenerateCertificates makes another key pair each time, so an owner is made once and its name decides
whether it is there. Losing an owner's keys loses the virtual machines it owns: such a guardian is never removed here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint
from ansible_collections.guarded.fabric.plugins.plugin_utils import certificate_validity
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import GUARDIAN_METADATA
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    CMDLET_MISSING,
    Call,
    File,
    Results,
    Step,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in, same_text, thumbprint_of

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

TOOLS_MISSING = Kind(
    "GF-GUA-001",
    Owner.TENANT,
    "has no guardian store",
    "install the feature RSAT-Shielded-VM-Tools (Windows Server; client Windows no longer has it)",
)
NO_SOURCE = Kind(
    "GF-GUA-002",
    Owner.TENANT,
    "does not exist, and config does not say where it comes from",
    "set generate for an owner, or path for the metadata of a fabric's guardian",
)
TWO_SOURCES = Kind(
    "GF-GUA-003",
    Owner.CONTROLLER,
    "is to be generated and imported at once",
    "set either generate or path",
)
OTHER_CERTIFICATES = Kind(
    "GF-GUA-004",
    Owner.TENANT,
    "has other certificates than the metadata in the exchange directory",
    "find out with the fabric's guardian which of them are right; remove the guardian by hand if these are not",
)
OWNER_KEYS = Kind(
    "GF-GUA-005",
    Owner.TENANT,
    "holds private keys, without which its virtual machines are lost",
    "export it to a safe place, then remove it by hand if you must",
)

CHANGED = Kind(
    "GF-GUA-006",
    Owner.TENANT,
    "is introduced by metadata that somebody changed after it was signed",
    "import nothing from it; fetch it from the Host Guardian Service again, by a way you trust",
)
OUT_OF_TIME = Kind(
    "GF-GUA-007",
    Owner.TENANT,
    "has a certificate that is not valid at this machine's time",
    "set the clock right, have the fabric renew its certificates, or set allow_expired if you know better",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    prepared, problems = [], []
    for item in config:
        artifact = item.get("path")
        if artifact is not None and item.get("generate"):
            problems.append(Problem(TWO_SOURCES, f"the guardian {item['name']}"))
        derived: dict[str, str] = {}
        if isinstance(artifact, Artifact) and artifact.content is not None:
            metadata = guardian_metadata.read(artifact.content)
            change = guardian_metadata.change(artifact.content)
            if change:
                problems.append(Problem(CHANGED, f"the guardian {item['name']}", change))
            derived = {
                "signing_thumbprint": thumbprint(metadata.signing_certificate),
                "encryption_thumbprint": thumbprint(metadata.encryption_certificate),
            }
        prepared.append({**item, **derived})
    if problems:
        raise FabricError(*problems)
    return prepared


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call(
            "Get-HgsGuardian",
            id="guardians",
            select=("Name", "HasPrivateSigningKey", "SigningCertificate", "EncryptionCertificate"),
            accept=(CMDLET_MISSING,),
        ),
        Call("Get-Date", id="clock"),
    )


def _read(results: Results, config: Sequence[Item]) -> Reading:
    if results.error("guardians") is not None:
        return Reading({}, missing=Problem(TOOLS_MISSING, ""))
    state = {}
    for guardian in results.objects("guardians"):
        name = name_in(guardian, "Name")
        state[name.casefold()] = {
            "name": name,
            "signing_thumbprint": thumbprint_of(guardian.get("SigningCertificate")),
            "encryption_thumbprint": thumbprint_of(guardian.get("EncryptionCertificate")),
            "has_private_signing_key": bool(guardian.get("HasPrivateSigningKey")),
        }
    now = certificate_validity.time_of(results, "clock")
    obstacles = {str(item["name"]).casefold(): _out_of_time(item, now) for item in config}
    return Reading(state, obstacles=obstacles)


def _out_of_time(item: Item, now: datetime | None) -> Sequence[Problem]:
    artifact = item.get("path")
    if now is None or item.get("allow_expired") or not isinstance(artifact, Artifact) or artifact.content is None:
        return ()
    metadata = guardian_metadata.read(artifact.content)
    reasons = (
        certificate_validity.why_not(x509.load_der_x509_certificate(certificate), now)
        for certificate in (metadata.signing_certificate, metadata.encryption_certificate)
    )
    return [Problem(OUT_OF_TIME, f"the guardian {item['name']}", reason) for reason in reasons if reason]


def _has_keys(item: Item) -> bool:
    return bool(item.get("has_private_signing_key"))


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if after is None:
        keys = before is not None and _has_keys(before)
        return (Problem(OWNER_KEYS, f"the guardian {before['name']}"),) if before is not None and keys else ()
    thing = f"the guardian {after['name']}"
    if before is not None:
        return (Problem(OTHER_CERTIFICATES, thing, f"signing: {before['signing_thumbprint']}"),)
    if after.get("path") is None and not after.get("generate"):
        return (Problem(NO_SOURCE, thing),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    if after is None:
        before = certain(before, "nothing to nothing is no change")
        return (changing("Remove-HgsGuardian", {"Name": str(before["name"])}),)
    artifact = after.get("path")
    if not isinstance(artifact, Artifact):
        return (changing("New-HgsGuardian", {"Name": str(after["name"]), "GenerateCertificates": True}),)
    allowed = {
        parameter: True
        for parameter, option in (("AllowExpired", "allow_expired"), ("AllowUntrustedRoot", "allow_untrusted_root"))
        if after.get(option)
    }
    document = File(artifact.content or b"", artifact.name)
    return (changing("Import-HgsGuardian", {"Name": str(after["name"]), "Path": document, **allowed}),)


RESOURCE = Resource(
    name="guardians",
    owner=Owner.TENANT,
    options=(
        Option("name", Role.KEY, required=True),
        Option("generate", Role.INPUT, type="bool"),
        Option("path", Role.INPUT, type="path", artifact=GUARDIAN_METADATA, approval=True),
        Option("allow_expired", Role.INPUT, type="bool"),
        Option("allow_untrusted_root", Role.INPUT, type="bool"),
        Option("signing_thumbprint", Role.DERIVED, same=same_text),
        Option("encryption_thumbprint", Role.DERIVED, same=same_text),
        Option("has_private_signing_key", Role.COMPUTED, type="bool"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    keeps=_has_keys,
    states=("merged", "overridden", "deleted", "gathered", "rendered"),
)
