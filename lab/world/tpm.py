# SPDX-License-Identifier: GPL-3.0-or-later
"""A TPM 2.0 of the lab: what the chip does, with secrets that never leave it.

Structures and rules are those of the TPM 2.0 Library specification (part 2: TPMT_PUBLIC, TPMS_ATTEST; part 1:
"Credential Protection") and of the TCG EK Credential Profile. What is lab only is said where it is done.
`tpm_verification` is the other side, which sees public parts only.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import start_value
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.x509.oid import NameOID, ObjectIdentifier

from .model import Certificate, Tpm
from .primes import PrimePairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PCR_COUNT: Final = 24
DIGEST_SIZE: Final = 32
ENDORSEMENT_KEY_BYTES: Final = 256
NO_EXPIRY: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
"""A chip's certificate does not expire: RFC 5280 4.1.2.5 names this date for that."""

_EXPONENT: Final = 65537
_PRIMES: Final = PrimePairs(8 * ENDORSEMENT_KEY_BYTES, _EXPONENT)

_ENDORSEMENT_KEY_USAGE: Final = ObjectIdentifier("2.23.133.8.1")
_MANUFACTURER: Final = ObjectIdentifier("2.23.133.2.1")
_MODEL: Final = ObjectIdentifier("2.23.133.2.2")
_VERSION: Final = ObjectIdentifier("2.23.133.2.3")
_SUBJECT_DIRECTORY_ATTRIBUTES: Final = ObjectIdentifier("2.5.29.9")
# DER of one attribute 2.23.133.2.16, TPM specification: family "2.0", level 0, revision 138.
_SPECIFICATION: Final = bytes.fromhex("3019 3017 06056781050210 310e 300c 0c03322e30 020100 0202008a")
_MANUFACTURER_ID: Final = "id:4C414254"
"""Vendor IDs are four characters in hex; "LABT" is nobody's in the TCG Vendor ID Registry."""

_ALGORITHM_RSA: Final = 0x0001
_ALGORITHM_SHA256: Final = 0x000B
_ALGORITHM_NULL: Final = 0x0010
_ALGORITHM_RSASSA: Final = 0x0014
_ATTESTATION_KEY_ATTRIBUTES: Final = 0x00050072
"""fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign: signs only what the TPM itself made."""

_FIRMWARE_VERSION: Final = 0x0002_0000_0000_0000
SELECTION: Final = struct.Struct(">IHB3s")
"""TPML_PCR_SELECTION with one bank: count, algorithm, size of the bit map, bit map."""
QUOTE_HEAD: Final = struct.pack(">IH", 0xFF544347, 0x8018)
"""Start of a TPMS_ATTEST that is a quote: TPM_GENERATED_VALUE, TPM_ST_ATTEST_QUOTE."""
CLOCK: Final = struct.Struct(">QIIBQ")
"""TPMS_CLOCK_INFO (clock, resets, restarts, safe) and the firmware version that follows it."""
SEED_LABEL: Final = b"IDENTITY\0"


class CredentialError(ValueError):
    """A challenge is not for this TPM, or not for the attestation key this TPM has."""


@dataclass(frozen=True)
class Quote:
    """What the TPM says about its PCRs: a TPMS_ATTEST, and the attestation key's RSASSA signature over it."""

    attested: bytes
    signature: bytes


def new_rsa_key() -> bytes:
    """Make an RSA key of 2048 bits, as PKCS#8."""
    p, q = _PRIMES.take()
    private_exponent = rsa.rsa_recover_private_exponent(_EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p,
        q,
        private_exponent,
        rsa.rsa_crt_dmp1(private_exponent, p),
        rsa.rsa_crt_dmq1(private_exponent, q),
        pow(q, -1, p),
        rsa.RSAPublicNumbers(_EXPONENT, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_vendor(name: str, now: datetime) -> Certificate:
    """Make the root authority of a TPM vendor."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{name} TPM EK Root CA"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(NO_EXPIRY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def manufacture(vendor: str, authority: Certificate, now: datetime, new_key: Callable[[], bytes] = new_rsa_key) -> Tpm:
    """Make a TPM with an endorsement key that its vendor certified, and an attestation key; it is not started yet."""
    tpm = manufacture_without_certificate(vendor, new_key)
    tpm.ek_certificate = _certify(vendor, endorsement_key(tpm), authority, now)
    return tpm


def manufacture_without_certificate(vendor: str, new_key: Callable[[], bytes] = new_rsa_key) -> Tpm:
    """Make a TPM whose vendor issued no endorsement certificate."""
    tpm = Tpm(vendor=vendor, ek_key=new_key(), ek_certificate=None, ak_key=new_key())
    start(tpm, locality=0)
    return tpm


def start(tpm: Tpm, locality: int) -> None:
    """Reset all PCRs, as at power on; `locality` is where the TPM was started from (3 where a CRTM measured first)."""
    tpm.pcrs = {pcr: start_value(pcr, DIGEST_SIZE, locality) for pcr in range(PCR_COUNT)}


def extend(tpm: Tpm, pcr: int, digest: bytes) -> None:
    """PCR = SHA-256(PCR || digest)."""
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"a SHA-256 digest has {DIGEST_SIZE} bytes, not {len(digest)}")
    tpm.pcrs[pcr] = hashlib.sha256(tpm.pcrs[pcr] + digest).digest()


def endorsement_key(tpm: Tpm) -> bytes:
    """Return the public endorsement key, as DER SubjectPublicKeyInfo."""
    return _public_der(_load(tpm.ek_key))


def attestation_key(tpm: Tpm) -> bytes:
    """Return the public attestation key, as DER SubjectPublicKeyInfo."""
    return _public_der(_load(tpm.ak_key))


def quote(tpm: Tpm, nonce: bytes, pcrs: Iterable[int]) -> Quote:
    """Sign the current values of `pcrs` (TPM2_Quote)."""
    selected = sorted(set(pcrs))
    public = _load(tpm.ak_key).public_key()
    attested = (
        QUOTE_HEAD
        + sized(key_name(public))
        + sized(nonce)
        # Lab only: the lab's TPM keeps no clock and counts no resets.
        + CLOCK.pack(0, 0, 0, 1, _FIRMWARE_VERSION)
        + selection(selected)
        + sized(hashlib.sha256(b"".join(tpm.pcrs[pcr] for pcr in selected)).digest())
    )
    return Quote(attested, _load(tpm.ak_key).sign(attested, padding.PKCS1v15(), hashes.SHA256()))


def activate_credential(tpm: Tpm, challenge: bytes) -> bytes:
    """Return the secret in a challenge that `tpm_verification.make_credential` made (TPM2_ActivateCredential).

    Works only in the TPM with the endorsement key the challenge was encrypted to, and only if the attestation key it
    was made for is in the same TPM. CredentialError otherwise.
    """
    encrypted_seed, protected = challenge[:ENDORSEMENT_KEY_BYTES], challenge[ENDORSEMENT_KEY_BYTES:]
    name = key_name(_load(tpm.ak_key).public_key())
    try:
        seed = _load(tpm.ek_key).decrypt(encrypted_seed, seed_padding())
        return AESGCM(credential_key(seed, name)).decrypt(protected[:12], protected[12:], name)
    except (ValueError, InvalidTag) as error:
        raise CredentialError("the challenge is for another endorsement or attestation key") from error


def key_name(attestation_key: rsa.RSAPublicKey) -> bytes:
    """Return the Name of an attestation key: algorithm and hash of its TPMT_PUBLIC (part 1, "Names")."""
    numbers = attestation_key.public_numbers()
    public = (
        struct.pack(">HHIH", _ALGORITHM_RSA, _ALGORITHM_SHA256, _ATTESTATION_KEY_ATTRIBUTES, 0)
        + struct.pack(">HHHHI", _ALGORITHM_NULL, _ALGORITHM_RSASSA, _ALGORITHM_SHA256, attestation_key.key_size, 0)
        + sized(numbers.n.to_bytes((attestation_key.key_size + 7) // 8, "big"))
    )
    return struct.pack(">H", _ALGORITHM_SHA256) + hashlib.sha256(public).digest()


def credential_key(seed: bytes, name: bytes) -> bytes:
    """Derive the key of a challenge with the TPM's KDFa; AES-GCM for CFB and HMAC with it is lab only."""
    return KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=16,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=b"STORAGE",
        context=name,
        fixed=None,
    ).derive(seed)


def seed_padding() -> padding.OAEP:
    """Return the padding a seed is encrypted with to an endorsement key."""
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), SEED_LABEL)


def selection(pcrs: Iterable[int]) -> bytes:
    """Return TPML_PCR_SELECTION of `pcrs` in the SHA-256 bank."""
    bit_map = sum(1 << pcr for pcr in set(pcrs))
    return SELECTION.pack(1, _ALGORITHM_SHA256, 3, bit_map.to_bytes(3, "little"))


def sized(data: bytes) -> bytes:
    """Return `data` as a TPM2B: length (big endian), then the bytes."""
    return struct.pack(">H", len(data)) + data


def _certify(vendor: str, public_key: bytes, authority: Certificate, now: datetime) -> bytes:
    if authority.key is None:
        raise ValueError(f"the lab does not have the key of {vendor}'s authority")
    issuer = x509.load_der_x509_certificate(authority.der)
    issuer_key = serialization.load_der_private_key(authority.key, None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of a TPM vendor of the lab is an elliptic curve key")
    chip = x509.Name(
        [
            x509.NameAttribute(_MANUFACTURER, _MANUFACTURER_ID),
            x509.NameAttribute(_MODEL, vendor),
            x509.NameAttribute(_VERSION, "id:00020000"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(_load_public(public_key))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(NO_EXPIRY)
        .add_extension(x509.SubjectAlternativeName([x509.DirectoryName(chip)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(key_cert_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_ENDORSEMENT_KEY_USAGE]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_SUBJECT_DIRECTORY_ATTRIBUTES, _SPECIFICATION), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def _key_usage(*, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=not key_cert_sign,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _load(key: bytes) -> rsa.RSAPrivateKey:
    # The lab made the key itself; checking its primes again costs more than all the rest.
    loaded = serialization.load_der_private_key(key, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise TypeError("the keys of a TPM of the lab are RSA keys")
    return loaded


def _load_public(key: bytes) -> rsa.RSAPublicKey:
    loaded = serialization.load_der_public_key(key)
    if not isinstance(loaded, rsa.RSAPublicKey):
        raise TypeError("the keys of a TPM of the lab are RSA keys")
    return loaded


def _public_der(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
