# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What says who may start a virtual machine: guardian metadata, and the key protector that names guardians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    guardian_metadata,
    key_protector,
    key_protector_access,
)
from ansible_collections.guarded.fabric.plugins.module_utils.guardian_metadata import GuardianMetadata
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector import Protector, Wrapping
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import FindingKind, Severity
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner

from .certificates import certificate_facts, shown
from .model import EvidenceKind, Judgement
from .xml_roots import is_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METADATA_NOT_VOUCHED_FOR = FindingKind(
    "GF-EVD-401",
    Owner.GUARDIAN,
    "does not hold together: a signature in it does not fit",
    "do not import it; fetch the metadata from HGS again, and compare thumbprints by another way",
    Severity.CRITICAL,
    "the document was changed on its way, or is signed in a way that is not known here",
)
ANOTHER_SIGNING_CERTIFICATE = FindingKind(
    "GF-EVD-411",
    Owner.TENANT,
    "introduces itself with another signing certificate: it is another guardian, or has new keys",
    "ask the guardian by another way; then import the metadata under a new name and grant it your key protectors",
    Severity.WARNING,
    "HGS was set up anew or its certificates were replaced, or the metadata is of another HGS",
)
ANOTHER_ENCRYPTION_CERTIFICATE = FindingKind(
    "GF-EVD-412",
    Owner.TENANT,
    "introduces itself with another encryption certificate",
    "import the new metadata and grant it your key protectors before HGS drops the old key",
    Severity.INFO,
    "HGS has a new primary encryption certificate (Set-HgsKeyProtectionCertificate)",
)
ANOTHER_COMMUNICATIONS_CERTIFICATE = FindingKind(
    "GF-EVD-413",
    Owner.TENANT,
    "is signed with another communications certificate",
    "nothing, if signing and encryption certificate are the same",
    Severity.INFO,
    "HGS renews its communications certificate, or another node wrote the document",
)
NO_OWNER = FindingKind(
    "GF-EVD-501",
    Owner.TENANT,
    "has not exactly one owner",
    "make a key protector anew with the owner's keys",
    Severity.ERROR,
    "the key protector was damaged or put together by hand",
)
PROTECTOR_NOT_VOUCHED_FOR = FindingKind(
    "GF-EVD-502",
    Owner.TENANT,
    "does not hold together: HGS will not start its machine",
    "take a copy from before the change, or make a key protector anew with the owner's keys",
    Severity.CRITICAL,
    "the key protector was changed by somebody without the owner's key, or damaged",
)
NO_PROTECTOR = FindingKind(
    "GF-EVD-503",
    Owner.TENANT,
    "says that there is no key protector",
    "set one before the virtual machine is to be shielded",
    Severity.WARNING,
    "Hyper-V keeps these four bytes for a machine that has none",
)
ANOTHER_OWNER = FindingKind(
    "GF-EVD-511",
    Owner.TENANT,
    "has another owner",
    "do not set it before you know who that is: the owner decides who may start the machine",
    Severity.CRITICAL,
    "the key protector is of another tenant, or the owner made new keys",
)
GUARDIAN_ADDED = FindingKind(
    "GF-EVD-512",
    Owner.TENANT,
    "may start the machine by the new key protector only",
    "see that you know the guardian by its thumbprint",
    Severity.WARNING,
    "the owner granted access to another guardian, or a guardian has new keys",
)
GUARDIAN_REMOVED = FindingKind(
    "GF-EVD-513",
    Owner.TENANT,
    "may not start the machine any more",
    "see that no host of this guardian still runs the machine",
    Severity.WARNING,
    "the owner revoked the access of a guardian, or a guardian has new keys",
)
SEALED_ANEW = FindingKind(
    "GF-EVD-514",
    Owner.TENANT,
    "is sealed anew for the same owner and guardians",
    "nothing: HGS seals a key protector anew each time it opens it",
    Severity.INFO,
    "the machine was started or moved ([MS-KPS] 3.1.5.1.4, rolling the transport key)",
)


@dataclass(frozen=True)
class Introduction:
    """Guardian metadata, and what is wrong with its signatures."""

    metadata: GuardianMetadata
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Protection:
    """A key protector, or that there is none."""

    protector: Protector | None


def _read_metadata(data: bytes) -> Introduction:
    return Introduction(guardian_metadata.read(data), tuple(guardian_metadata.problems(data)))


def _metadata_facts(found: Introduction) -> Mapping[str, object]:
    metadata = found.metadata
    communications = metadata.communications_certificate
    return {
        "version": metadata.version,
        "signing_certificate": certificate_facts(metadata.signing_certificate),
        "encryption_certificate": certificate_facts(metadata.encryption_certificate),
        "other_signing_certificates": [certificate_facts(item) for item in metadata.other_signing_certificates],
        "communications_certificate": None if communications is None else certificate_facts(communications),
        "problems": found.problems,
    }


def _metadata_problems(found: Introduction) -> Iterator[Judgement]:
    for problem in found.problems:
        yield Judgement(METADATA_NOT_VOUCHED_FOR, actual=problem)


def _metadata_differences(old: Introduction, new: Introduction) -> Iterator[Judgement]:
    for kind, name in (
        (ANOTHER_SIGNING_CERTIFICATE, "signing_certificate"),
        (ANOTHER_ENCRYPTION_CERTIFICATE, "encryption_certificate"),
        (ANOTHER_COMMUNICATIONS_CERTIFICATE, "communications_certificate"),
    ):
        before, after = (getattr(found.metadata, name) for found in (old, new))
        if before != after:
            words = ("none" if item is None else shown(item) for item in (before, after))
            yield Judgement(kind, name.replace("_", " "), "", *words)


def _claims_protector(data: bytes) -> bool:
    has_its_length = len(data) >= len(key_protector.NONE) and int.from_bytes(data[:4], "big") == len(data)
    return has_its_length or is_root(data, "Protector")


def _read_protector(data: bytes) -> Protection:
    if is_root(data, "Protector"):
        return Protection(key_protector.read_document(data))
    return Protection(key_protector.read(data))


def _protector_facts(found: Protection) -> Mapping[str, object]:
    protector = found.protector
    if protector is None:
        return {"present": False, "owner": None, "guardians": []}
    owner = key_protector.owner(protector)
    return {
        "present": True,
        "owner": None if owner is None else _wrapping_facts(owner),
        "guardians": [_wrapping_facts(item) for item in key_protector.guardians(protector)],
        "maximum_offline_unwraps": protector.maximum_offline_unwraps,
    }


def _wrapping_facts(wrapping: Wrapping) -> Mapping[str, object]:
    return {
        "signing_certificate": certificate_facts(wrapping.signing_certificate),
        "encryption_certificate": certificate_facts(wrapping.encryption_certificate),
    }


def _protector_problems(found: Protection) -> Iterator[Judgement]:
    if found.protector is None:
        yield Judgement(NO_PROTECTOR)
    elif key_protector.owner(found.protector) is None:
        yield Judgement(NO_OWNER)
    else:
        for problem in key_protector_access.problems(found.protector):
            yield Judgement(PROTECTOR_NOT_VOUCHED_FOR, actual=f"{problem.reason} ({problem.exception})")


def _protector_differences(old: Protection, new: Protection) -> Iterator[Judgement]:
    owners = [_owner(found) for found in (old, new)]
    if owners[0] != owners[1]:
        yield Judgement(ANOTHER_OWNER, "owner", "", *owners)
    before, after = _guardians(old), _guardians(new)
    for name in sorted(after - before):
        yield Judgement(GUARDIAN_ADDED, f"guardian {name}", "", "may not start it", "may start it")
    for name in sorted(before - after):
        yield Judgement(GUARDIAN_REMOVED, f"guardian {name}", "", "may start it", "may not start it")
    if owners[0] == owners[1] and before == after and old != new:
        yield Judgement(SEALED_ANEW)


def _owner(found: Protection) -> str:
    owner = None if found.protector is None else key_protector.owner(found.protector)
    return "none" if owner is None else shown(owner.signing_certificate)


def _guardians(found: Protection) -> set[str]:
    guardians = () if found.protector is None else key_protector.guardians(found.protector)
    return {shown(item.signing_certificate) for item in guardians}


GUARDIAN_METADATA: EvidenceKind[Introduction] = EvidenceKind(
    "guardian_metadata",
    lambda data: is_root(data, "Metadata"),
    _read_metadata,
    _metadata_facts,
    _metadata_problems,
    _metadata_differences,
)
KEY_PROTECTOR: EvidenceKind[Protection] = EvidenceKind(
    "key_protector",
    _claims_protector,
    _read_protector,
    _protector_facts,
    _protector_problems,
    _protector_differences,
)
