# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The XML that key protectors, guardian metadata and the Key Protection Service's messages share ([MS-KPS] 2.2.3)."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import EncryptedData, Signature

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element

NAMESPACE: Final = "http://schemas.microsoft.com/kps/2014/07"
SERVICE_NAMESPACE: Final = "http://schemas.microsoft.com/kps/2014/07/service"
_HIGHEST_UNSIGNED: Final = 0xFFFF_FFFF
_LONGEST_UNSIGNED: Final = 20


class Sequence:
    """The child elements of an element, taken one after the other in the order of the schema; else a FormatError."""

    def __init__(self, parent: Element, what: str, namespace: str = NAMESPACE) -> None:
        self._parent = parent
        self._what = what
        self._namespace = namespace
        # The tag of a comment or processing instruction is a function.
        self._children = [child for child in parent if not callable(child.tag)]
        self._position = 0

    def next_is(self, name: str, namespace: str = "") -> bool:
        """Whether the next child has this name, in the sequence's namespace or another."""
        tag = f"{{{namespace or self._namespace}}}{name}"
        return self._position < len(self._children) and self._tag() == tag

    def take(self, name: str, namespace: str = "") -> Element:
        """Return the next child, which must have this name."""
        if not self.next_is(name, namespace):
            found = self._tag() if self._position < len(self._children) else "nothing more"
            raise FormatError(self._what, f"an element {name} in {self._parent.tag}, not {found}")
        self._position += 1
        return self._children[self._position - 1]

    def all(self, name: str) -> Iterator[Element]:
        """Return the following children of this name, as many as there are."""
        while self.next_is(name):
            yield self.take(name)

    def inside(self, name: str) -> Sequence:
        """Return the children of the next child."""
        return Sequence(self.take(name), self._what, self._namespace)

    def text(self, name: str) -> str:
        """Return the text of the next child."""
        element = self.take(name)
        if len(element):
            raise FormatError(self._what, f"text alone in {name}")
        return str(element.text or "").strip()

    def number(self, name: str) -> int:
        """Return the next child's xs:unsignedInt."""
        return unsigned(self.text(name), f"{self._what}, {name}")

    def data(self, name: str) -> bytes:
        """Return the next child's xs:base64Binary."""
        text = "".join(self.text(name).split())
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise FormatError(f"{self._what}, {name}", "base64") from error

    def data_of_each(self, name: str) -> tuple[bytes, ...]:
        """Return the xs:base64Binary of each following child of this name, as many as there are."""
        found = []
        while self.next_is(name):
            found.append(self.data(name))
        return tuple(found)

    def signature(self, name: str = "Signature") -> Signature:
        """Return the next child's Signature_T; its parameters are passed over."""
        return Signature(*self._algorithm_and_value(name, "SignatureValue"))

    def encrypted(self) -> EncryptedData:
        """Return the next child's EncryptedData_T; its parameters are passed over."""
        return EncryptedData(*self._algorithm_and_value("EncryptedData", "CipherValue"))

    def algorithm(self, name: str) -> str:
        """Return the algorithm of the next child, which has nothing but parameters."""
        element = self.take(name)
        inside = Sequence(element, self._what, self._namespace)
        inside._skip_parameters()
        inside.end()
        return self._algorithm(element)

    def end(self) -> None:
        """Refuse a child that is left."""
        if self._position < len(self._children):
            raise FormatError(self._what, f"nothing more in {self._parent.tag}, not {self._tag()}")

    def _tag(self) -> str:
        return str(self._children[self._position].tag)

    def _skip_parameters(self) -> None:
        if self.next_is("Parameters"):
            self.take("Parameters")

    def _algorithm(self, element: Element) -> str:
        algorithm = element.get("Algorithm")
        if algorithm is None:
            raise FormatError(self._what, f"an attribute Algorithm of {element.tag}")
        return str(algorithm)

    def _algorithm_and_value(self, name: str, value: str) -> tuple[str, bytes]:
        element = self.take(name)
        inside = Sequence(element, self._what, self._namespace)
        inside._skip_parameters()
        data = inside.data(value)
        inside.end()
        return self._algorithm(element), data


def unsigned(text: str, what: str) -> int:
    """Return an xs:unsignedInt."""
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_UNSIGNED or int(text) > _HIGHEST_UNSIGNED:
        raise FormatError(what, f"a number from 0 to {_HIGHEST_UNSIGNED}")
    return int(text)


def document(name: str, namespace: str = NAMESPACE) -> Element:
    """Start a document."""
    return etree.fromstring(f'<{name} xmlns="{namespace}"/>')


def add(parent: Element, name: str, value: str | bytes | int | None = None) -> Element:
    """Append an element in its parent's namespace; bytes are written in base64."""
    element = etree.SubElement(parent, etree.QName(etree.QName(parent).namespace, name))
    if isinstance(value, bytes):
        element.text = base64.b64encode(value).decode()
    elif value is not None:
        element.text = str(value)
    return element


def add_signature(parent: Element, signature: Signature, name: str = "Signature") -> None:
    """Append a Signature_T."""
    element = add(parent, name)
    element.set("Algorithm", signature.algorithm)
    add(element, "SignatureValue", signature.value)


def add_encrypted(parent: Element, encrypted: EncryptedData) -> None:
    """Append an EncryptedData_T."""
    element = add(parent, "EncryptedData")
    element.set("Algorithm", encrypted.algorithm)
    add(element, "CipherValue", encrypted.value)
