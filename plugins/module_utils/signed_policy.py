# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The signed envelope of a code integrity policy: CMS SignedData (RFC 5652 5.1) around the bytes of the policy.

The file name says nothing: most published .p7b files are not signed. HGS wants the unsigned copy, because the signature
is not measured into the TPM (Microsoft's guarded fabric guide, "Capture TPM-mode information"). Nothing here says that
a signature is good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

_ENVELOPE: Final = "signed code integrity policy"
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_POLICY_CONTENT: Final = bytes.fromhex("2b0601040182374f01")
_INTEGER, _OCTET_STRING, _OBJECT_IDENTIFIER, _SEQUENCE, _SET = 0x02, 0x04, 0x06, 0x30, 0x31
_CONTEXT_0: Final = 0xA0
_LONG_FORM: Final = 0x80
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
    content_info = _descend(data, range(len(data)), _SEQUENCE)
    content_type, start = _element(data, content_info, _OBJECT_IDENTIFIER)
    if content_type != _SIGNED_DATA:
        raise FormatError(_ENVELOPE, "the content type of CMS SignedData", content_info.start)
    explicit = _descend(data, range(start, content_info.stop), _CONTEXT_0)
    signed_data = _descend(data, explicit, _SEQUENCE)
    position = signed_data.start
    for tag in (_INTEGER, _SET):
        _, position = _element(data, range(position, signed_data.stop), tag)
    encapsulated = _descend(data, range(position, signed_data.stop), _SEQUENCE)
    certificates = _certificates(data, range(encapsulated.stop, signed_data.stop))
    return PolicyFile(_content(data, encapsulated), certificates, signed=True)


def _content(data: bytes, encapsulated: range) -> bytes:
    content_type, position = _element(data, encapsulated, _OBJECT_IDENTIFIER)
    if content_type != _POLICY_CONTENT:
        raise FormatError(_ENVELOPE, "signed content of type 1.3.6.1.4.1.311.79.1", encapsulated.start)
    explicit = _descend(data, range(position, encapsulated.stop), _CONTEXT_0)
    return _element(data, explicit, _OCTET_STRING)[0]


def _certificates(data: bytes, rest: range) -> tuple[bytes, ...]:
    if not rest or data[rest.start] != _CONTEXT_0:
        return ()
    certificates = _descend(data, rest, _CONTEXT_0)
    found, position = [], certificates.start
    while position < certificates.stop:
        body = _descend(data, range(position, certificates.stop), _SEQUENCE)
        found.append(data[position : body.stop])
        position = body.stop
    return tuple(found)


def _element(data: bytes, within: range, tag: int) -> tuple[bytes, int]:
    """Return the content of the first element and where the next one starts."""
    body = _descend(data, within, tag)
    return data[body.start : body.stop], body.stop


def _descend(data: bytes, within: range, tag: int) -> range:
    """Return where the content of the first element lies."""
    position, stop = within.start, within.stop
    if position + 2 > stop:
        raise FormatError(_ENVELOPE, "another DER element", position)
    if data[position] != tag:
        raise FormatError(_ENVELOPE, f"a DER element with tag {tag:#04x}, not {data[position]:#04x}", position)
    length, start = data[position + 1], position + 2
    if length & _LONG_FORM:
        size = length - _LONG_FORM
        if not 0 < size <= _LONGEST_LENGTH or start + size > stop:
            raise FormatError(_ENVELOPE, "a definite DER length of 1 to 4 bytes", position + 1)
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > stop:
        raise FormatError(_ENVELOPE, f"{length} more bytes inside what holds the element", position)
    return range(start, start + length)
