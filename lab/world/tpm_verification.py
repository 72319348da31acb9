# SPDX-License-Identifier: GPL-3.0-or-later
"""What one can check about a TPM from outside: challenge it, and judge its quote. Public parts only."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import tpm

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED_SIZE = 32
PCRS_DIFFER = "the TPM's PCRs are not what the boot log leads to"
"""The one reason of `why_not` that speaks against the boot log and not against the TPM."""


def make_credential(endorsement_key: bytes, attestation_key: bytes, secret: bytes) -> bytes:
    """Encrypt `secret` for the TPM with both keys (DER SubjectPublicKeyInfo); ValueError if one is no RSA key.

    The challenge is the seed under the endorsement key (OAEP, SHA-256, label IDENTITY), then nonce and ciphertext.
    """
    name = tpm.key_name(_load(attestation_key))
    seed = os.urandom(SEED_SIZE)
    nonce = os.urandom(12)
    protected = AESGCM(tpm.credential_key(seed, name)).encrypt(nonce, secret, name)
    return _load(endorsement_key).encrypt(seed, tpm.seed_padding()) + nonce + protected


def why_not(quote: tpm.Quote, attestation_key: bytes, nonce: bytes, pcrs: Mapping[int, bytes]) -> tuple[str, ...]:
    """Say why `quote` does not prove that the TPM with this attestation key holds exactly `pcrs`; empty if it does."""
    public = _load(attestation_key)
    try:
        public.verify(quote.signature, quote.attested, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return ("the quote is not signed by the attestation key",)
    pcr_digest = hashlib.sha256(b"".join(pcrs[pcr] for pcr in sorted(pcrs))).digest()
    try:
        name, extra, selected, digest = _read(quote.attested)
    except ValueError as error:
        return (str(error),)
    reasons = []
    if name != tpm.key_name(public):
        reasons.append("the quote names another key than the one that signed it")
    if not hmac.compare_digest(extra, nonce):
        reasons.append("the quote answers another nonce: it may be an old one")
    if selected != tpm.selection(pcrs):
        reasons.append("the quote covers other PCRs than asked for")
    elif digest != pcr_digest:
        reasons.append(PCRS_DIFFER)
    return tuple(reasons)


def _read(attested: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return signer, nonce, PCR selection and PCR digest of a TPMS_ATTEST; ValueError where it is no quote."""
    if not attested.startswith(tpm.QUOTE_HEAD):
        raise ValueError("the attested structure is not a quote made by a TPM")
    name, position = _sized(attested, len(tpm.QUOTE_HEAD))
    extra, position = _sized(attested, position)
    position += tpm.CLOCK.size
    selected = attested[position : position + tpm.SELECTION.size]
    digest, position = _sized(attested, position + tpm.SELECTION.size)
    if position != len(attested):
        raise ValueError("the quote has bytes after its end")
    return name, extra, selected, digest


def _sized(data: bytes, position: int) -> tuple[bytes, int]:
    end = position + 2 + int.from_bytes(data[position : position + 2], "big")
    if position + 2 > len(data) or end > len(data):
        raise ValueError("the quote is cut off")
    return data[position + 2 : end], end


def _load(key: bytes) -> rsa.RSAPublicKey:
    loaded = serialization.load_der_public_key(key)
    if not isinstance(loaded, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - the bytes are wrong, not their Python type
    return loaded
