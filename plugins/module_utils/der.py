# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Walking through DER without minding what strict parsers mind: order of sets, signs of serial numbers, unknown keys.

Certificates of TPMs break those rules, and are in chips that nobody can change. Layout: ITU-T X.690. Definite lengths
and tags below 31 only, which is all that X.509 uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31

_HIGH_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4
_LONGEST_IDENTIFIER: Final = 64
"""Bytes; the identifiers of X.509 and TCG have up to twelve."""


@dataclass(frozen=True)
class Node:
    """One element of `data`: its tag, where it starts, where its contents start and end."""

    data: bytes
    what: str
    tag: int
    start: int
    body: int
    end: int

    @property
    def whole(self) -> bytes:
        """Tag, length and contents."""
        return self.data[self.start : self.end]

    @property
    def contents(self) -> bytes:
        """The contents alone."""
        return self.data[self.body : self.end]

    def children(self) -> tuple[Node, ...]:
        """Read the contents as elements. Raises FormatError."""
        return tuple(_sequence(self.data, self.what, self.body, self.end))

    def expect(self, tag: int, meaning: str) -> Node:
        """Return the element itself if it has the tag. Raises FormatError."""
        if self.tag != tag:
            raise FormatError(self.what, f"{meaning} (tag 0x{tag:02x}, not 0x{self.tag:02x})", self.start)
        return self


def read(data: bytes, what: str, position: int = 0) -> Node:
    """Read the element at `position`; what follows it is not looked at. Raises FormatError."""
    return _node(data, what, position, len(data))


def encode(tag: int, contents: bytes) -> bytes:
    """Return an element with these contents."""
    size = len(contents)
    if size < _LONG_LENGTH:
        return bytes([tag, size]) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_LENGTH | len(length)]) + length + contents


def object_identifier(node: Node) -> str:
    """Return an object identifier in dotted form. Raises FormatError."""
    contents = node.expect(OBJECT_IDENTIFIER, "an object identifier").contents
    if not contents or len(contents) > _LONGEST_IDENTIFIER or contents[-1] & 0x80:
        raise FormatError(node.what, f"an object identifier of 1 to {_LONGEST_IDENTIFIER} bytes", node.start)
    numbers: list[int] = []
    value = 0
    for byte in contents:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def text(node: Node) -> str:
    """Return the contents of a string of any kind."""
    return node.contents.decode("utf-16-be" if node.tag == BMP_STRING else "utf-8", "replace")


def _sequence(data: bytes, what: str, position: int, end: int) -> Iterator[Node]:
    while position < end:
        node = _node(data, what, position, end)
        yield node
        position = node.end


def _node(data: bytes, what: str, position: int, end: int) -> Node:
    if position + 2 > end:
        raise FormatError(what, "a tag and a length", position)
    tag, length = data[position], data[position + 1]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise FormatError(what, f"a tag of one byte, not 0x{tag:02x}", position)
    body = position + 2
    if length >= _LONG_LENGTH:
        count = length & 0x7F
        if not 1 <= count <= _MOST_LENGTH_BYTES or body + count > end:
            raise FormatError(what, "a length of at most four bytes", position + 1)
        length = int.from_bytes(data[body : body + count], "big")
        body += count
    if body + length > end:
        raise FormatError(what, f"{length} bytes of contents, not {end - body}", body)
    return Node(data, what, tag, position, body, body + length)
