# SPDX-License-Identifier: GPL-3.0-or-later
"""Guardians and key protectors through the cmdlets of HgsClient."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError, PSObject, SecureString
from ansible_collections.guarded.fabric.lab.world import files, guardians
from ansible_collections.guarded.fabric.lab.world.model import Certificate, ClientConfiguration
from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata, key_protector
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

from .conftest import NOW
from .test_key_protection_service import pfx

if TYPE_CHECKING:
    from .tenancy import Tenancy


def reason(tenancy: Tenancy, cmdlet: str, **parameters: object) -> str:
    with pytest.raises(CmdletError) as caught:
        tenancy.run(tenancy.tenant, cmdlet, **parameters)
    assert caught.value.error_id.endswith(f",{cmdlet}") or "," not in caught.value.error_id
    return caught.value.error_id.partition(",")[0]


def test_a_generated_guardian_can_own(tenancy: Tenancy) -> None:
    made = tenancy.one(tenancy.tenant, "New-HgsGuardian", Name="Second", GenerateCertificates=True)
    assert made["HasPrivateSigningKey"] is True
    subject = made["SigningCertificate"].properties["Subject"]  # type: ignore[attr-defined]
    assert subject == "CN=Shielded VM Signing Certificate (Second) (tenant1)"
    assert len(tenancy.tenant.stores[guardians.STORE]) == 2
    names = [each.properties["Name"] for each in tenancy.run(tenancy.tenant, "Get-HgsGuardian")]  # type: ignore[attr-defined]
    assert names == ["Owner", "Second"]


def test_a_name_is_taken_once(tenancy: Tenancy) -> None:
    assert reason(tenancy, "New-HgsGuardian", Name="owner", GenerateCertificates=True) == "GuardianExists"
    tenancy.trust_fabric()
    assert reason(tenancy, "Import-HgsGuardian", Name="Fabric", Path=r"C:\metadata.xml") == "GuardianExists"


def test_the_store_shows_nothing_in_the_mode_of_a_guarded_host(tenancy: Tenancy) -> None:
    tenancy.tenant.client = ClientConfiguration(mode="HostGuardianService")
    assert tenancy.run(tenancy.tenant, "Get-HgsGuardian") == []
    assert reason(tenancy, "Get-HgsGuardian", Name="Owner") == "GuardianNotFound"


def test_certificates_may_come_from_files(tenancy: Tenancy) -> None:
    for use in ("signing", "encryption"):
        files.write(tenancy.tenant, rf"C:\{use}.pfx", pfx(tenancy.keys[use], b"secret"))
    given = {
        "Name": "Second",
        "SigningCertificate": r"C:\signing.pfx",
        "SigningCertificatePassword": SecureString("secret"),
        "EncryptionCertificate": r"C:\encryption.pfx",
        "EncryptionCertificatePassword": SecureString("secret"),
    }
    assert reason(tenancy, "New-HgsGuardian", **given) == "UntrustedRoot"
    made = tenancy.one(tenancy.tenant, "New-HgsGuardian", **given, AllowUntrustedRoot=True)
    assert made["SigningCertificate"].properties["Thumbprint"] == thumbprint(tenancy.keys["signing"].der)  # type: ignore[attr-defined]


def test_certificates_may_be_in_the_store_already(tenancy: Tenancy) -> None:
    tenancy.tenant.stores["localmachine\\my"] = [tenancy.keys["signing"], tenancy.keys["encryption"]]
    made = tenancy.one(
        tenancy.tenant,
        "New-HgsGuardian",
        Name="Second",
        SigningCertificateThumbprint=thumbprint(tenancy.keys["signing"].der),
        EncryptionCertificateThumbprint=thumbprint(tenancy.keys["encryption"].der).lower(),
        AllowUntrustedRoot=True,
    )
    assert made["HasPrivateSigningKey"] is True
    assert (
        reason(
            tenancy,
            "New-HgsGuardian",
            Name="Third",
            SigningCertificateThumbprint="00",
            EncryptionCertificateThumbprint="00",
        )
        == "CertificateNotFound"
    )


def test_trust_needs_a_root_or_to_be_waived(tenancy: Tenancy) -> None:
    tenancy.trust_fabric()
    tenancy.run(tenancy.tenant, "Remove-HgsGuardian", Name="Fabric")
    load = {"Name": "Fabric", "Path": r"C:\metadata.xml"}
    assert reason(tenancy, "Import-HgsGuardian", **load) == "UntrustedRoot"
    tenancy.tenant.stores["localmachine\\root"] = [
        Certificate(tenancy.keys[use].der) for use in ("signing", "encryption")
    ]
    tenancy.run(tenancy.tenant, "Import-HgsGuardian", **load)
    tenancy.run(tenancy.tenant, "Remove-HgsGuardian", Name="Fabric")
    tenancy.wait(timedelta(days=5000))
    assert reason(tenancy, "Import-HgsGuardian", **load) == "CertificateExpired"
    tenancy.run(tenancy.tenant, "Import-HgsGuardian", **load, AllowExpired=True)


def test_changed_metadata_is_not_trusted(tenancy: Tenancy) -> None:
    tenancy.trust_fabric()
    document = files.read(tenancy.tenant, r"C:\metadata.xml")
    files.write(tenancy.tenant, r"C:\changed.xml", document.replace(b' Version="1">', b' Version="2">', 1))
    assert reason(tenancy, "Import-HgsGuardian", Name="X", Path=r"C:\changed.xml") == "InvalidSignature"
    files.write(tenancy.tenant, r"C:\other.xml", b"<x/>")
    assert reason(tenancy, "Import-HgsGuardian", Name="X", Path=r"C:\other.xml") == "InvalidMetadata"
    assert reason(tenancy, "Import-HgsGuardian", Name="X", Path=r"C:\none.xml") == "PathNotFound"


def test_what_is_exported_can_be_imported_without_the_keys(tenancy: Tenancy) -> None:
    owner = tenancy.object(tenancy.tenant, "Get-HgsGuardian", Name="Owner")
    tenancy.run(tenancy.tenant, "Export-HgsGuardian", InputObject=owner, Path=r"C:\owner.xml")
    assert guardian_metadata.problems(files.read(tenancy.tenant, r"C:\owner.xml")) == []
    tenancy.run(tenancy.tenant, "Remove-HgsGuardian", InputObject=owner)
    again = tenancy.object(
        tenancy.tenant, "Import-HgsGuardian", Name="Owner", Path=r"C:\owner.xml", AllowUntrustedRoot=True
    )
    assert again.properties["HasPrivateSigningKey"] is False
    assert reason(tenancy, "New-HgsKeyProtector", Owner=again) == "NoPrivateKey"


def test_a_key_protector_names_its_owner_and_guardians(tenancy: Tenancy) -> None:
    raw = tenancy.protector()
    shown = tenancy.one(tenancy.tenant, "ConvertTo-HgsKeyProtector", Bytes=raw)
    assert shown["RawData"] == raw
    assert shown["Owner"].properties["Name"] == "Owner"  # type: ignore[attr-defined]
    guardian: PSObject
    (guardian,) = shown["Guardians"]  # type: ignore[misc]
    assert guardian.properties["Name"] == "Fabric"
    # Somebody who knows neither sees the certificates.
    elsewhere = tenancy.one(tenancy.host, "ConvertTo-HgsKeyProtector", Bytes=raw)
    assert elsewhere["Owner"].properties["Name"] == ""  # type: ignore[attr-defined]
    thumb = elsewhere["Owner"].properties["SigningCertificate"].properties["Thumbprint"]  # type: ignore[attr-defined]
    assert thumb == thumbprint(tenancy.tenant.guardians["owner"].signing.der)


def test_bytes_that_are_no_protector_are_refused(tenancy: Tenancy) -> None:
    raw = tenancy.protector()
    for wrong in (key_protector.NONE, b"1234", raw.replace(b"<Id>2</Id>", b"<Id>7</Id>")):
        assert reason(tenancy, "ConvertTo-HgsKeyProtector", Bytes=wrong) == "InvalidKeyProtector"


def test_access_is_granted_and_revoked_by_the_owner_alone(tenancy: Tenancy) -> None:
    raw = tenancy.protector()
    made = tenancy.object(tenancy.tenant, "ConvertTo-HgsKeyProtector", Bytes=raw)
    second = tenancy.object(tenancy.tenant, "New-HgsGuardian", Name="Second", GenerateCertificates=True)
    granted = tenancy.object(tenancy.tenant, "Grant-HgsKeyProtectorAccess", KeyProtector=made, Guardian=second)
    assert len(granted.properties["Guardians"]) == 2  # type: ignore[arg-type]
    revoked = tenancy.object(
        tenancy.tenant, "Revoke-HgsKeyProtectorAccess", KeyProtector=granted, GuardianFriendlyName="Second"
    )
    assert len(revoked.properties["Guardians"]) == 1  # type: ignore[arg-type]
    assert (
        reason(tenancy, "Revoke-HgsKeyProtectorAccess", KeyProtector=revoked, GuardianFriendlyName="Second")
        == "NotOwner"
    )
    tenancy.run(tenancy.tenant, "Remove-HgsGuardian", Name="Owner")
    assert reason(tenancy, "Grant-HgsKeyProtectorAccess", KeyProtector=made, Guardian=second) == "OwnerNotFound"


def test_granting_trusts_nobody_unasked(tenancy: Tenancy) -> None:
    made = tenancy.object(tenancy.tenant, "ConvertTo-HgsKeyProtector", Bytes=tenancy.protector())
    given = {"KeyProtector": made, "GuardianFriendlyName": "Fabric"}
    assert reason(tenancy, "Grant-HgsKeyProtectorAccess", **given) == "UntrustedRoot"
    assert (
        reason(tenancy, "Grant-HgsKeyProtectorAccess", KeyProtector=made, GuardianFriendlyName="X")
        == "GuardianNotFound"
    )
    again = tenancy.one(tenancy.tenant, "Grant-HgsKeyProtectorAccess", **given, AllowUntrustedRoot=True)
    assert again["RawData"] == made.properties["RawData"]


def test_objects_of_another_kind_are_refused(tenancy: Tenancy) -> None:
    wrong = PSObject("Microsoft.Management.Infrastructure.CimInstance#x", {})
    assert reason(tenancy, "New-HgsKeyProtector", Owner=wrong) == "ParameterArgumentTransformationError"
    assert (
        reason(tenancy, "Grant-HgsKeyProtectorAccess", KeyProtector=wrong, GuardianFriendlyName="Owner")
        == "ParameterArgumentTransformationError"
    )


def test_a_chain_ends_at_a_root_or_nowhere(tenancy: Tenancy) -> None:
    own = tenancy.keys["signing"].der
    with pytest.raises(guardians.RefusedError, match="does not chain"):
        guardians.check_trust(tenancy.tenant, (own,), guardians.Overlooked(), NOW)
    tenancy.tenant.stores["localmachine\\ca"] = [Certificate(own)]
    with pytest.raises(guardians.RefusedError, match="does not chain"):
        guardians.check_trust(tenancy.tenant, (own,), guardians.Overlooked(), NOW)
    tenancy.tenant.stores["localmachine\\root"] = [Certificate(own)]
    guardians.check_trust(tenancy.tenant, (own,), guardians.Overlooked(), NOW)
