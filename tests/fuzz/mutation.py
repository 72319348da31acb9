# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to bytes that a parser may not expect: in numbers and sizes, in structure, inside base64 and hex."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

LONGEST: Final = 64 * 1024
"""Bytes; a mutated input is cut there."""
_MOST_CHANGES: Final = 4
_LONGEST_PIECE: Final = 256
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_INTERESTING: Final = (0, 1, 2, 4, 7, 0x10, 0x20, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xFE, 0xFF)
_NUMBERS: Final = tuple(
    number.to_bytes(size, order)
    for size in (2, 4, 8)
    for number in (0, 1, 2, 0x10, 0xFF, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ("little", "big")
)


def mutated(data: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    """Return data with one to four changes; pieces of `others` may get into it."""
    for _ in range(pick.randint(1, _MOST_CHANGES)):
        data = pick.choice(_CHANGES)(data, others, pick)
    return data[:LONGEST]


def _place(data: bytes, pick: Random) -> int:
    return pick.randint(0, max(0, len(data) - 1))


def _piece(data: bytes, pick: Random) -> slice:
    start = _place(data, pick)
    return slice(start, start + pick.randint(1, _LONGEST_PIECE))


def _bit(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    at = _place(data, pick)
    return data[:at] + bytes(byte ^ 1 << pick.randint(0, 7) for byte in data[at : at + 1]) + data[at + 1 :]


def _byte(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    at = _place(data, pick)
    return data[:at] + bytes([pick.choice(_INTERESTING)]) + data[at + 1 :]


def _number(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    at, number = _place(data, pick), pick.choice(_NUMBERS)
    return data[:at] + number + data[at + len(number) :]


def _near(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    """Make a 32-bit number a little larger or smaller: a size that is nearly right."""
    at = _place(data, pick)
    number = int.from_bytes(data[at : at + 4], "little") + pick.choice((-8, -2, -1, 1, 2, 8))
    return data[:at] + (number & 0xFFFFFFFF).to_bytes(4, "little") + data[at + 4 :]


def _cut(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    return data[: _place(data, pick)]


def _without(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    piece = _piece(data, pick)
    return data[: piece.start] + data[piece.stop :]


def _twice(data: bytes, _others: Sequence[bytes], pick: Random) -> bytes:
    piece = _piece(data, pick)
    return data[: piece.stop] + data[piece] * pick.choice((1, 1, 1, 2, 16)) + data[piece.stop :]


def _spliced(data: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    other, at = pick.choice(others), _place(data, pick)
    return data[:at] + other[_piece(other, pick)] + data[at:]


def _crossed(data: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    other = pick.choice(others)
    return data[: _place(data, pick)] + other[_place(other, pick) :]


def _inside(data: bytes, others: Sequence[bytes], pick: Random) -> bytes:
    """Change what is written in base64: a certificate in a document."""
    found = list(_BASE64.finditer(data))
    if not found:
        return _byte(data, others, pick)
    match = pick.choice(found)
    try:
        inner = base64.b64decode(match[0], validate=True)
    except binascii.Error:
        return _byte(data, others, pick)
    change = pick.choice((_bit, _byte, _number, _cut, _without))
    return data[: match.start()] + base64.b64encode(change(inner, others, pick)) + data[match.end() :]


_CHANGES: Final[Sequence[Callable[[bytes, Sequence[bytes], Random], bytes]]] = (
    *(_bit, _byte, _byte, _number, _number, _near, _cut, _without, _twice, _spliced, _crossed, _inside),
)
