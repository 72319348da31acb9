# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host and the Key Protection Service send each other ([MS-KPS] 2.2.3.5 to 2.2.3.10).

Lab only, because not public: that the protector travels as Hyper-V keeps it, with its length in front; the byte order
of the transport key blob, and that length and value repeat for each key, the old one first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import protection_xml, xml_document
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from lxml import etree

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element

_REQUEST: Final = "RollTransportKeyRequest"
_RESPONSE: Final = "RollTransportKeyResponse"
_BLOB: Final = struct.Struct("<III")
_LENGTH: Final = struct.Struct("<I")
_TRANSPORT_KEYS: Final = "transport keys"


@dataclass(frozen=True)
class RollRequest:
    """A host asks for the keys of a protector; the algorithms are those it wants the answer encrypted with."""

    ingress_protector: bytes
    health_certificate: bytes
    transfer_key_algorithm: str
    wrapping_key_algorithm: str
    transport_keys_algorithm: str


@dataclass(frozen=True)
class RollResponse:
    """The new protector, and the ladder to its keys: each opens the next, the first opens with the host's own key."""

    egress_protector: bytes
    encrypted_transfer_key: bytes
    encrypted_wrapping_key: bytes
    encrypted_transport_keys: bytes


@dataclass(frozen=True)
class ErrorReply:
    """Why the service refused."""

    code: str
    message: str


def write_request(request: RollRequest) -> bytes:
    """Return the XML of a request."""
    root = protection_xml.document(_REQUEST, protection_xml.SERVICE_NAMESPACE)
    protection_xml.add(root, "IngressProtector", request.ingress_protector)
    protection_xml.add(root, "HealthCertificate", request.health_certificate)
    protection_xml.add(root, "TransferKeyEncryptionAlgorithm", request.transfer_key_algorithm)
    protection_xml.add(root, "WrappingKeyEncryptionAlgorithm", request.wrapping_key_algorithm)
    protection_xml.add(root, "TransportKeysEncryptionAlgorithm", request.transport_keys_algorithm)
    return _bytes(root)


def read_request(document: bytes) -> RollRequest:
    """Read a request. Raises FormatError."""
    sequence = _sequence(document, _REQUEST)
    request = RollRequest(
        sequence.data("IngressProtector"),
        sequence.data("HealthCertificate"),
        sequence.text("TransferKeyEncryptionAlgorithm"),
        sequence.text("WrappingKeyEncryptionAlgorithm"),
        sequence.text("TransportKeysEncryptionAlgorithm"),
    )
    sequence.end()
    _check_filled(request, _REQUEST)
    return request


def write_response(response: RollResponse) -> bytes:
    """Return the XML of a response."""
    root = protection_xml.document(_RESPONSE, protection_xml.SERVICE_NAMESPACE)
    protection_xml.add(root, "EgressProtector", response.egress_protector)
    protection_xml.add(root, "EncryptedTransferKey", response.encrypted_transfer_key)
    protection_xml.add(root, "EncryptedWrappingKey", response.encrypted_wrapping_key)
    protection_xml.add(root, "EncryptedTransportKeys", response.encrypted_transport_keys)
    return _bytes(root)


def read_response(document: bytes) -> RollResponse:
    """Read a response. Raises FormatError."""
    sequence = _sequence(document, _RESPONSE)
    response = RollResponse(
        sequence.data("EgressProtector"),
        sequence.data("EncryptedTransferKey"),
        sequence.data("EncryptedWrappingKey"),
        sequence.data("EncryptedTransportKeys"),
    )
    sequence.end()
    _check_filled(response, _RESPONSE)
    return response


def write_error(error: ErrorReply) -> bytes:
    """Return the XML of a refusal."""
    root = protection_xml.document("Error", protection_xml.SERVICE_NAMESPACE)
    protection_xml.add(root, "Code", error.code)
    protection_xml.add(root, "Message", error.message)
    return _bytes(root)


def read_error(document: bytes) -> ErrorReply:
    """Read a refusal. Raises FormatError."""
    sequence = _sequence(document, "Error")
    return ErrorReply(sequence.text("Code"), sequence.text("Message"))


def pack_transport_keys(keys: tuple[bytes, ...], version: int) -> bytes:
    """Return the blob that holds the transport keys; version 2 adds policies, of which the lab has none."""
    body = b"".join(_LENGTH.pack(len(key)) + key for key in keys) + (_LENGTH.pack(0) if version > 1 else b"")
    return _BLOB.pack(_BLOB.size + len(body), version, len(keys)) + body


def unpack_transport_keys(blob: bytes) -> tuple[bytes, ...]:
    """Return the keys of a blob. Raises FormatError."""
    if len(blob) < _BLOB.size:
        raise FormatError(_TRANSPORT_KEYS, f"at least {_BLOB.size} bytes", 0)
    size, version, count = _BLOB.unpack_from(blob)
    if size != len(blob) or version not in {1, 2}:
        raise FormatError(_TRANSPORT_KEYS, f"the size {len(blob)} and version 1 or 2", 0)
    keys, position = [], _BLOB.size
    for _ in range(count):
        if position + _LENGTH.size > size:
            raise FormatError(_TRANSPORT_KEYS, "the length of another key", position)
        (length,) = _LENGTH.unpack_from(blob, position)
        position += _LENGTH.size
        if position + length > size:
            raise FormatError(_TRANSPORT_KEYS, f"a key of {length} bytes", position)
        keys.append(blob[position : position + length])
        position += length
    return tuple(keys)


def _sequence(document: bytes, name: str) -> protection_xml.Sequence:
    root = xml_document.load(document, name)
    if root.tag != f"{{{protection_xml.SERVICE_NAMESPACE}}}{name}":
        raise FormatError(name, f"an element {name} of namespace {protection_xml.SERVICE_NAMESPACE}")
    return protection_xml.Sequence(root, name, protection_xml.SERVICE_NAMESPACE)


def _check_filled(message: RollRequest | RollResponse, what: str) -> None:
    """Refuse empty elements: every type of the schema has a minLength of 1."""
    for each in fields(message):
        if not getattr(message, each.name):
            raise FormatError(what, f"content in {each.name}")


def _bytes(root: Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")
