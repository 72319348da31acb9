# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The signed envelope of a code integrity policy: CMS SignedData (RFC 5652 5.1) around the bytes of the policy.

The file name says nothing: most published .p7b files are not signed. HGS wants the unsigned copy, because the signature is
not measured into the TPM (Microsoft's guarded fabric guide, "Capture TPM-mode information"). Nothing here says that a
signature is good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .format_error import FormatError

_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_POLICY_CONTENT: Final = bytes.fromhex("2b0601040182374f01")
_INTEGER, _OCTET_STRING, _OBJECT_IDENTIFIER, _SEQUENCE, _SET = 0x02, 0x04, 0x06, 0x30, 0x31
_CONTEXT_0: Final = 0xA0
_LONGEST_LENGTH: Final = 4


@dataclass(frozen=True)
class PolicyFile:
    """A policy's own bytes, and the certificates (DER) of the envelope around it; none where it is not signed."""

    content: bytes
    certificates: tuple[bytes, ...] = ()
    signed: bool = False


def unwrap(data: bytes) -> PolicyFile:
    """Take a policy file out of its signed envelope if it has one; FormatError where the envelope is damaged."""
    # A raw policy starts with its small format version in 32 bits, little endian, so it never looks like an envelope.
    if data[:1] != bytes([_SEQUENCE]) or data[1:4] == b"\0\0\0":
        return PolicyFile(data)
    _, content_info = _read(data, 0, len(data), _SEQUENCE)
    content_type, start = _element(data, content_info, _OBJECT_IDENTIFIER)
    if content_type != _SIGNED_DATA:
        raise FormatError("not a signed policy", offset=content_info.start, expected="CMS SignedData")
    explicit = _descend(data, range(start, content_info.stop), _CONTEXT_0)
    signed_data = _descend(data, explicit, _SEQUENCE)
    position = signed_data.start
    for tag in (_INTEGER, _SET):
        _, position = _element(data, range(position, signed_data.stop), tag)
    encapsulated = _descend(data, range(position, signed_data.stop), _SEQUENCE)
    content, _ = _content(data, encapsulated)
    return PolicyFile(content, _certificates(data, range(encapsulated.stop, signed_data.stop)), signed=True)


def _content(data: bytes, encapsulated: range) -> tuple[bytes, int]:
    content_type, position = _element(data, encapsulated, _OBJECT_IDENTIFIER)
    if content_type != _POLICY_CONTENT:
        raise FormatError(
            "the signed content is no code integrity policy",
            offset=encapsulated.start,
            expected="content type 1.3.6.1.4.1.311.79.1",
        )
    explicit = _descend(data, range(position, encapsulated.stop), _CONTEXT_0)
    return _element(data, explicit, _OCTET_STRING)


def _certificates(data: bytes, rest: range) -> tuple[bytes, ...]:
    if not rest or data[rest.start] != _CONTEXT_0:
        return ()
    certificates = _descend(data, rest, _CONTEXT_0)
    found, position = [], certificates.start
    while position < certificates.stop:
        _, body = _read(data, position, certificates.stop, _SEQUENCE)
        found.append(data[position : body.stop])
        position = body.stop
    return tuple(found)


def _element(data: bytes, within: range, tag: int) -> tuple[bytes, int]:
    """Return the content of the first element and where the next one starts."""
    body = _descend(data, within, tag)
    return data[body.start : body.stop], body.stop


def _descend(data: bytes, within: range, tag: int) -> range:
    """Return where the content of the first element lies."""
    return _read(data, within.start, within.stop, tag)[1]


def _read(data: bytes, position: int, stop: int, tag: int) -> tuple[int, range]:
    if position + 2 > stop:
        raise FormatError("the signed envelope is cut off", offset=position, expected="another DER element")
    if data[position] != tag:
        raise FormatError("unexpected DER element", offset=position, expected=f"tag {tag:#04x}")
    length, start = data[position + 1], position + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 0 < size <= _LONGEST_LENGTH or start + size > stop:
            raise FormatError("bad DER length", offset=position + 1, expected="a definite length of 1 to 4 bytes")
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > stop:
        raise FormatError("a DER element is longer than what holds it", offset=position, expected=f"{length} bytes")
    return tag, range(start, start + length)
