# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that are nearly good: cut, overwritten, repeated; also inside of what is in base64."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_NUMBER: Final = re.compile(rb"[0-9]{1,9}")
_NAME: Final = re.compile(rb"[A-Za-z:]{3,40}")
_ODD: Final = (
    b"",
    b"\0",
    b"-1",
    b"4294967296",
    b"9" * 5000,
    b"%s%n",
    b"\xff\xfe",
    b"<",
    b"]]>",
    b'"',
    b"{" * 500,
    b"[" * 500,
)


def mutated(data: bytes, random: Random) -> bytes:
    """Return `data` with one to four mistakes."""
    for _ in range(random.randint(1, 4)):
        data = random.choice(_MISTAKES)(data, random)
    return data


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _drop(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.randint(1, 60) :]


def _overwrite(data: bytes, random: Random) -> bytes:
    at, new = random.randint(0, len(data)), random.randbytes(random.randint(1, 4))
    return data[:at] + new + data[at + len(new) :]


def _repeat(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[max(0, at - random.randint(1, 2000)) :]


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_ODD) + data[at:]


def _number(data: bytes, random: Random) -> bytes:
    return _within(_NUMBER, data, random, lambda _: random.choice(_ODD))


def _name(data: bytes, random: Random) -> bytes:
    other = _NAME.findall(data)
    return _within(_NAME, data, random, lambda _: random.choice(other))


def _encoded(data: bytes, random: Random) -> bytes:
    def change(text: bytes) -> bytes:
        try:
            inner = base64.b64decode(text, validate=True)
        except ValueError:
            return b"="
        return base64.b64encode(random.choice((_cut, _drop, _overwrite, _repeat, _insert))(inner, random))

    return _within(_BASE64, data, random, change)


def _within(pattern: re.Pattern[bytes], data: bytes, random: Random, change: Callable[[bytes], bytes]) -> bytes:
    """Change one of the places where a pattern is found."""
    found = list(pattern.finditer(data))
    if not found:
        return data
    place = random.choice(found)
    return data[: place.start()] + change(place[0]) + data[place.end() :]


_MISTAKES: Final = (_cut, _drop, _overwrite, _repeat, _insert, _number, _name, _encoded, _encoded)
