# SPDX-License-Identifier: GPL-3.0-or-later
"""The Key Protection Service: what it introduces itself with, whom it answers, and how it refuses."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError, SecureString
from ansible_collections.guarded.fabric.lab.world import (
    attestation_client,
    certificates,
    files,
    health_certificate,
    key_certificates,
    private_keys,
)
from ansible_collections.guarded.fabric.lab.world.key_protection_messages import (
    RollRequest,
    pack_transport_keys,
    read_error,
    read_request,
    read_response,
    unpack_transport_keys,
    write_request,
)
from ansible_collections.guarded.fabric.lab.world.model import Certificate
from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata, key_protector
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import problems
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    AES256_GCM,
    RSA_OAEP,
    EncryptedData,
    decrypt,
    thumbprint,
    unwrap,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from .conftest import NOW
from .tenancy import METADATA_PATH, Tenancy

ROLL_PATH = "/keyprotection/service/V2.0/rollTransportKey"


def certificate_of(tenancy: Tenancy) -> bytes:
    found = attestation_client.health_certificate(tenancy.fabric.world, tenancy.fabric.clock, tenancy.host)
    assert found is not None
    return found


def request_of(tenancy: Tenancy, protector: bytes | None = None) -> RollRequest:
    raw = tenancy.protector() if protector is None else protector
    return RollRequest(raw, certificate_of(tenancy), RSA_OAEP, AES256_GCM, AES256_GCM)


def refusal(tenancy: Tenancy, request: RollRequest) -> tuple[str, str]:
    reply = tenancy.fabric.http("POST", ROLL_PATH, write_request(request))
    assert reply.status == 400
    error = read_error(reply.body)
    return error.code, error.message


def test_metadata_introduces_the_primary_certificates(tenancy: Tenancy) -> None:
    reply = tenancy.fabric.http("GET", METADATA_PATH.upper())
    assert (reply.status, reply.content_type) == (200, "application/xml; charset=utf-8")
    assert guardian_metadata.problems(reply.body) == []
    metadata = guardian_metadata.read(reply.body)
    assert metadata.signing_certificate == tenancy.keys["signing"].der
    assert metadata.encryption_certificate == tenancy.keys["encryption"].der
    assert metadata.communications_certificate == tenancy.keys["communications"].der
    assert metadata.other_signing_certificates == ()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Encryption", b"Primary Encryption Certificate not found"),
        ("Signing", b"Primary Signing Certificate not found"),
    ],
)
def test_without_a_primary_certificate_there_is_no_metadata(tenancy: Tenancy, kind: str, words: bytes) -> None:
    tenancy.service.certificates = [each for each in tenancy.service.certificates if each.type != kind]
    reply = tenancy.fabric.http("GET", METADATA_PATH)
    assert (reply.status, reply.body) == (500, words)


def test_a_node_that_joined_a_moment_ago_has_no_certificates_yet(tenancy: Tenancy) -> None:
    tenancy.fabric.world.clusters["hgs.guardian.example"].joined["hgs1"] = NOW
    assert tenancy.fabric.http("GET", METADATA_PATH).status == 500
    tenancy.wait(timedelta(minutes=11))
    assert tenancy.fabric.http("GET", METADATA_PATH).status == 200


def test_the_answer_is_a_ladder_that_starts_at_the_hosts_key(tenancy: Tenancy) -> None:
    request = request_of(tenancy)
    reply = tenancy.fabric.http("POST", ROLL_PATH, write_request(request))
    assert reply.status == 200
    response = read_response(reply.body)
    assert tenancy.host.boot is not None
    assert tenancy.host.boot.identity_key is not None
    transfer = unwrap(
        private_keys.load(tenancy.host.boot.identity_key), EncryptedData(RSA_OAEP, response.encrypted_transfer_key)
    )
    wrapping = decrypt(transfer, EncryptedData(AES256_GCM, response.encrypted_wrapping_key))
    ingress, egress = unpack_transport_keys(
        decrypt(wrapping, EncryptedData(AES256_GCM, response.encrypted_transport_keys))
    )
    assert len({ingress, egress, transfer, wrapping}) == 4
    before, after = key_protector.read(request.ingress_protector), key_protector.read(response.egress_protector)
    assert before is not None
    assert after is not None
    assert problems(after) == []
    assert [each.signing_certificate for each in before.wrappings] == [
        each.signing_certificate for each in after.wrappings
    ]
    assert key_protector.owner(after) is not None


def test_a_protector_without_its_length_in_front_is_taken_too(tenancy: Tenancy) -> None:
    raw = tenancy.protector()
    reply = tenancy.fabric.http("POST", ROLL_PATH, write_request(request_of(tenancy, raw[4:])))
    assert reply.status == 200


def test_other_paths_and_methods(tenancy: Tenancy) -> None:
    assert tenancy.fabric.http("GET", ROLL_PATH).status == 405
    assert tenancy.fabric.http("POST", "/KeyProtection/service/V3.0/rolltransportkey").status == 404


@pytest.mark.parametrize("body", [b"", b"<x/>", b"<!DOCTYPE x><x/>"])
def test_what_is_no_request_is_refused(tenancy: Tenancy, body: bytes) -> None:
    reply = tenancy.fabric.http("POST", ROLL_PATH, body)
    assert (reply.status, read_error(reply.body).code) == (400, "ArgumentException")


def test_a_lapsed_health_certificate_is_refused(tenancy: Tenancy) -> None:
    request = request_of(tenancy)
    tenancy.wait(timedelta(hours=9))
    assert refusal(tenancy, request) == (
        "HealthCertificateException",
        "The health certificate has expired or is not yet valid.",
    )


def test_a_health_certificate_of_somebody_else_is_refused(tenancy: Tenancy) -> None:
    identity = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = health_certificate.issue(health_certificate.new_signer(NOW), identity.public_key(), "host1", NOW, 8)
    for certificate in (forged, b"none", tenancy.keys["signing"].der):
        code, _ = refusal(tenancy, replace(request_of(tenancy), health_certificate=certificate))
        assert code == "HealthCertificateException"
        tenancy.run(tenancy.tenant, "Remove-HgsGuardian", Name="Fabric")


def test_health_certificates_issued_too_early_are_denied_by_policy(tenancy: Tenancy) -> None:
    request = request_of(tenancy)
    tenancy.run(
        tenancy.fabric.hgs,
        "Set-HgsKeyProtectionAttestationSignerCertificatePolicy",
        DenyHealthCertificatesIssuedBefore=(NOW + timedelta(minutes=1)).isoformat(),
    )
    code, message = refusal(tenancy, request)
    assert (code, "issued so early" in message) == ("HealthCertificateException", True)
    signer = tenancy.one(tenancy.fabric.hgs, "Get-HgsKeyProtectionAttestationSignerCertificate")
    assert signer["AttestationCertificatePolicy"].properties == {  # type: ignore[attr-defined]
        "DenyHealthCertificatesIssuedBefore": NOW + timedelta(minutes=1)
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw[:-1], "InvalidProtectorException"),
        (lambda _: key_protector.NONE, "InvalidProtectorException"),
        (lambda raw: raw.replace(b' WrappingId="1"', b' WrappingId="9"'), "InvalidProtectorException"),
        (lambda raw: raw.replace(b'ParentWrappingId="1"', b'ParentWrappingId="9"'), "InvalidWrappingException"),
        (lambda raw: raw.replace(b"<Id>2</Id>", b"<Id>3</Id>"), "InvalidProtectorException"),
        (lambda raw: raw.replace(b"rsa-oaep", b"rsa-none"), "InvalidProtectorException"),
    ],
)
def test_a_changed_protector_is_refused_by_the_name_the_specification_has(
    tenancy: Tenancy, change: object, code: str
) -> None:
    raw = tenancy.protector()
    changed = change(raw)  # type: ignore[operator]
    assert changed != raw
    assert refusal(tenancy, request_of(tenancy, changed))[0] == code


def test_a_protector_that_was_not_sealed_with_its_transport_key_is_refused(tenancy: Tenancy) -> None:
    protector = key_protector.read(tenancy.protector())
    assert protector is not None
    unsealed = replace(protector, transport_key_signature=replace(protector.transport_key_signature, value=bytes(32)))
    assert refusal(tenancy, request_of(tenancy, key_protector.write(unsealed))) == (
        "InvalidProtectorException",
        "transport key signature: the signature does not match",
    )


def test_algorithms_the_service_does_not_know_are_refused(tenancy: Tenancy) -> None:
    code, _ = refusal(tenancy, replace(request_of(tenancy), transfer_key_algorithm="urn:other"))
    assert code == "ArgumentException"


def test_rotation_as_the_guide_tells_it(tenancy: Tenancy) -> None:
    hgs = tenancy.fabric.hgs
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    for kind in ("Signing", "Encryption"):
        new = tenancy.keys[f"new {kind.lower()}"]
        path = rf"C:\{kind}.pfx"
        files.write(hgs, path, pfx(new, b"secret"))
        tenancy.run(
            hgs,
            "Add-HgsKeyProtectionCertificate",
            CertificateType=kind,
            CertificatePath=path,
            CertificatePassword=SecureString("secret"),
        )
        tenancy.run(
            hgs, "Set-HgsKeyProtectionCertificate", CertificateType=kind, Thumbprint=thumbprint(new.der), IsPrimary=True
        )
    # The old machine still starts with the old certificates, and the metadata shows the new ones.
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    reply = tenancy.fabric.http("GET", METADATA_PATH)
    metadata = guardian_metadata.read(reply.body)
    assert metadata.signing_certificate == tenancy.keys["new signing"].der
    assert metadata.other_signing_certificates == (tenancy.keys["signing"].der,)

    # The owner grants the new guardian access.
    files.write(tenancy.tenant, r"C:\new.xml", reply.body)
    tenancy.run(tenancy.tenant, "Import-HgsGuardian", Name="New", Path=r"C:\new.xml", AllowUntrustedRoot=True)
    granted = tenancy.one(
        tenancy.tenant,
        "Grant-HgsKeyProtectorAccess",
        KeyProtector=tenancy.object(tenancy.tenant, "ConvertTo-HgsKeyProtector", Bytes=vm.key_protector),
        GuardianFriendlyName="New",
        AllowUntrustedRoot=True,
    )
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", KeyProtector=granted["RawData"])

    # Now the old certificates can go.
    for kind in ("Signing", "Encryption"):
        old = thumbprint(tenancy.keys[kind.lower()].der)
        tenancy.run(hgs, "Set-HgsKeyProtectionCertificate", CertificateType=kind, Thumbprint=old, IsEnabled=False)
        listed = tenancy.run(hgs, "Get-HgsKeyProtectionCertificate", CertificateType=kind, IsEnabled=False)
        assert [each.properties["Thumbprint"] for each in listed] == [old]  # type: ignore[attr-defined]
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    for kind in ("Signing", "Encryption"):
        old = thumbprint(tenancy.keys[kind.lower()].der)
        tenancy.run(hgs, "Remove-HgsKeyProtectionCertificate", CertificateType=kind, Thumbprint=old)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert vm.state == "Running"


def test_a_machine_of_the_old_certificates_does_not_start_once_they_are_disabled(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    for kind in ("Signing", "Encryption"):
        key_certificates.add(tenancy.service, kind, tenancy.keys[f"new {kind.lower()}"], from_pfx=True)
        new = thumbprint(tenancy.keys[f"new {kind.lower()}"].der)
        old = thumbprint(tenancy.keys[kind.lower()].der)
        key_certificates.make_primary(tenancy.service, kind, new)
        key_certificates.set_enabled(tenancy.service, kind, old, enabled=False)
    with pytest.raises(CmdletError, match="no guardian of the key protector"):
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")


def pfx(certificate: Certificate, password: bytes) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        None,
        private_keys.of(certificate),
        x509.load_der_x509_certificate(certificate.der),
        None,
        serialization.BestAvailableEncryption(password),
    )


def test_what_the_certificate_cmdlets_refuse(tenancy: Tenancy) -> None:
    hgs = tenancy.fabric.hgs
    primary = thumbprint(tenancy.keys["signing"].der)

    def reason(cmdlet: str, **parameters: object) -> str:
        with pytest.raises(CmdletError) as caught:
            tenancy.run(hgs, cmdlet, CertificateType="Signing", **parameters)
        return caught.value.error_id.partition(",")[0]

    files.write(hgs, r"C:\same.pfx", pfx(tenancy.keys["signing"], b"secret"))
    add = {"CertificatePath": r"C:\same.pfx", "CertificatePassword": SecureString("secret")}
    assert reason("Add-HgsKeyProtectionCertificate", **add) == "CertificateExists"
    assert reason("Add-HgsKeyProtectionCertificate", **add | {"CertificatePassword": SecureString("x")}) == "InvalidPfx"
    assert reason("Add-HgsKeyProtectionCertificate", **add | {"CertificatePath": r"C:\none.pfx"}) == "PathNotFound"
    assert reason("Set-HgsKeyProtectionCertificate", Thumbprint=primary, IsEnabled=False) == "CertificateIsPrimary"
    assert reason("Remove-HgsKeyProtectionCertificate", Thumbprint=primary) == "CertificateIsPrimary"
    assert reason("Set-HgsKeyProtectionCertificate", Thumbprint="00") == "CertificateNotFound"
    key_certificates.add(tenancy.service, "Signing", tenancy.keys["new signing"], from_pfx=True)
    other = thumbprint(tenancy.keys["new signing"].der)
    tenancy.run(hgs, "Set-HgsKeyProtectionCertificate", CertificateType="Signing", Thumbprint=other, IsEnabled=False)
    assert reason("Set-HgsKeyProtectionCertificate", Thumbprint=other, IsPrimary=True) == "CertificateDisabled"


def test_the_service_must_be_there(tenancy: Tenancy) -> None:
    with pytest.raises(CmdletError, match="not initialized"):
        tenancy.run(tenancy.host, "Get-HgsKeyProtectionCertificate")


def test_the_communications_certificate_can_be_replaced(tenancy: Tenancy) -> None:
    files.write(tenancy.fabric.hgs, r"C:\new.pfx", pfx(tenancy.keys["new signing"], b"secret"))
    tenancy.run(
        tenancy.fabric.hgs,
        "Set-HgsKeyProtectionConfiguration",
        CommunicationsCertificatePath=r"C:\new.pfx",
        CommunicationsCertificatePassword=SecureString("secret"),
    )
    metadata = guardian_metadata.read(tenancy.fabric.http("GET", METADATA_PATH).body)
    assert metadata.communications_certificate == tenancy.keys["new signing"].der
    shown = tenancy.one(tenancy.fabric.hgs, "Get-HgsKeyProtectionConfiguration")["CommunicationsCertificate"]
    assert shown.properties["Thumbprint"] == thumbprint(tenancy.keys["new signing"].der)  # type: ignore[attr-defined]


def test_an_attestation_service_can_be_trusted_and_no_longer(tenancy: Tenancy) -> None:
    hgs = tenancy.fabric.hgs
    signer = tenancy.object(hgs, "Get-HgsAttestationSignerCertificate")
    thumb = signer.properties["Thumbprint"]
    tenancy.run(hgs, "Remove-HgsKeyProtectionAttestationSignerCertificate", Thumbprint=thumb)
    code, _ = refusal(tenancy, request_of(tenancy))
    assert code == "HealthCertificateException"
    tenancy.run(hgs, "Add-HgsKeyProtectionAttestationSignerCertificate", Certificate=signer)
    with pytest.raises(CmdletError, match="already exists"):
        tenancy.run(hgs, "Add-HgsKeyProtectionAttestationSignerCertificate", Certificate=signer)
    shown = tenancy.one(hgs, "Get-HgsKeyProtectionAttestationSignerCertificate", Thumbprint=thumb)
    assert shown["Thumbprint"] == thumb


def self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, usage: x509.KeyUsage | None) -> Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    return Certificate(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def key_usage(*, signature: bool, data: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=data,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def test_which_certificates_can_serve() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    both = self_signed(key, key_usage(signature=True, data=True))
    assert key_certificates.why_not("Signing", both) == key_certificates.why_not("Encryption", both) == ""
    assert key_certificates.why_not("Encryption", self_signed(key, None)) == ""
    signing = self_signed(key, key_usage(signature=True, data=False))
    assert key_certificates.why_not("Signing", signing) == ""
    assert "Data Encipherment" in key_certificates.why_not("Encryption", signing)
    assert "Data Encipherment" in key_certificates.why_not("Communications", signing)
    encryption = self_signed(key, key_usage(signature=False, data=True))
    assert "Digital Signature" in key_certificates.why_not("Signing", encryption)
    small = self_signed(rsa.generate_private_key(public_exponent=65537, key_size=1024), None)  # noqa: S505 - to be refused
    assert "1024 bits" in key_certificates.why_not("Signing", small)
    assert "RSA" in key_certificates.why_not("Signing", self_signed(ec.generate_private_key(ec.SECP256R1()), None))


@given(st.lists(st.binary(max_size=40), max_size=3).map(tuple), st.sampled_from([1, 2]))
def test_the_transport_key_blob_says_its_size_and_version(keys: tuple[bytes, ...], version: int) -> None:
    blob = pack_transport_keys(keys, version)
    assert int.from_bytes(blob[:4], "little") == len(blob)
    assert int.from_bytes(blob[4:8], "little") == version
    assert unpack_transport_keys(blob) == keys


@given(st.binary(max_size=60))
def test_a_damaged_blob_gives_a_format_error(data: bytes) -> None:
    for blob in (
        data,
        len(data).to_bytes(4, "little") + data,
        (len(data) + 8).to_bytes(4, "little") + b"\1\0\0\0" + data,
    ):
        try:
            unpack_transport_keys(blob)
        except FormatError:
            continue


SCHEMAS = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "protocols" / "ms-kps-xsd"


@pytest.mark.skipif(
    not (SCHEMAS / "Service.xsd").is_file(),
    reason="the published schemas are not in the repository; GUARDED_FABRIC_SAMPLES is not set",
)
def test_the_published_schema_accepts_requests_responses_and_errors(tenancy: Tenancy) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "Service.xsd"))
    request = write_request(request_of(tenancy))
    schema.assertValid(etree.fromstring(request))
    schema.assertValid(etree.fromstring(tenancy.fabric.http("POST", ROLL_PATH, request).body))
    schema.assertValid(etree.fromstring(tenancy.fabric.http("POST", ROLL_PATH, b"").body))
    assert read_request(request) == read_request(write_request(read_request(request)))
    with pytest.raises(FormatError, match="content in"):
        read_request(write_request(replace(read_request(request), wrapping_key_algorithm="")))


def test_the_certificates_of_the_tests_are_what_a_service_takes() -> None:
    assert key_certificates.why_not("Signing", certificates.self_signed("x", NOW)) == ""
