# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The document that Get-PlatformIdentifier writes: who a host is and which TPM it has.

Microsoft does not publish the schema. Known for certain, from one published document that is cut short, are the
namespace and PlatformIdMessages, Version, ForeignKey (the name given) and MachineGuid, in this order. The names of the
elements for the endorsement key and its certificate are NOT PUBLIC: both are found by what they hold, as Base64 or hex
text that reads as a certificate for an endorsement key or as an RSA key. So None means "not found", not "not there":
carry the document as it is, and refuse none because something was not found in it.
"""

from __future__ import annotations

import binascii
import string
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate, endorsement_key
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import load

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element

WHAT: Final = "platform identifier"
NAMESPACE: Final = "http://microsoft.com/windows/ptp/platformidentifier/2016/04"
ROOT: Final = "PlatformIdentifiers"
_SHORTEST_KEY_TEXT: Final = 64
_HEX: Final = frozenset(string.hexdigits)


@dataclass(frozen=True)
class PlatformIdentifier:
    """What is known of the document. `name` is its ForeignKey; texts are empty where the document has none.

    `messages` are what Windows complained about while it collected, such as a missing endorsement certificate.
    `endorsement_key` is DER SubjectPublicKeyInfo, out of the certificate where it does not stand alone.
    """

    name: str
    version: str
    machine_guid: str
    messages: tuple[str, ...]
    endorsement_key: bytes | None
    endorsement_certificate: bytes | None


def parse(data: bytes) -> PlatformIdentifier:
    """Read a document. Raises FormatError where it is not XML with the published root element."""
    root = load(data, WHAT)
    if root.tag != f"{{{NAMESPACE}}}{ROOT}":
        raise FormatError(WHAT, f"the root element {ROOT} in namespace {NAMESPACE}, not {root.tag}")
    messages = root.find(f"{{{NAMESPACE}}}PlatformIdMessages")
    keys, certificates = _keys_and_certificates(root)
    if not keys and certificates:
        keys = [certificates[0].public_key]
    return PlatformIdentifier(
        name=_child_text(root, "ForeignKey"),
        version=_child_text(root, "Version"),
        machine_guid=_child_text(root, "MachineGuid"),
        messages=tuple(_texts(messages)) if messages is not None else (),
        endorsement_key=keys[0] if keys else None,
        endorsement_certificate=certificates[0].der if certificates else None,
    )


def why_not(identifier: PlatformIdentifier) -> tuple[str, ...]:
    """Say what speaks against registering this document at HGS; empty if nothing does.

    A document without a certificate can be registered with policy version v1 only (WSD capturing-hardware).
    """
    reasons = [f"Windows says: {message}" for message in identifier.messages]
    if identifier.endorsement_key is None:
        reasons.append("no endorsement key was found in the document")
    if identifier.endorsement_certificate is None:
        reasons.append("no endorsement key certificate was found in the document: only policy version v1 takes it")
    elif ek_certificate.parse(identifier.endorsement_certificate).public_key != identifier.endorsement_key:
        reasons.append("the endorsement key certificate is for another key than the document's")
    return tuple(reasons)


def shared_keys(identifiers: Mapping[str, PlatformIdentifier]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of documents (by the names given) with the same endorsement key: cloned or mistaken hosts."""
    groups: dict[bytes, list[str]] = {}
    for name, identifier in identifiers.items():
        if identifier.endorsement_key is not None:
            groups.setdefault(identifier.endorsement_key, []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _child_text(root: Element, name: str) -> str:
    return (root.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()


def _texts(element: Element) -> Iterator[str]:
    """Go through the texts of an element and all below it, without those that only indent."""
    texts = ((node.text or "").strip() for node in element.iter(etree.Element))
    return (text for text in texts if text)


def _keys_and_certificates(root: Element) -> tuple[list[bytes], list[ek_certificate.EkCertificate]]:
    keys: list[bytes] = []
    certificates: list[ek_certificate.EkCertificate] = []
    for text in _texts(root):
        for data in _binary(text):
            certificate = _certificate(data)
            if certificate is not None:
                certificates.append(certificate)
                continue
            key = _key(data)
            if key is not None:
                keys.append(key)
    return keys, certificates


def _binary(text: str) -> Iterator[bytes]:
    """Read a text as hex or Base64, if it is long enough for a key and either of them."""
    packed = "".join(text.split())
    if len(packed) < _SHORTEST_KEY_TEXT:
        return
    if len(packed) % 2 == 0 and _HEX.issuperset(packed):
        yield bytes.fromhex(packed)
        return
    try:
        yield binascii.a2b_base64(packed.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return


def _certificate(data: bytes) -> ek_certificate.EkCertificate | None:
    try:
        found = ek_certificate.parse(data)
    except FormatError:
        return None
    return found if ek_certificate.ENDORSEMENT_KEY_USAGE in found.usages else None


def _key(data: bytes) -> bytes | None:
    try:
        return endorsement_key.parse(data)
    except FormatError:
        return None
