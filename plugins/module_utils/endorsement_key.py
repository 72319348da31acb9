# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The public endorsement key of a TPM, in the forms it comes in, all read to one: DER SubjectPublicKeyInfo.

RSA keys are put under the plain RSA identifier wherever they come from, because some certificates have the same key
under RSAES-OAEP; so the same TPM is the same bytes, and hosts that share an endorsement key can be found.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from ansible_collections.guarded.fabric.plugins.module_utils import der
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

WHAT: Final = "endorsement key"
_RSA_IDENTIFIERS: Final = ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.7")
_RSA_ALGORITHM: Final = bytes.fromhex("300d06092a864886f70d0101010500")
_BLOB_HEAD: Final = struct.Struct("<4sIIIII")
_BLOB_MAGIC: Final = b"RSA1"
_SHORTEST_MODULUS: Final = 128
_LONGEST_MODULUS: Final = 1024
"""Bytes. TPM 2.0 knows RSA from 1024 bits; nothing larger than 8192 is a key of a chip."""


def parse(data: bytes) -> bytes:
    """Read a key: SubjectPublicKeyInfo, PKCS#1 RSAPublicKey (both DER) or BCRYPT_RSAKEY_BLOB. Raises FormatError."""
    if data.startswith(_BLOB_MAGIC):
        return _from_blob(data)
    key = der.read(data, WHAT).expect(der.SEQUENCE, "a key")
    if key.end != len(data):
        raise FormatError(WHAT, "nothing after the key", key.end)
    parts = key.children()
    if [part.tag for part in parts] == [der.INTEGER, der.INTEGER]:
        modulus, exponent = (int.from_bytes(part.contents, "big") for part in parts)
        return _from_numbers(modulus, exponent)
    return normalise(key)


def normalise(key: der.Node) -> bytes:
    """Return a SubjectPublicKeyInfo with the plain RSA identifier, if it is an RSA key. Raises FormatError."""
    parts = key.children()
    if [part.tag for part in parts] != [der.SEQUENCE, der.BIT_STRING]:
        raise FormatError(key.what, "the algorithm of a public key, and the key", key.start)
    algorithm = parts[0].children()
    if not algorithm:
        raise FormatError(key.what, "the identifier of an algorithm", parts[0].body)
    if der.object_identifier(algorithm[0]) in _RSA_IDENTIFIERS:
        return der.encode(der.SEQUENCE, _RSA_ALGORITHM + parts[1].whole)
    return key.whole


def fingerprint(key: bytes) -> str:
    """Name a key (DER SubjectPublicKeyInfo) by its SHA-256, in upper-case hex."""
    return hashlib.sha256(key).hexdigest().upper()


def _from_blob(data: bytes) -> bytes:
    """Read what Windows' CNG calls BCRYPT_RSAKEY_BLOB, public form: exponent and modulus big endian after the head."""
    if len(data) < _BLOB_HEAD.size:
        raise FormatError(WHAT, f"a head of {_BLOB_HEAD.size} bytes", 0)
    _magic, _bits, exponent_size, modulus_size, prime1, prime2 = _BLOB_HEAD.unpack_from(data)
    start = _BLOB_HEAD.size
    if prime1 or prime2 or start + exponent_size + modulus_size != len(data):
        raise FormatError(WHAT, f"an exponent of {exponent_size} and a modulus of {modulus_size} bytes", start)
    middle = start + exponent_size
    return _from_numbers(int.from_bytes(data[middle:], "big"), int.from_bytes(data[start:middle], "big"))


def _from_numbers(modulus: int, exponent: int) -> bytes:
    size = (modulus.bit_length() + 7) // 8
    if not _SHORTEST_MODULUS <= size <= _LONGEST_MODULUS or not modulus & exponent & 1 or exponent >= modulus:
        raise FormatError(WHAT, "an odd RSA modulus of 1024 to 8192 bits and an odd exponent below it")
    numbers = b"".join(
        der.encode(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big")) for value in (modulus, exponent)
    )
    key = der.encode(der.BIT_STRING, b"\0" + der.encode(der.SEQUENCE, numbers))
    return der.encode(der.SEQUENCE, _RSA_ALGORITHM + key)
