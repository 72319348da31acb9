# SPDX-License-Identifier: GPL-3.0-or-later
"""Key protectors: the document, who may do what, and that no change goes unnoticed."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import key_protector, key_protector_access
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import (
    INVALID_PROTECTOR,
    INVALID_WRAPPING,
    Guardian,
    NoAccessError,
    Opened,
)
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    EncryptedData,
    Signature,
    thumbprint,
)
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from .guardians import elliptic_certificate, keys

# By hand after the schema in [MS-KPS] 6.2, with other prefixes, comments and parameters than this project writes.
FOREIGN = b"""<?xml version="1.0"?>
<k:Protector xmlns:k="http://schemas.microsoft.com/kps/2014/07" MaxOfflineUnwraps="7">
  <k:Wrappings xmlns:unused="urn:x"><!-- not signed -->
    <k:Wrapping>
      <k:Id>0</k:Id>
      <k:SigningCertificate> YQ== </k:SigningCertificate>
      <k:SigningCertificateSignature ParentWrappingId="0">
        <k:Signature Algorithm="urn:a"><k:Parameters><p xmlns="urn:p">1</p><q/></k:Parameters>
          <k:SignatureValue>Yg==</k:SignatureValue></k:Signature>
      </k:SigningCertificateSignature>
      <k:EncryptionCertificate>Yw==</k:EncryptionCertificate>
      <k:EncryptionCertificateSignature>
        <k:Signature Algorithm="urn:b"><k:SignatureValue>ZA==</k:SignatureValue></k:Signature>
      </k:EncryptionCertificateSignature>
      <k:TransportKey>
        <k:EncryptedData Algorithm="urn:c"><k:CipherValue>ZQ==</k:CipherValue></k:EncryptedData>
      </k:TransportKey>
    </k:Wrapping>
  </k:Wrappings>
  <k:TransportKeySignature>
    <k:KeyDerivationMethod Algorithm="urn:d"><k:Parameters/></k:KeyDerivationMethod>
    <k:Signature Algorithm="urn:e"><k:SignatureValue>Zg==</k:SignatureValue></k:Signature>
  </k:TransportKeySignature>
  <k:GuardianSignature WrappingId="0">
    <k:Signature Algorithm="urn:f"><k:SignatureValue>Zw==</k:SignatureValue></k:Signature>
  </k:GuardianSignature>
</k:Protector>
"""


def opened() -> Opened:
    return key_protector_access.create(keys("owner"), [keys("hgs").public()])


def reasons(protector: key_protector.Protector) -> list[str]:
    return [problem.reason for problem in key_protector_access.problems(protector)]


def test_none_is_four_bytes() -> None:
    assert key_protector.NONE == b"\0\0\0\x04"
    assert key_protector.read(key_protector.NONE) is None
    assert key_protector.write(None) == key_protector.NONE


def test_raw_bytes_begin_with_their_length() -> None:
    raw = key_protector.write(opened().protector)
    assert int.from_bytes(raw[:4], "big") == len(raw)
    assert raw[4:].startswith(b"<?xml")
    for wrong in (raw + b"\0", raw[:-1], raw[4:], raw[:3], b""):
        with pytest.raises(FormatError) as caught:
            key_protector.read(wrong)
        assert caught.value.offset == 0


def test_what_is_written_is_read() -> None:
    protector = key_protector_access.create(keys("owner"), [keys("hgs").public()], 3).protector
    assert key_protector.read(key_protector.write(protector)) == protector
    assert protector.maximum_offline_unwraps == 3


def test_a_foreign_document_is_read_without_knowing_its_algorithms() -> None:
    protector = key_protector.read_document(FOREIGN)
    assert protector.wrappings == (
        key_protector.Wrapping(
            id=0,
            signing_certificate=b"a",
            parent=0,
            signing_certificate_signature=Signature("urn:a", b"b"),
            encryption_certificate=b"c",
            encryption_certificate_signature=Signature("urn:b", b"d"),
            transport_key=EncryptedData("urn:c", b"e"),
        ),
    )
    assert protector.key_derivation == "urn:d"
    assert protector.maximum_offline_unwraps == 7
    assert key_protector.owner(protector) == protector.wrappings[0]
    assert b"not signed" not in protector.signed
    assert b'<p xmlns="urn:p">1</p><q></q>' in protector.signed
    # Written again, what is signed is still the same to the last byte.
    assert key_protector.read_document(key_protector.write_document(protector)) == protector
    assert "parent" not in " ".join(reasons(protector))
    assert "the signature algorithm 'urn:a' is not known" in " ".join(reasons(protector))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<k:Id>0</k:Id>", b""),
        (b"<k:Id>0</k:Id>", b"<k:Id>-1</k:Id>"),
        (b"<k:Id>0</k:Id>", b"<k:Id>4294967296</k:Id>"),
        (b"<k:Id>0</k:Id>", b"<k:Id>0</k:Id><k:Id>0</k:Id>"),
        (b"<k:Id>0</k:Id>", b"<k:Id>0<k:a/></k:Id>"),
        (b"Yw==", b"Yw="),
        (b"Yw==", b"Y\xc3\xbc=="),
        (b' Algorithm="urn:b"', b""),
        (b' ParentWrappingId="0"', b""),
        (b' WrappingId="0"', b' WrappingId="first"'),
        (b'"7"', b'"many"'),
        (b"</k:GuardianSignature>", b"</k:GuardianSignature><k:More/>"),
        (b"http://schemas.microsoft.com/kps/2014/07", b"urn:other"),
        (b"k:Protector", b"k:Protectors"),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(old: bytes, new: bytes) -> None:
    assert old in FOREIGN
    with pytest.raises(FormatError):
        key_protector.read_document(FOREIGN.replace(old, new))


def test_without_wrappings_there_is_no_protector() -> None:
    start, end = FOREIGN.index(b"<k:Wrapping>"), FOREIGN.index(b"</k:Wrappings>")
    with pytest.raises(FormatError, match="at least one Wrapping"):
        key_protector.read_document(FOREIGN[:start] + FOREIGN[end:])


@given(st.integers(0, len(FOREIGN) - 1), st.integers(0, 6), st.binary(max_size=4))
@example(0, 0, b"")
def test_mutations_give_a_protector_or_a_format_error(place: int, removed: int, added: bytes) -> None:
    document = FOREIGN[:place] + added + FOREIGN[place + removed :]
    try:
        protector = key_protector.read_document(document)
    except FormatError:
        return
    key_protector_access.problems(protector)
    assert key_protector.read(key_protector.write(protector)) == protector


def test_a_new_protector_holds_in_every_respect() -> None:
    made = opened()
    assert key_protector_access.problems(made.protector) == []
    assert key_protector_access.transport_key_problems(made) == []
    assert len(made.transport_key) == 32


def test_owner_and_guardians_are_told_by_their_certificates() -> None:
    protector = opened().protector
    own = key_protector.owner(protector)
    assert own is not None
    assert key_protector.thumbprints(own) == (
        thumbprint(keys("owner").signing_certificate),
        thumbprint(keys("owner").encryption_certificate),
    )
    (guardian,) = key_protector.guardians(protector)
    assert guardian.signing_certificate == keys("hgs").signing_certificate


@pytest.mark.parametrize("name", ["owner", "hgs"])
def test_every_guardian_gets_the_transport_key(name: str) -> None:
    made = opened()
    own = keys(name)
    key = key_protector_access.unwrap(made.protector, own.encryption_certificate, own.encryption_key)
    assert key == made.transport_key


def test_nobody_else_gets_it() -> None:
    protector = opened().protector
    stranger = keys("stranger")
    with pytest.raises(NoAccessError, match="no such guardian"):
        key_protector_access.unwrap(protector, stranger.encryption_certificate, stranger.encryption_key)
    with pytest.raises(NoAccessError, match="not encrypted to this certificate"):
        key_protector_access.unwrap(protector, keys("hgs").encryption_certificate, stranger.encryption_key)


def test_the_owner_grants_and_revokes() -> None:
    made = opened()
    granted = key_protector_access.grant(made.protector, keys("owner"), keys("second").public())
    assert key_protector_access.problems(granted.protector) == []
    assert granted.transport_key == made.transport_key
    second = keys("second")
    key = key_protector_access.unwrap(granted.protector, second.encryption_certificate, second.encryption_key)
    assert key == made.transport_key
    again = key_protector_access.grant(granted.protector, keys("owner"), keys("second").public())
    assert again.protector == granted.protector
    revoked = key_protector_access.revoke(
        granted.protector, keys("owner"), thumbprint(second.signing_certificate).lower()
    )
    assert key_protector_access.problems(revoked.protector) == []
    with pytest.raises(NoAccessError):
        key_protector_access.unwrap(revoked.protector, second.encryption_certificate, second.encryption_key)


def test_only_the_owner_grants_and_revokes() -> None:
    protector = opened().protector
    with pytest.raises(NoAccessError, match="only the owner"):
        key_protector_access.grant(protector, keys("hgs"), keys("second").public())
    with pytest.raises(NoAccessError, match="only the owner"):
        key_protector_access.revoke(protector, keys("hgs"), thumbprint(keys("hgs").signing_certificate))
    with pytest.raises(NoAccessError, match="no such guardian"):
        key_protector_access.revoke(protector, keys("owner"), thumbprint(keys("owner").signing_certificate))


def test_rolling_changes_the_key_and_keeps_who_may() -> None:
    made = opened()
    ingress, rolled = key_protector_access.roll(made.protector, keys("hgs"))
    assert ingress == made.transport_key
    assert rolled.transport_key != ingress
    assert key_protector_access.problems(rolled.protector) == []
    assert key_protector_access.transport_key_problems(rolled) == []
    before, after = ([w.signing_certificate for w in p.wrappings] for p in (made.protector, rolled.protector))
    assert before == after
    assert rolled.protector.guardian == 2
    own = keys("owner")
    key = key_protector_access.unwrap(rolled.protector, own.encryption_certificate, own.encryption_key)
    assert key == rolled.transport_key


def test_a_changed_transport_key_is_noticed() -> None:
    made = opened()
    (problem,) = key_protector_access.transport_key_problems(replace(made, transport_key=bytes(32)))
    assert problem == key_protector_access.Problem(
        INVALID_PROTECTOR, "transport key signature: the signature does not match"
    )
    odd = replace(made.protector, key_derivation="urn:kdf")
    assert "urn:kdf" in key_protector_access.transport_key_problems(replace(made, protector=odd))[0].reason


FAKE = Signature("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", bytes(256))


@pytest.mark.parametrize(
    ("change", "exception", "reason"),
    [
        ({"signing_certificate_signature": FAKE}, INVALID_WRAPPING, "2, signing certificate: the signature does not"),
        ({"encryption_certificate_signature": FAKE}, INVALID_WRAPPING, "2, encryption certificate: the signature"),
        ({"signing_certificate": b"x"}, INVALID_WRAPPING, "2, encryption certificate: the certificate cannot be used"),
        ({"encryption_certificate": b"x"}, INVALID_WRAPPING, "2, encryption certificate: the signature does not match"),
        ({"parent": 9}, INVALID_WRAPPING, "2, parent: there is no wrapping 9"),
        ({"parent": 2}, INVALID_WRAPPING, "not exactly one wrapping is its own parent"),
        ({"id": 1}, INVALID_WRAPPING, "two wrappings have the same id"),
    ],
)
def test_a_changed_wrapping_is_named(change: dict[str, object], exception: str, reason: str) -> None:
    protector = opened().protector
    wrappings = (protector.wrappings[0], replace(protector.wrappings[1], **change))  # type: ignore[arg-type]
    changed = replace(protector, wrappings=wrappings, signed=key_protector.wrappings_to_sign(wrappings))
    found = key_protector_access.problems(key_protector.read_document(key_protector.write_document(changed)))
    assert any(problem.exception == exception and reason in problem.reason for problem in found), found


def test_a_guardian_signature_that_is_not_there_or_not_right_is_named() -> None:
    protector = opened().protector
    for changed, reason in (
        (replace(protector, guardian=7), "there is no wrapping 7"),
        (replace(protector, guardian=2), "guardian signature: the signature does not match"),
        (replace(protector, guardian_signature=FAKE), "guardian signature: the signature does not match"),
    ):
        (problem,) = key_protector_access.problems(changed)
        assert (problem.exception, reason in problem.reason) == (INVALID_PROTECTOR, True)


def test_a_circle_does_not_reach_the_owner() -> None:
    made = key_protector_access.create(keys("owner"), [keys("hgs").public(), keys("second").public()])
    first, second, third = made.protector.wrappings
    circle = replace(made.protector, wrappings=(first, replace(second, parent=3), replace(third, parent=2)))
    assert sum("the chain does not end at the owner" in reason for reason in reasons(circle)) == 2


def test_who_a_revoked_guardian_vouched_for_goes_too() -> None:
    made = key_protector_access.create(keys("owner"), [keys("hgs").public(), keys("second").public()])
    first, second, third = made.protector.wrappings
    chained = replace(made.protector, wrappings=(first, second, replace(third, parent=2)))
    revoked = key_protector_access.revoke(chained, keys("owner"), thumbprint(second.signing_certificate))
    assert revoked.protector.wrappings == (first,)


def test_other_keys_than_rsa_are_named() -> None:
    certificate = elliptic_certificate()
    with pytest.raises(ValueError, match="no RSA key"):
        key_protector_access.create(keys("owner"), [Guardian(keys("hgs").signing_certificate, certificate, FAKE)])


def test_long_chains_are_checked_in_time_that_grows_with_them() -> None:
    protector = key_protector.read_document(FOREIGN)
    wrappings = tuple(replace(protector.wrappings[0], id=number, parent=max(number - 1, 0)) for number in range(20_000))
    started = time.monotonic()
    assert len(key_protector_access.problems(replace(protector, wrappings=wrappings))) > 20_000
    assert time.monotonic() - started < 5


SCHEMAS = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "protocols" / "ms-kps-xsd"


@pytest.mark.skipif(
    not (SCHEMAS / "Protector.xsd").is_file(),
    reason="the published schemas are not in the repository; GUARDED_FABRIC_SAMPLES is not set",
)
def test_the_published_schema_accepts_what_is_written() -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "Protector.xsd"))
    schema.assertValid(etree.fromstring(key_protector.write_document(opened().protector)))
    schema.assertValid(etree.fromstring(FOREIGN))
