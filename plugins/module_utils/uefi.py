# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UEFI variables as they stand in a boot log, and the lists of certificates and hashes that Secure Boot goes by.

Layouts: UEFI_VARIABLE_DATA of the TCG PC Client Platform Firmware Profile; EFI_SIGNATURE_LIST and EFI_SIGNATURE_DATA of
the UEFI Specification, chapter "Secure Boot and Driver Signing". All integers are little endian.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils import certificate_fields, der
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

GLOBAL_VARIABLE: Final = UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
"""Vendor of SecureBoot, PK, KEK and the boot options."""
IMAGE_SECURITY_DATABASE: Final = UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
"""Vendor of db and dbx."""

X509_CERTIFICATE: Final = UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
SHA256_HASH: Final = UUID("c1c41626-504c-4092-aca9-41f936934328")

SIGNATURE_TYPES: Final[Mapping[UUID, str]] = {
    X509_CERTIFICATE: "certificate",
    SHA256_HASH: "SHA-256 hash",
    UUID("3c5766e8-269c-4e34-aa14-ed776e85b3b6"): "RSA-2048 key",
    UUID("826ca512-cf10-4ac9-b187-be01496631bd"): "SHA-1 hash",
    UUID("ff3e5307-9fd0-48c9-85f1-8ad56c701e01"): "SHA-384 hash",
    UUID("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a"): "SHA-512 hash",
    UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed"): "SHA-256 hash of a certificate's signed part",
    UUID("7076876e-80c2-4ee6-aad2-28b349a6865b"): "SHA-384 hash of a certificate's signed part",
    UUID("446dbf63-2502-4cda-bcfa-2465d2b0fe9d"): "SHA-512 hash of a certificate's signed part",
}

_VARIABLE_HEAD: Final = struct.Struct("<16sQQ")
_LIST_HEAD: Final = struct.Struct("<16sIII")
_OWNER_SIZE: Final = 16


@dataclass(frozen=True)
class Variable:
    """A UEFI variable; `name` and `vendor` together name it."""

    vendor: UUID
    name: str
    content: bytes


@dataclass(frozen=True)
class Signature:
    """One entry of a signature list. `owner` is whoever put it there, `data` the certificate (DER) or hash."""

    type: UUID
    owner: UUID
    data: bytes


def shown_name(variable: Variable) -> str:
    """Return a variable's name for people, with its vendor where that is not one of UEFI's own."""
    # Whoever wrote the log must not write into reports what a terminal obeys.
    name = variable.name if variable.name.isprintable() else ascii(variable.name)
    if variable.vendor in (GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE):
        return name
    return f"{name} of {variable.vendor}"


def parse_variable(data: bytes) -> Variable:
    """Read UEFI_VARIABLE_DATA; bytes after it are ignored, as firmware leaves some. Raises FormatError."""
    what = "UEFI_VARIABLE_DATA"
    if len(data) < _VARIABLE_HEAD.size:
        raise FormatError(what, f"at least {_VARIABLE_HEAD.size} bytes, not {len(data)}", 0)
    vendor, characters, size = _VARIABLE_HEAD.unpack_from(data)
    start = _VARIABLE_HEAD.size + 2 * characters
    if start + size > len(data):
        raise FormatError(what, f"a name of {characters} characters and {size} bytes of content", 16)
    name = data[_VARIABLE_HEAD.size : start].decode("utf-16-le", "replace").rstrip("\0")
    return Variable(UUID(bytes_le=vendor), name, data[start : start + size])


def parse_signature_lists(content: bytes) -> tuple[Signature, ...]:
    """Read the EFI_SIGNATURE_LISTs of PK, KEK, db or dbx, all lists in one sequence. Raises FormatError."""
    what = "EFI_SIGNATURE_LIST"
    found: list[Signature] = []
    position = 0
    while position < len(content):
        if position + _LIST_HEAD.size > len(content):
            raise FormatError(what, f"a list head of {_LIST_HEAD.size} bytes", position)
        kind, list_size, header_size, size = _LIST_HEAD.unpack_from(content, position)
        body = list_size - _LIST_HEAD.size - header_size
        if body < 0 or position + list_size > len(content):
            raise FormatError(what, f"a list of {list_size} bytes with a header of {header_size}", position + 16)
        if size <= _OWNER_SIZE or body % size:
            raise FormatError(what, f"whole entries of {size} bytes in {body} bytes", position + 24)
        end = position + list_size
        found.extend(
            _signature(UUID(bytes_le=kind), content[start : start + size]) for start in range(end - body, end, size)
        )
        position = end
    return tuple(found)


def parse_authority(content: bytes) -> Signature:
    """Read the content of an EV_EFI_VARIABLE_AUTHORITY event: the one db entry that vouched for an image.

    The type of the entry is not in the log; it is found by whether the data is a certificate. Raises FormatError.
    """
    if len(content) <= _OWNER_SIZE:
        raise FormatError(
            "EFI_SIGNATURE_DATA", f"an owner of {_OWNER_SIZE} bytes and data, not {len(content)} bytes", 0
        )
    entry = _signature(X509_CERTIFICATE, content)
    if len(entry.data) == hashlib.sha256().digest_size:
        return Signature(SHA256_HASH, entry.owner, entry.data)
    return entry


def describe(signature: Signature) -> str:
    """Say in a few words what an entry is: a certificate by its subject and hash, anything else by its data."""
    if signature.type != X509_CERTIFICATE:
        kind = SIGNATURE_TYPES.get(signature.type, f"entry of type {signature.type}")
        return f"{kind} {signature.data[:64].hex()}"
    digest = hashlib.sha256(signature.data).hexdigest()
    try:
        subject = certificate_fields.name_text(certificate_fields.read(der.read(signature.data, "certificate")).subject)
    except FormatError:
        return f"unreadable certificate (SHA-256 {digest})"
    return f"certificate {subject} (SHA-256 {digest})"


def _signature(kind: UUID, entry: bytes) -> Signature:
    return Signature(kind, UUID(bytes_le=entry[:_OWNER_SIZE]), entry[_OWNER_SIZE:])
