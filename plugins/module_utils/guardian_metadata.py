# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guardian metadata ([MS-KPS] 3.1.5.1.2 and 6.4): how a guardian introduces itself to who may trust it.

The document carries the primary encryption and signing certificates, the proof that the signing key stands behind
both, and a signature over the whole, which HGS makes with its communications certificate. Nothing in it says that it
comes from the HGS one means: compare the thumbprints by another way.

Lab only: the two version numbers, the algorithms of the two certificate signatures (`protection_algorithms`), and the
profile of the document signature (`enveloped_signature`), none of which is public.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import (
    enveloped_signature,
    protection_algorithms,
    protection_xml,
    xml_document,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import Signature

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography.hazmat.primitives.asymmetric import rsa
    from lxml import etree

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element

VERSION: Final = 1
_WHAT: Final = "guardian metadata"


@dataclass(frozen=True)
class SigningIdentity:
    """A certificate (DER) and its private key."""

    certificate: bytes
    key: rsa.RSAPrivateKey


@dataclass(frozen=True)
class GuardianMetadata:
    """A guardian's introduction; certificates are DER.

    `communications_certificate` is the one that the document signature names, None where it names none. It stands
    outside of what is signed (XML Signature 4.4), so that only its key is proven, not its subject or validity.
    """

    version: int
    guardian_version: int
    encryption_certificate: bytes
    signing_certificate: bytes
    encryption_certificate_signature: Signature
    signing_certificate_self_signature: Signature
    other_signing_certificates: tuple[bytes, ...]
    communications_certificate: bytes | None


def build(
    signing: SigningIdentity,
    encryption_certificate: bytes,
    communications: SigningIdentity,
    other_signing_certificates: tuple[bytes, ...] = (),
) -> bytes:
    """Write the document of a guardian."""
    root = protection_xml.document("Metadata")
    root.set("Version", str(VERSION))
    information = protection_xml.add(root, "GuardianInformation")
    protection_xml.add(information, "Version", VERSION)
    protection_xml.add(information, "EncryptionCertificate", encryption_certificate)
    protection_xml.add(information, "SigningCertificate", signing.certificate)
    for name, certificate in (
        ("EncryptionCertificateSignature", encryption_certificate),
        ("SigningCertificateSelfSignature", signing.certificate),
    ):
        protection_xml.add_signature(information, protection_algorithms.sign(signing.key, certificate), name)
    if other_signing_certificates:
        others = protection_xml.add(information, "OtherSigningCertificates")
        for certificate in other_signing_certificates:
            protection_xml.add(others, "Certificate", certificate)
    enveloped_signature.append(root, communications.certificate, communications.key)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def read(document: bytes) -> GuardianMetadata:
    """Read a document; FormatError where it does not follow the schema. Nothing is verified."""
    return _read(_load(document))


def problems(document: bytes) -> list[str]:
    """Say what is wrong with the signatures of a document; FormatError where it does not follow the schema.

    Nothing found means: whoever holds the signing key vouches for both certificates, and nobody but the holder of the
    communications certificate's key changed the document since. It does not say who they are.
    """
    root = _load(document)
    metadata = _read(root)
    reasons = {
        "encryption certificate": protection_algorithms.why_not_signed(
            metadata.signing_certificate, metadata.encryption_certificate, metadata.encryption_certificate_signature
        )
        or protection_algorithms.why_not_usable(metadata.encryption_certificate),
        "signing certificate": protection_algorithms.why_not_signed(
            metadata.signing_certificate, metadata.signing_certificate, metadata.signing_certificate_self_signature
        ),
        "document signature": enveloped_signature.why_not_signed(root),
    }
    return [f"{what}: {reason}" for what, reason in reasons.items() if reason]


def change(document: bytes) -> str:
    """Say how a document was changed since it was signed; FormatError where it does not follow the schema.

    Only the signature over the whole counts, which is a standard. What it does not find is left to Windows.
    """
    return enveloped_signature.change(_load(document))


def _load(document: bytes) -> Element:
    root = xml_document.load(document, _WHAT)
    if root.tag != f"{{{protection_xml.NAMESPACE}}}Metadata":
        raise FormatError(_WHAT, f"an element Metadata of namespace {protection_xml.NAMESPACE}")
    return root


def _read(root: Element) -> GuardianMetadata:
    sequence = protection_xml.Sequence(root, _WHAT)
    information = sequence.inside("GuardianInformation")
    guardian_version = information.number("Version")
    encryption_certificate = information.data("EncryptionCertificate")
    signing_certificate = information.data("SigningCertificate")
    encryption_signature = information.signature("EncryptionCertificateSignature")
    self_signature = information.signature("SigningCertificateSelfSignature")
    others: tuple[bytes, ...] = ()
    if information.next_is("OtherSigningCertificates"):
        inside = information.inside("OtherSigningCertificates")
        others = inside.data_of_each("Certificate")
        inside.end()
    information.end()
    # After the signature the schema allows any elements, of any namespace.
    sequence.take("Signature", enveloped_signature.NAMESPACE)
    version = root.get("Version")
    if version is None:
        raise FormatError(_WHAT, "an attribute Version")
    return GuardianMetadata(
        version=protection_xml.unsigned(str(version), f"{_WHAT}, Version"),
        guardian_version=guardian_version,
        encryption_certificate=encryption_certificate,
        signing_certificate=signing_certificate,
        encryption_certificate_signature=encryption_signature,
        signing_certificate_self_signature=self_signature,
        other_signing_certificates=others,
        communications_certificate=enveloped_signature.certificate(root),
    )
