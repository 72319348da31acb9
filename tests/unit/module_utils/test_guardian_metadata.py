# SPDX-License-Identifier: GPL-3.0-or-later
"""Guardian metadata: the document, its three signatures, and that no change goes unnoticed."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata, protection_algorithms
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.guardian_metadata import SigningIdentity
from hypothesis import given
from hypothesis import strategies as st

from .guardians import certificate, elliptic_certificate, identity

DOCUMENT = guardian_metadata.build(
    identity("hgs signing"), identity("hgs encryption").certificate, identity("hgs communications")
)


def encoded(certificate: bytes) -> bytes:
    return base64.b64encode(certificate)


def test_what_is_built_is_read_and_holds() -> None:
    others = (identity("old signing").certificate,)
    document = guardian_metadata.build(
        identity("hgs signing"), identity("hgs encryption").certificate, identity("hgs communications"), others
    )
    metadata = guardian_metadata.read(document)
    assert metadata.signing_certificate == identity("hgs signing").certificate
    assert metadata.encryption_certificate == identity("hgs encryption").certificate
    assert metadata.communications_certificate == identity("hgs communications").certificate
    assert metadata.other_signing_certificates == others
    assert (metadata.version, metadata.guardian_version) == (1, 1)
    assert guardian_metadata.problems(document) == []


def test_white_space_and_comments_outside_the_signature_may_differ_only_as_signed() -> None:
    assert guardian_metadata.problems(DOCUMENT.replace(b"</Metadata>", b"<!-- seen --></Metadata>")) == []
    for changed in (DOCUMENT.replace(b"</Metadata>", b" </Metadata>"), DOCUMENT.replace(b"<Guard", b"\n<Guard")):
        assert guardian_metadata.problems(changed) == [
            "document signature: the document was changed after it was signed"
        ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            encoded(identity("hgs encryption").certificate),
            encoded(identity("stranger").certificate),
            "encryption certificate: the signature does not match",
        ),
        (
            encoded(identity("hgs signing").certificate),
            encoded(identity("stranger").certificate),
            "signing certificate: the signature does not match",
        ),
        (
            encoded(identity("hgs communications").certificate),
            encoded(identity("stranger").certificate),
            "document signature: the signature does not match",
        ),
        (b"rsa-sha256", b"rsa-md5", "signing certificate: the signature algorithm"),
        (b"enveloped-signature", b"base64", "document signature: cannot be checked here: other transforms"),
        (b'URI=""', b'URI="#elsewhere"', "document signature: cannot be checked here: the reference"),
        (b"<ds:KeyInfo>", b"<ds:KeyInfo/><ds:KeyInfo>", "cannot be checked here: 2 elements KeyInfo"),
        (b' Version="1">', b' Version="2">', "document signature: the document was changed"),
        (b"xmlenc#sha256", b"xmlenc#sha512", "document signature: cannot be checked here: another DigestMethod"),
    ],
)
def test_a_change_is_named(old: bytes, new: bytes, expected: str) -> None:
    assert old in DOCUMENT
    found = guardian_metadata.problems(DOCUMENT.replace(old, new))
    assert any(expected in problem for problem in found), found


def test_a_second_signature_is_no_way_in() -> None:
    start, end = DOCUMENT.index(b"<ds:Signature "), DOCUMENT.index(b"</Metadata>")
    doubled = DOCUMENT[:end] + DOCUMENT[start:end] + DOCUMENT[end:]
    assert "2 elements Signature" in guardian_metadata.problems(doubled)[0]


def test_the_reference_may_name_the_root() -> None:
    document = DOCUMENT.replace(b'Version="1">', b'Version="1" ID="m">', 1).replace(b'URI=""', b'URI="#m"')
    assert guardian_metadata.problems(document) == ["document signature: the document was changed after it was signed"]


def test_a_certificate_that_nothing_can_be_encrypted_to_is_named() -> None:
    document = guardian_metadata.build(identity("hgs signing"), elliptic_certificate(), identity("hgs communications"))
    (problem,) = guardian_metadata.problems(document)
    assert "encryption certificate: the certificate cannot be used" in problem


def test_a_certificate_of_an_unknown_version_is_named() -> None:
    genuine = identity("hgs signing").certificate
    # The version stands in the first field of the certificate: [0] { INTEGER 2 }.
    odd = genuine.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020136"), 1)
    assert odd != genuine
    document = guardian_metadata.build(
        SigningIdentity(odd, identity("hgs signing").key), odd, identity("hgs communications")
    )
    assert any("the certificate cannot be used" in problem for problem in guardian_metadata.problems(document))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2014/07", b"2014/08"),
        (b"Metadata", b"Protector"),
        (b"GuardianInformation", b"Information"),
        (b"<Version>1</Version>", b""),
        (b"<Version>1</Version>", b"<Version>x</Version>"),
        (b' Version="1">', b">"),
        (b"<ds:Signature ", b"<ds:Seal "),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(old: bytes, new: bytes) -> None:
    assert old in DOCUMENT
    document = DOCUMENT.replace(old, new).replace(
        b"</ds:Signature>", b"</ds:Seal>" if b"Seal" in new else b"</ds:Signature>"
    )
    with pytest.raises(FormatError):
        guardian_metadata.problems(document)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(0, 4), st.binary(max_size=4))
def test_mutations_are_noticed_or_change_nothing(place: int, removed: int, added: bytes) -> None:
    document = DOCUMENT[:place] + added + DOCUMENT[place + removed :]
    try:
        found = guardian_metadata.problems(document)
    except FormatError:
        return
    if not found:
        before, after = guardian_metadata.read(DOCUMENT), guardian_metadata.read(document)
        assert replace(after, communications_certificate=None) == replace(before, communications_certificate=None)
        assert communications_key(after) == communications_key(before)


def communications_key(metadata: guardian_metadata.GuardianMetadata) -> object:
    assert metadata.communications_certificate is not None
    return protection_algorithms.public_key(metadata.communications_certificate)


def test_of_the_communications_certificate_only_the_key_is_proven() -> None:
    signer = identity("hgs communications")
    other = DOCUMENT.replace(encoded(signer.certificate), encoded(certificate("somebody else", signer.key)))
    assert guardian_metadata.problems(other) == []
    assert communications_key(guardian_metadata.read(other)) == communications_key(guardian_metadata.read(DOCUMENT))
