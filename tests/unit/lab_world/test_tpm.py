# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm, tpm_verification
from ansible_collections.guarded.fabric.lab.world.model import Tpm
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
PCRS = (0, 7, 11, 12, 13, 14)


@pytest.fixture(scope="module")
def chip() -> Tpm:
    return tpm.manufacture("Contoso", tpm.new_vendor("Contoso", NOW), NOW)


@pytest.fixture(scope="module")
def other() -> Tpm:
    return tpm.manufacture_without_certificate("Contoso")


def test_endorsement_certificate_follows_the_credential_profile() -> None:
    vendor = tpm.new_vendor("Contoso", NOW)
    chip = tpm.manufacture("Contoso", vendor, NOW)
    assert chip.ek_certificate is not None
    certificate = x509.load_der_x509_certificate(chip.ek_certificate)
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(vendor.der))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    attributes = {a.oid.dotted_string: a.value for a in names.value.get_values_for_type(x509.DirectoryName)[0]}
    assert attributes == {
        "2.23.133.2.1": "id:4C414254",
        "2.23.133.2.2": "Contoso",
        "2.23.133.2.3": "id:00020000",
    }
    assert names.critical
    assert not list(certificate.subject)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid.dotted_string for oid in usage] == ["2.23.133.8.1"]
    der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert certificate.public_key().public_bytes(*der) == tpm.endorsement_key(chip)


def test_pcrs_start_and_extend() -> None:
    chip = Tpm(vendor="v", ek_key=b"", ek_certificate=None, ak_key=b"")
    tpm.start(chip, locality=3)
    assert chip.pcrs[0] == bytes(31) + b"\3"
    assert chip.pcrs[17] == b"\xff" * 32
    assert chip.pcrs[23] == bytes(32)
    digest = hashlib.sha256(b"x").digest()
    tpm.extend(chip, 7, digest)
    tpm.extend(chip, 7, digest)
    assert chip.pcrs[7] == hashlib.sha256(hashlib.sha256(bytes(32) + digest).digest() + digest).digest()
    with pytest.raises(ValueError, match="32 bytes, not 20"):
        tpm.extend(chip, 7, bytes(20))


def test_quote_proves_the_pcrs(chip: Tpm) -> None:
    quote = tpm.quote(chip, b"nonce", PCRS)
    ours = {pcr: chip.pcrs[pcr] for pcr in PCRS}
    assert tpm_verification.why_not(quote, tpm.attestation_key(chip), b"nonce", ours) == ()


def test_quote_is_refused_with_the_reason(chip: Tpm, other: Tpm) -> None:
    quote = tpm.quote(chip, b"nonce", PCRS)
    ours = {pcr: chip.pcrs[pcr] for pcr in PCRS}
    key = tpm.attestation_key(chip)
    refused = [
        (quote, tpm.attestation_key(other), b"nonce", ours, "not signed"),
        (replace(quote, attested=quote.attested[:-1] + b"x"), key, b"nonce", ours, "not signed"),
        (quote, key, b"other", ours, "another nonce"),
        (quote, key, b"nonce", {pcr: ours[pcr] for pcr in PCRS[1:]}, "other PCRs"),
        (quote, key, b"nonce", {**ours, 7: bytes(31) + b"\1"}, "not what the boot log leads to"),
    ]
    for given_quote, attestation_key, nonce, pcrs, reason in refused:
        (found,) = tpm_verification.why_not(given_quote, attestation_key, nonce, pcrs)
        assert reason in found


def test_a_quote_in_the_name_of_another_key_is_refused(chip: Tpm, other: Tpm) -> None:
    of_other = tpm.quote(other, b"nonce", PCRS)
    key = serialization.load_der_private_key(chip.ak_key, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = tpm.Quote(of_other.attested, key.sign(of_other.attested, padding.PKCS1v15(), hashes.SHA256()))
    theirs = {pcr: other.pcrs[pcr] for pcr in PCRS}
    assert tpm_verification.why_not(signed, tpm.attestation_key(chip), b"nonce", theirs) == (
        "the quote names another key than the one that signed it",
    )


def test_signed_nonsense_is_no_quote() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding = serialization.Encoding.DER
    public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    for attested in (b"", b"text", tpm.QUOTE_HEAD, tpm.QUOTE_HEAD + b"\xff\xff", tpm.QUOTE_HEAD + bytes(80)):
        quote = tpm.Quote(attested, key.sign(attested, padding.PKCS1v15(), hashes.SHA256()))
        assert tpm_verification.why_not(quote, public, b"nonce", {7: bytes(32)})


def test_credential_opens_only_in_the_tpm_with_both_keys(chip: Tpm, other: Tpm) -> None:
    endorsement, attestation = tpm.endorsement_key(chip), tpm.attestation_key(chip)
    challenge = tpm_verification.make_credential(endorsement, attestation, b"secret")
    assert tpm.activate_credential(chip, challenge) == b"secret"
    for ek, ak in [(endorsement, tpm.attestation_key(other)), (tpm.endorsement_key(other), attestation)]:
        challenge = tpm_verification.make_credential(ek, ak, b"secret")
        with pytest.raises(tpm.CredentialError):
            tpm.activate_credential(chip, challenge)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(challenge=st.binary(max_size=300))
def test_any_other_challenge_is_refused(chip: Tpm, challenge: bytes) -> None:
    with pytest.raises(tpm.CredentialError):
        tpm.activate_credential(chip, challenge)


def test_key_name_is_the_hash_of_the_public_area() -> None:
    # TPMT_PUBLIC by hand (part 2, 12.2.4) for n = 3 << 2040 | 1, so that the modulus is easy to write down.
    numbers = rsa.RSAPublicNumbers(e=65537, n=(0xC0 << 2040) + 1)
    area = bytes.fromhex("0001 000b 00050072 0000 0010 0014 000b 0800 00000000 0100") + b"\xc0" + bytes(254) + b"\1"
    assert tpm.key_name(numbers.public_key()) == b"\0\x0b" + hashlib.sha256(area).digest()
