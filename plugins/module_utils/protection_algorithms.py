# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The algorithms of key protectors and guardian metadata.

[MS-KPS] 2.2.3 types every algorithm as a URI and names none, so **lab only: Windows' choice is not public**. The URIs
below are standard ones of XML Encryption 1.1 and RFC 9231. Who owns or guards a protector is read without any of this;
only checking signatures and unwrapping keys needs it, and says so for an algorithm that is not here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
HMAC_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
HKDF_SHA256: Final = "http://www.w3.org/2021/04/xmldsig-more#hkdf"
RSA_OAEP: Final = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
"""With SHA-256 for both the label and MGF1."""
AES256_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
"""Nonce of 12 bytes, cipher text, tag of 16 bytes (XML Encryption 1.1, 5.2.4)."""
KEY_SIZE: Final = 32
"""Bytes of a transport key and of every other symmetric key."""
_NONCE_SIZE: Final = 12
_SIGNATURE_KEY: Final = b"key protector signature"


@dataclass(frozen=True)
class Signature:
    """A signature or MAC and the URI of its algorithm."""

    algorithm: str
    value: bytes


@dataclass(frozen=True)
class EncryptedData:
    """Cipher text and the URI of its algorithm."""

    algorithm: str
    value: bytes


class CannotDecryptError(Exception):
    """The key does not fit, the data was changed, or the algorithm is not known."""


def public_key(certificate: bytes) -> rsa.RSAPublicKey:
    """Return the RSA key of a DER certificate; ValueError where there is none."""
    try:
        # The library warns of serial numbers and the like, which are the issuer's business and not the key's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            key = x509.load_der_x509_certificate(certificate).public_key()
    except (UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the key of the certificate is no RSA key")  # noqa: TRY004 - the value is wrong, not its type
    return key


def thumbprint(certificate: bytes) -> str:
    """Name a DER certificate as Windows does: SHA-1, upper-case hex."""
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper()


def sign(key: rsa.RSAPrivateKey, data: bytes) -> Signature:
    """Sign with RSA (PKCS #1 v1.5) and SHA-256."""
    return Signature(RSA_SHA256, key.sign(data, padding.PKCS1v15(), hashes.SHA256()))


def why_not_signed(certificate: bytes, data: bytes, signature: Signature) -> str:
    """Return why a signature over data is not this certificate's, or nothing where it is."""
    if signature.algorithm != RSA_SHA256:
        return f"the signature algorithm {signature.algorithm!r} is not known"
    unusable = why_not_usable(certificate)
    if unusable:
        return unusable
    try:
        public_key(certificate).verify(signature.value, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return "the signature does not match"
    return ""


def why_not_usable(certificate: bytes) -> str:
    """Return why nothing can be encrypted to a DER certificate, or nothing where it can."""
    try:
        public_key(certificate)
    except ValueError as error:
        return f"the certificate cannot be used: {error}"
    return ""


def wrap(certificate: bytes, key: bytes) -> EncryptedData:
    """Encrypt a symmetric key to a DER certificate; ValueError where its key is no RSA key."""
    return EncryptedData(RSA_OAEP, public_key(certificate).encrypt(key, _oaep()))


def unwrap(private_key: rsa.RSAPrivateKey, wrapped: EncryptedData) -> bytes:
    """Decrypt a symmetric key; CannotDecryptError where this is not the key or the algorithm is not known."""
    if wrapped.algorithm != RSA_OAEP:
        raise CannotDecryptError(f"the encryption algorithm {wrapped.algorithm!r} is not known")
    try:
        return private_key.decrypt(wrapped.value, _oaep())
    except ValueError as error:
        raise CannotDecryptError("the key was not encrypted to this certificate") from error


def encrypt(key: bytes, plain: bytes) -> EncryptedData:
    """Encrypt and authenticate with a symmetric key."""
    nonce = os.urandom(_NONCE_SIZE)
    return EncryptedData(AES256_GCM, nonce + AESGCM(key).encrypt(nonce, plain, None))


def decrypt(key: bytes, encrypted: EncryptedData) -> bytes:
    """Undo `encrypt`; CannotDecryptError where the key does not fit or the data was changed."""
    if encrypted.algorithm != AES256_GCM:
        raise CannotDecryptError(f"the encryption algorithm {encrypted.algorithm!r} is not known")
    nonce, cipher = encrypted.value[:_NONCE_SIZE], encrypted.value[_NONCE_SIZE:]
    try:
        return AESGCM(key).decrypt(nonce, cipher, None)
    except (InvalidTag, ValueError) as error:
        raise CannotDecryptError("the key does not fit, or the data was changed") from error


def sign_with_transport_key(transport_key: bytes, data: bytes) -> Signature:
    """Authenticate with a key that is derived from the transport key ([MS-KPS] 2.2.2.1, TransportKeySignature)."""
    return Signature(HMAC_SHA256, hmac.digest(_signature_key(transport_key), data, "sha256"))


def why_not_signed_with_transport_key(transport_key: bytes, data: bytes, derivation: str, signature: Signature) -> str:
    """Return why data was not authenticated with this transport key, or nothing where it was."""
    for algorithm, known in ((derivation, HKDF_SHA256), (signature.algorithm, HMAC_SHA256)):
        if algorithm != known:
            return f"the algorithm {algorithm!r} is not known"
    expected = hmac.digest(_signature_key(transport_key), data, "sha256")
    return "" if hmac.compare_digest(expected, signature.value) else "the signature does not match"


def _signature_key(transport_key: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_SIZE, salt=None, info=_SIGNATURE_KEY).derive(transport_key)


def _oaep() -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
