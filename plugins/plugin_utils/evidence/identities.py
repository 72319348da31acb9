# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What says which TPM a host has: the endorsement key certificate, and the platform identifier that carries it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate, endorsement_key, platform_identifier
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import FindingKind, Severity
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner

from .model import EvidenceKind, Judgement
from .xml_roots import is_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.plugins.module_utils.ek_certificate import EkCertificate
    from ansible_collections.guarded.fabric.plugins.module_utils.platform_identifier import PlatformIdentifier

_SEQUENCE = b"\x30"
_NV_HEADER = b"\x10\x01\x00"
_PEM = b"-----BEGIN"
_ABSENT = "none"

NOT_FOR_AN_ENDORSEMENT_KEY = FindingKind(
    "GF-EVD-301",
    Owner.FABRIC,
    "is a certificate for something else than an endorsement key",
    "take the certificate that Get-TpmEndorsementKeyInfo shows",
    Severity.ERROR,
    "the wrong file was taken: the extended key usage 2.23.133.8.1 is missing (TCG EK Credential Profile)",
)
NO_ENDORSEMENT_KEY = FindingKind(
    "GF-EVD-302",
    Owner.FABRIC,
    "carries no endorsement key that was found",
    "see that the TPM is ready (Get-Tpm), run Get-PlatformIdentifier elevated, and capture again",
    Severity.ERROR,
    "the TPM was not ready, or the document is of a schema that is not known here",
)
NO_CERTIFICATE = FindingKind(
    "GF-EVD-303",
    Owner.FABRIC,
    "carries no endorsement key certificate: only policy version v1 takes it",
    "let the TPM fetch its certificate from its vendor, or ask the vendor; else register with policy version v1",
    Severity.WARNING,
    "the vendor issues none, or the host cannot reach the vendor's service (WSD capturing-hardware)",
)
OTHER_KEY = FindingKind(
    "GF-EVD-304",
    Owner.FABRIC,
    "carries a certificate for another endorsement key than its own",
    "capture it again; if it still does, do not register it",
    Severity.CRITICAL,
    "the document was put together from those of two hosts, or the TPM was replaced by its vendor",
)
MESSAGE = FindingKind(
    "GF-EVD-305",
    Owner.FABRIC,
    "carries a message of Windows that speaks against it",
    "do what the message says, and capture again",
    Severity.ERROR,
    "Windows could not read all of the TPM's identity",
)
ANOTHER_TPM = FindingKind(
    "GF-EVD-311",
    Owner.GUARDIAN,
    "is of another TPM",
    "find out why the TPM is another one; then remove the old registration and register the new identifier",
    Severity.WARNING,
    "the mainboard or the TPM was replaced, or the identifier is another host's; a TPM keeps its key for life",
)
ANOTHER_CERTIFICATE = FindingKind(
    "GF-EVD-312",
    Owner.GUARDIAN,
    "is another certificate for the same TPM",
    "see that its issuer is a vendor you trust, and register the new identifier",
    Severity.INFO,
    "the vendor issued a new one, or the TPM fetched one that it did not have before",
)
DETAIL_DIFFERS = FindingKind(
    "GF-EVD-313",
    Owner.FABRIC,
    "is another detail of the same host",
    "nothing: HGS goes by the endorsement key",
    Severity.INFO,
    "the host was renamed or installed anew",
)


def _claims_certificate(data: bytes) -> bool:
    return data.lstrip().startswith(_PEM) or data.startswith((_SEQUENCE, _NV_HEADER))


def _certificate_facts(found: EkCertificate) -> Mapping[str, object]:
    return {
        name: getattr(found, name)
        for name in (
            *("manufacturer", "model", "version", "subject", "issuer", "not_before", "not_after"),
            *("public_key_sha256", "usages", "thumbprint"),
        )
    }


def _certificate_problems(found: EkCertificate) -> Iterator[Judgement]:
    if ek_certificate.ENDORSEMENT_KEY_USAGE not in found.usages:
        yield Judgement(NOT_FOR_AN_ENDORSEMENT_KEY, actual=found.subject or found.thumbprint)


def _certificate_differences(old: EkCertificate, new: EkCertificate) -> Iterator[Judgement]:
    if old.public_key != new.public_key:
        yield Judgement(ANOTHER_TPM, "endorsement key", "", old.public_key_sha256, new.public_key_sha256)
    elif old.der != new.der:
        yield Judgement(ANOTHER_CERTIFICATE, "endorsement key certificate", "", _shown(old), _shown(new))


def _shown(found: EkCertificate) -> str:
    return f"by {found.issuer}, until {found.not_after:%Y-%m-%d} (thumbprint {found.thumbprint})"


def _identifier_facts(found: PlatformIdentifier) -> Mapping[str, object]:
    key = found.endorsement_key
    certificate = _certificate_of(found)
    return {
        "name": found.name,
        "version": found.version,
        "machine_guid": found.machine_guid,
        "messages": found.messages,
        "endorsement_key_sha256": None if key is None else endorsement_key.fingerprint(key),
        "certificate": None if certificate is None else _certificate_facts(certificate),
    }


def _certificate_of(found: PlatformIdentifier) -> EkCertificate | None:
    data = found.endorsement_certificate
    return None if data is None else ek_certificate.parse(data)


def _identifier_problems(found: PlatformIdentifier) -> Iterator[Judgement]:
    for message in found.messages:
        yield Judgement(MESSAGE, actual=message)
    certificate = _certificate_of(found)
    if found.endorsement_key is None:
        yield Judgement(NO_ENDORSEMENT_KEY, found.name)
    if certificate is None:
        yield Judgement(NO_CERTIFICATE, found.name)
    elif found.endorsement_key is not None and certificate.public_key != found.endorsement_key:
        key = endorsement_key.fingerprint(found.endorsement_key)
        yield Judgement(OTHER_KEY, found.name, "", key, certificate.public_key_sha256)


def _identifier_differences(old: PlatformIdentifier, new: PlatformIdentifier) -> Iterator[Judgement]:
    keys = [
        _ABSENT if found.endorsement_key is None else endorsement_key.fingerprint(found.endorsement_key)
        for found in (old, new)
    ]
    before, after = _certificate_of(old), _certificate_of(new)
    if keys[0] != keys[1]:
        yield Judgement(ANOTHER_TPM, "endorsement key", "", *keys)
    elif before != after:
        shown = (_ABSENT if found is None else _shown(found) for found in (before, after))
        yield Judgement(ANOTHER_CERTIFICATE, "endorsement key certificate", "", *shown)
    for name in ("name", "version", "machine_guid"):
        if getattr(old, name) != getattr(new, name):
            yield Judgement(DETAIL_DIFFERS, name, "", getattr(old, name), getattr(new, name))


EK_CERTIFICATE: EvidenceKind[EkCertificate] = EvidenceKind(
    "ek_certificate",
    _claims_certificate,
    ek_certificate.parse,
    _certificate_facts,
    _certificate_problems,
    _certificate_differences,
)
PLATFORM_IDENTIFIER: EvidenceKind[PlatformIdentifier] = EvidenceKind(
    "platform_identifier",
    lambda data: is_root(data, "PlatformIdentifiers"),
    platform_identifier.parse,
    _identifier_facts,
    _identifier_problems,
    _identifier_differences,
)
