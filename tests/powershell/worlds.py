# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares two worlds whole, field by field, up to what is drawn anew in each: keys, GUIDs, thumbprints, signatures.

What is drawn anew must still be used alike: a value of one world stands for one value of the other wherever it
occurs, so a machine that refers to another certificate than its twin is found although every certificate differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from lxml import etree

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import World

_DRAWN: Final = re.compile(
    r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|\b(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40})\b"
)
_SIGNATURE_SLACK: Final = 16
"""Bytes by which two encodings of the same thing may differ in length: integers of DER have no leading zeros."""


def world_differences(ours: World, theirs: World) -> list[str]:
    """Say where two worlds differ in more than what is drawn anew."""
    return list(_Comparison().things("world", ours, theirs))


class _Comparison:
    """Walks two worlds side by side and remembers which drawn value of one stands for which of the other."""

    def __init__(self) -> None:
        self._theirs: dict[object, object] = {}
        self._ours: dict[object, object] = {}

    def things(self, path: str, ours: object, theirs: object) -> Iterator[str]:
        if type(ours) is not type(theirs):
            yield f"{path} is {type(ours).__name__} and {type(theirs).__name__}"
        elif is_dataclass(ours) and not isinstance(ours, type):
            for item in fields(ours):
                yield from self.things(f"{path}.{item.name}", getattr(ours, item.name), getattr(theirs, item.name))
        elif isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from self._mappings(path, ours, theirs)
        elif isinstance(ours, list) and isinstance(theirs, list):
            yield from self._sequences(path, ours, theirs)
        elif isinstance(ours, set) and isinstance(theirs, set):
            yield from self._sequences(path, sorted(ours, key=_skeleton), sorted(theirs, key=_skeleton))
        elif isinstance(ours, str) and isinstance(theirs, str):
            yield from self._texts(path, ours, theirs)
        elif isinstance(ours, bytes) and isinstance(theirs, bytes):
            yield from self._bytes(path, ours, theirs)
        elif ours != theirs:
            yield f"{path} is {ours!r} and {theirs!r}"

    def _mappings(self, path: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> Iterator[str]:
        pairs = [(key, key) for key in ours if key in theirs]
        rest = [sorted(set(some) - set(others), key=_skeleton) for some, others in ((ours, theirs), (theirs, ours))]
        yield from self._sequences(f"names in {path}", *rest)
        for mine, other in [*pairs, *zip(*rest, strict=False)]:
            yield from self.things(f"{path}[{mine}]", ours[mine], theirs[other])

    def _sequences(self, path: str, ours: Sequence[object], theirs: Sequence[object]) -> Iterator[str]:
        if len(ours) != len(theirs):
            yield f"{path}: {len(ours)} and {len(theirs)}, {ours!r:.200} and {theirs!r:.200}"
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
            yield from self.things(f"{path}[{number}]", mine, other)

    def _texts(self, path: str, ours: str, theirs: str) -> Iterator[str]:
        if _skeleton(ours) != _skeleton(theirs):
            yield f"{path} is {ours!r:.200} and {theirs!r:.200}"
            return
        for mine, other in zip(_DRAWN.findall(ours), _DRAWN.findall(theirs), strict=True):
            yield from self._drawn(path, mine.lower(), other.lower())

    def _bytes(self, path: str, ours: bytes, theirs: bytes) -> Iterator[str]:
        if ours != theirs and _kind(ours) != _kind(theirs):
            yield f"{path} is {_kind(ours)} and {_kind(theirs)}"
        elif ours != theirs and abs(len(ours) - len(theirs)) > _SIGNATURE_SLACK:
            yield f"{path} is {len(ours)} and {len(theirs)} bytes long"
        else:
            yield from self._drawn(path, ours, theirs)

    def _drawn(self, path: str, ours: object, theirs: object) -> Iterator[str]:
        known = self._theirs.setdefault(ours, theirs), self._ours.setdefault(theirs, ours)
        if known != (theirs, ours):
            yield f"{path} is used otherwise: {ours!r:.100} and {theirs!r:.100}"


def _skeleton(text: object) -> str:
    return _DRAWN.sub("*", str(text))


def _kind(data: bytes) -> object:
    """Return what a document is and all that is not drawn in it."""
    for read in (_certificate, _private_key, _document):
        try:
            return read(data)
        except (ValueError, etree.XMLSyntaxError):
            continue
    return "bytes" if data else "nothing"


def _certificate(data: bytes) -> object:
    found = x509.load_der_x509_certificate(data)
    purposes = sorted(item.oid.dotted_string for item in found.extensions)
    return ("certificate", found.subject, found.issuer, found.not_valid_before_utc, found.not_valid_after_utc, purposes)


def _private_key(data: bytes) -> object:
    found = load_der_private_key(data, None)
    assert isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return ("private key", type(found).__name__, found.key_size)


def _document(data: bytes) -> object:
    found = etree.fromstring(data)
    return ("XML", [(element.tag, sorted(element.attrib)) for element in found.iter()])
