# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Key protectors ([MS-KPS] 2.2.3): who may start a virtual machine, and the key that this takes.

A protector wraps one transport key for each of its guardians, one of whom is the owner. The raw bytes that Hyper-V
keeps (Get-VMKeyProtector, RawData) are four bytes with their own total length, highest first, then the XML document; a
virtual machine without a protector has those four bytes alone. That the length is built so is inferred from two
published values.

This module reads and writes; it needs no algorithm for it. Keys and signatures are `key_protector_access`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import protection_xml, xml_document
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    EncryptedData,
    Signature,
    thumbprint,
)

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element

NONE: Final = b"\x00\x00\x00\x04"
"""The raw bytes of a virtual machine that has no key protector."""
_PREFIX_SIZE: Final = len(NONE)
_WHAT: Final = "key protector"


@dataclass(frozen=True)
class Wrapping:
    """The transport key for one guardian. The owner's wrapping is its own parent; certificates are DER."""

    id: int
    signing_certificate: bytes
    parent: int
    signing_certificate_signature: Signature
    """Made with the parent's signing key over this signing certificate."""
    encryption_certificate: bytes
    encryption_certificate_signature: Signature
    """Made with this wrapping's signing key over this encryption certificate."""
    transport_key: EncryptedData


@dataclass(frozen=True)
class Protector:
    """A key protector.

    `signed` is the exclusive canonical form of the Wrappings element, which both signatures are over; it is kept
    because another writer's prefixes and parameters are part of it. `wrappings` says the same as data.
    """

    wrappings: tuple[Wrapping, ...]
    signed: bytes
    key_derivation: str
    transport_key_signature: Signature
    guardian_signature: Signature
    guardian: int
    """Id of the wrapping whose signing key made `guardian_signature`: the owner's, or the service's that rolled it."""
    maximum_offline_unwraps: int = 0


def read(raw: bytes) -> Protector | None:
    """Read raw bytes; None where they say that there is no protector. FormatError for anything else."""
    if len(raw) < _PREFIX_SIZE:
        raise FormatError(_WHAT, f"at least {_PREFIX_SIZE} bytes", 0)
    if int.from_bytes(raw[:_PREFIX_SIZE], "big") != len(raw):
        raise FormatError(_WHAT, f"the total length {len(raw)} in the first four bytes, highest first", 0)
    return None if raw == NONE else read_document(raw[_PREFIX_SIZE:])


def write(protector: Protector | None) -> bytes:
    """Return the raw bytes."""
    document = b"" if protector is None else write_document(protector)
    return (len(document) + _PREFIX_SIZE).to_bytes(_PREFIX_SIZE, "big") + document


def read_document(document: bytes) -> Protector:
    """Read the XML document; FormatError where it does not follow the schema ([MS-KPS] 6.2)."""
    root = xml_document.load(document, _WHAT)
    if root.tag != f"{{{protection_xml.NAMESPACE}}}Protector":
        raise FormatError(_WHAT, f"an element Protector of namespace {protection_xml.NAMESPACE}")
    sequence = protection_xml.Sequence(root, _WHAT)
    wrappings = sequence.take("Wrappings")
    transport = sequence.inside("TransportKeySignature")
    derivation, transport_signature = transport.algorithm("KeyDerivationMethod"), transport.signature()
    transport.end()
    guardian = sequence.take("GuardianSignature")
    inside = protection_xml.Sequence(guardian, _WHAT)
    guardian_signature = inside.signature()
    inside.end()
    sequence.end()
    return Protector(
        wrappings=_read_wrappings(wrappings),
        signed=xml_document.canonical(wrappings),
        key_derivation=derivation,
        transport_key_signature=transport_signature,
        guardian_signature=guardian_signature,
        guardian=_attribute(guardian, "WrappingId"),
        maximum_offline_unwraps=_attribute(root, "MaxOfflineUnwraps", "0"),
    )


def write_document(protector: Protector) -> bytes:
    """Return the XML document (UTF-8)."""
    rest = protection_xml.document("Rest")
    transport = protection_xml.add(rest, "TransportKeySignature")
    protection_xml.add(transport, "KeyDerivationMethod").set("Algorithm", protector.key_derivation)
    protection_xml.add_signature(transport, protector.transport_key_signature)
    guardian = protection_xml.add(rest, "GuardianSignature")
    guardian.set("WrappingId", str(protector.guardian))
    protection_xml.add_signature(guardian, protector.guardian_signature)
    # Put together as text, under a root that declares no default namespace: a tree would give what is signed the
    # prefixes of its new surroundings, and so break the signatures.
    offline = f' MaxOfflineUnwraps="{protector.maximum_offline_unwraps}"' if protector.maximum_offline_unwraps else ""
    return b"".join(
        (
            b'<?xml version="1.0" encoding="utf-8"?>\n',
            f'<kps:Protector xmlns:kps="{protection_xml.NAMESPACE}"{offline}>'.encode(),
            protector.signed,
            etree.tostring(transport, encoding="utf-8"),
            etree.tostring(guardian, encoding="utf-8"),
            b"</kps:Protector>",
        )
    )


def wrappings_to_sign(wrappings: Iterable[Wrapping]) -> bytes:
    """Return the canonical form of a Wrappings element that holds these."""
    root = protection_xml.document("Wrappings")
    for wrapping in wrappings:
        element = protection_xml.add(root, "Wrapping")
        protection_xml.add(element, "Id", wrapping.id)
        protection_xml.add(element, "SigningCertificate", wrapping.signing_certificate)
        signature = protection_xml.add(element, "SigningCertificateSignature")
        signature.set("ParentWrappingId", str(wrapping.parent))
        protection_xml.add_signature(signature, wrapping.signing_certificate_signature)
        protection_xml.add(element, "EncryptionCertificate", wrapping.encryption_certificate)
        signature = protection_xml.add(element, "EncryptionCertificateSignature")
        protection_xml.add_signature(signature, wrapping.encryption_certificate_signature)
        protection_xml.add_encrypted(protection_xml.add(element, "TransportKey"), wrapping.transport_key)
    return xml_document.canonical(root)


def owner(protector: Protector) -> Wrapping | None:
    """Return the wrapping that is its own parent: the owner's. None where not exactly one is."""
    own = [wrapping for wrapping in protector.wrappings if wrapping.parent == wrapping.id]
    return own[0] if len(own) == 1 else None


def guardians(protector: Protector) -> tuple[Wrapping, ...]:
    """Return the wrappings of everybody but the owner."""
    return tuple(wrapping for wrapping in protector.wrappings if wrapping.parent != wrapping.id)


def thumbprints(wrapping: Wrapping) -> tuple[str, str]:
    """Return the thumbprints (SHA-1, upper-case hex) of the signing and the encryption certificate."""
    return thumbprint(wrapping.signing_certificate), thumbprint(wrapping.encryption_certificate)


def _read_wrappings(element: Element) -> tuple[Wrapping, ...]:
    sequence = protection_xml.Sequence(element, _WHAT)
    found = tuple(_read_wrapping(wrapping) for wrapping in sequence.all("Wrapping"))
    sequence.end()
    if not found:
        raise FormatError(_WHAT, "at least one Wrapping")
    return found


def _read_wrapping(element: Element) -> Wrapping:
    sequence = protection_xml.Sequence(element, _WHAT)
    number, signing_certificate = sequence.number("Id"), sequence.data("SigningCertificate")
    signed = sequence.take("SigningCertificateSignature")
    inside = protection_xml.Sequence(signed, _WHAT)
    signing_signature = inside.signature()
    inside.end()
    encryption_certificate = sequence.data("EncryptionCertificate")
    inside = sequence.inside("EncryptionCertificateSignature")
    encryption_signature = inside.signature()
    inside.end()
    inside = sequence.inside("TransportKey")
    transport_key = inside.encrypted()
    inside.end()
    sequence.end()
    return Wrapping(
        id=number,
        signing_certificate=signing_certificate,
        parent=_attribute(signed, "ParentWrappingId"),
        signing_certificate_signature=signing_signature,
        encryption_certificate=encryption_certificate,
        encryption_certificate_signature=encryption_signature,
        transport_key=transport_key,
    )


def _attribute(element: Element, name: str, default: str | None = None) -> int:
    value = element.get(name, default)
    if value is None:
        raise FormatError(_WHAT, f"an attribute {name} of {element.tag}")
    return protection_xml.unsigned(str(value), f"{_WHAT}, {name}")
