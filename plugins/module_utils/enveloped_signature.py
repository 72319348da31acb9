# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A signature inside the XML document that it signs (XML Signature, W3C 2008), in the one profile that is used here.

Exclusive canonical form, SHA-256, RSA, the signer's certificate in KeyInfo. Anything else is told apart from a
signature that does not match: it may be good, but nobody here can say so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import protection_algorithms, xml_document
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import RSA_SHA256, Signature

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element
    from cryptography.hazmat.primitives.asymmetric import rsa

NAMESPACE: Final = "http://www.w3.org/2000/09/xmldsig#"
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_SIGNATURE: Final = f"{{{NAMESPACE}}}Signature"


class _UnknownProfileError(Exception):
    """The signature is made in a way that is not checked here."""


def append(root: Element, certificate: bytes, key: rsa.RSAPrivateKey) -> None:
    """Sign an element as it is now and append the signature to it."""
    digest = _digest(root)
    signature = etree.SubElement(root, _SIGNATURE, nsmap={"ds": NAMESPACE})
    signed = _add(signature, "SignedInfo")
    _add(signed, "CanonicalizationMethod", _EXCLUSIVE)
    _add(signed, "SignatureMethod", RSA_SHA256)
    reference = _add(signed, "Reference")
    reference.set("URI", "")
    transforms = _add(reference, "Transforms")
    _add(transforms, "Transform", _ENVELOPED)
    _add(transforms, "Transform", _EXCLUSIVE)
    _add(reference, "DigestMethod", _SHA256)
    _add(reference, "DigestValue").text = base64.b64encode(digest).decode()
    value = protection_algorithms.sign(key, xml_document.canonical(signed)).value
    _add(signature, "SignatureValue").text = base64.b64encode(value).decode()
    data = _add(_add(signature, "KeyInfo"), "X509Data")
    _add(data, "X509Certificate").text = base64.b64encode(certificate).decode()


def certificate(root: Element) -> bytes | None:
    """Return the certificate (DER) that the signature of an element names; None where it names none."""
    try:
        return _certificate(_one(root, "Signature"))
    except _UnknownProfileError:
        return None


def why_not_signed(root: Element) -> str:
    """Return why an element is not signed by the certificate in its signature, or nothing where it is."""
    try:
        return _mismatch(root)
    except _UnknownProfileError as error:
        return f"cannot be checked here: {error}"


def change(root: Element) -> str:
    """Say how an element that can be checked here is not what was signed; nothing where it is, or cannot be checked."""
    try:
        return _mismatch(root)
    except _UnknownProfileError:
        return ""


def _mismatch(root: Element) -> str:
    signature = _one(root, "Signature")
    signed = _one(signature, "SignedInfo")
    digest = _signed_digest(root, signed)
    value = _data(_one(signature, "SignatureValue"))
    signer = _certificate(signature)
    if digest != _digest(root):
        return "the document was changed after it was signed"
    return protection_algorithms.why_not_signed(signer, xml_document.canonical(signed), Signature(RSA_SHA256, value))


def _signed_digest(root: Element, signed: Element) -> bytes:
    """Return the digest that was signed, if it is one of the whole element."""
    _expect(_one(signed, "CanonicalizationMethod"), _EXCLUSIVE)
    _expect(_one(signed, "SignatureMethod"), RSA_SHA256)
    reference = _one(signed, "Reference")
    if reference.get("URI") not in {"", f"#{root.get('ID', '')}"}:
        raise _UnknownProfileError("the reference is not to the whole document")
    transforms = list(_one(reference, "Transforms"))
    if [transform.get("Algorithm") for transform in transforms] != [_ENVELOPED, _EXCLUSIVE] or any(
        map(len, transforms)
    ):
        raise _UnknownProfileError("other transforms than enveloped signature and exclusive canonical form")
    _expect(_one(reference, "DigestMethod"), _SHA256)
    return _data(_one(reference, "DigestValue"))


def _digest(root: Element) -> bytes:
    """Return the digest of an element without its signature."""
    copy = deepcopy(root)
    for child in copy.findall(_SIGNATURE):
        # Removing an element takes the text after it along, which is not part of the signature.
        if child.tail:
            previous = child.getprevious()
            if previous is None:
                copy.text = (copy.text or "") + child.tail
            else:
                previous.tail = (previous.tail or "") + child.tail
        copy.remove(child)
    return hashlib.sha256(xml_document.canonical(copy)).digest()


def _certificate(signature: Element) -> bytes:
    data = _one(_one(signature, "KeyInfo"), "X509Data")
    return _data(_one(data, "X509Certificate"))


def _one(parent: Element, name: str) -> Element:
    found = parent.findall(f"{{{NAMESPACE}}}{name}")
    if len(found) != 1:
        raise _UnknownProfileError(f"{len(found)} elements {name} instead of one")
    return found[0]


def _expect(method: Element, algorithm: str) -> None:
    if method.get("Algorithm") != algorithm or len(method):
        raise _UnknownProfileError(f"another {etree.QName(method).localname} than {algorithm}")


def _data(element: Element) -> bytes:
    try:
        return base64.b64decode("".join(str(element.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _UnknownProfileError(f"{etree.QName(element).localname} is not base64") from error


def _add(parent: Element, name: str, algorithm: str = "") -> Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if algorithm:
        element.set("Algorithm", algorithm)
    return element
