# SPDX-License-Identifier: GPL-3.0-or-later
"""HgsAttestation as an administrator meets it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError, PSObject
from ansible_collections.guarded.fabric.lab.world import endorsement, files, tpm
from ansible_collections.guarded.fabric.lab.world.model import Certificate
from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate

from .fabric import NOW, POLICY

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .fabric import Fabric


def identifier(fabric: Fabric, host: Machine) -> str:
    document = fabric.one(host, "Get-PlatformIdentifier", Name=host.name)["OuterXml"]
    assert isinstance(document, str)
    return document


def refusal(fabric: Fabric, machine: Machine, cmdlet: str, **parameters: object) -> CmdletError:
    with pytest.raises(CmdletError) as caught:
        fabric.run(machine, cmdlet, **parameters)
    return caught.value


def test_a_host_is_registered_from_a_file_under_the_name_in_it(fabric: Fabric) -> None:
    host = fabric.host("host1")
    files.write(fabric.hgs, r"C:\exchange\host1.xml", identifier(fabric, host).encode())
    added = fabric.one(fabric.hgs, "Add-HgsAttestationTpmHost", Path=r"C:\Exchange\HOST1.xml")
    assert added["Name"] == "host1"
    assert added["Identifier"] == endorsement.identifier(tpm.endorsement_key(fabric.chip_of(host)))
    assert fabric.many(fabric.hgs, "Get-HgsAttestationTpmHost") == [added]


@pytest.mark.parametrize("parameters", [{"Name": "A name"}, {"ForeignKey": "A name"}])
def test_a_given_name_wins(fabric: Fabric, parameters: dict[str, object]) -> None:
    document = identifier(fabric, fabric.host("host1"))
    assert fabric.one(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document, **parameters)["Name"] == "A name"


def test_hosts_are_found_by_name_and_by_identifier(fabric: Fabric) -> None:
    documents = {name: identifier(fabric, fabric.host(name)) for name in ("host1", "host2", "host3")}
    for name in ("host1", "host2"):
        fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=documents[name])

    def names(**parameters: object) -> list[object]:
        return [host["Name"] for host in fabric.many(fabric.hgs, "Get-HgsAttestationTpmHost", **parameters)]

    assert names() == ["host1", "host2"]
    assert names(Name="HOST2") == ["host2"]
    assert names(Xml=documents["host1"]) == ["host1"]
    assert names(Xml=documents["host3"]) == []
    assert names(PolicyVersion="PolicyVersion1503") == []


def test_the_same_host_twice_is_an_error(fabric: Fabric) -> None:
    host = fabric.host("host1")
    document = identifier(fabric, host)
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document)
    assert refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document).category == "ResourceExists"
    again = refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document, Name="another")
    assert again.error_id == "IdentifierAlreadyExists,Add-HgsAttestationTpmHost"
    assert len(fabric.state.hosts) == 1


def test_an_untrusted_vendor_is_refused_in_windows_words(fabric: Fabric) -> None:
    host = fabric.host("host1")
    fabric.hgs.stores.clear()
    certificate = fabric.chip_of(host).ek_certificate
    assert certificate is not None
    document = identifier(fabric, host)
    for force in (False, True):
        error = refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document, Force=force)
        assert str(error) == (
            f"Certificate with thumbprint {ek_certificate.parse(certificate).thumbprint} cannot be trusted because of "
            "error UntrustedRoot. For help, refer to https://go.microsoft.com/fwlink/?LinkId=734845"
        )
    v1 = {"Xml": document, "PolicyVersion": "v1"}
    assert "UntrustedRoot" in str(refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", **v1))
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", **v1, Force=True)


def test_another_vendors_root_does_not_help(fabric: Fabric) -> None:
    document = identifier(fabric, fabric.host("host1"))
    other = tpm.new_vendor("Contoso", NOW)
    fabric.hgs.stores[endorsement.ROOT_STORE] = [Certificate(other.der)]
    assert "UntrustedRoot" in str(refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document))


def test_version_2_wants_a_certificate_and_version_1_takes_none_by_force(fabric: Fabric) -> None:
    document = identifier(fabric, fabric.host("host1", certified=False))
    missing = "EndorsementKeyCertificateMissing,Add-HgsAttestationTpmHost"
    forced = refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document, Force=True)
    assert forced.error_id == missing
    v1 = {"Xml": document, "PolicyVersion": "v1"}
    assert refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", **v1).error_id == missing
    assert fabric.one(fabric.hgs, "Add-HgsAttestationTpmHost", **v1, Force=True)["Name"] == "host1"


def test_a_certificate_for_another_key_is_refused(fabric: Fabric) -> None:
    host, other = fabric.host("host1"), fabric.host("host2")
    host.tpm = replace(fabric.chip_of(host), ek_certificate=fabric.chip_of(other).ek_certificate)
    error = refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Xml=identifier(fabric, host))
    assert error.error_id == "EndorsementKeyCertificateMismatch,Add-HgsAttestationTpmHost"


def test_what_is_no_platform_identifier_is_refused(fabric: Fabric) -> None:
    for content in (b"", b"<other/>", b"not XML"):
        files.write(fabric.hgs, r"C:\exchange\host1.xml", content)
        error = refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Path=r"C:\exchange\host1.xml")
        assert error.error_id == "InvalidPlatformIdentifier"


@pytest.mark.parametrize(
    ("path", "category"), [(r"C:\exchange\nothing.xml", "ObjectNotFound"), ("nothing.xml", "InvalidArgument")]
)
def test_a_file_that_is_not_there_is_an_error(fabric: Fabric, path: str, category: str) -> None:
    assert refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmHost", Path=path).category == category


def test_a_machine_that_serves_no_hgs_has_no_state(fabric: Fabric) -> None:
    error = refusal(fabric, fabric.host("host1"), "Get-HgsAttestationPolicy")
    assert error.error_id == "HgsServerNotInitialized"


def test_a_host_registered_for_later_is_warned_about(fabric: Fabric) -> None:
    document = identifier(fabric, fabric.host("host1"))
    fabric.state.mode = "HostKey"
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=document)
    assert len(fabric.warnings) == 1


def test_removing_what_is_not_there_is_an_error(fabric: Fabric) -> None:
    assert refusal(fabric, fabric.hgs, "Remove-HgsAttestationTpmHost", Name="x").category == "ObjectNotFound"
    assert refusal(fabric, fabric.hgs, "Remove-HgsAttestationPolicy", Name="x").category == "ObjectNotFound"


def test_policies_are_named_as_their_files_unless_told(fabric: Fabric) -> None:
    files.write(fabric.hgs, r"C:\exchange\AllowBackup.p7b", POLICY)
    added = fabric.one(fabric.hgs, "Add-HgsAttestationCIPolicy", Path=r"C:\exchange\AllowBackup.p7b")
    assert added == {
        "Name": "AllowBackup",
        "PolicyState": "Enabled",
        "PolicyType": "CiPolicy",
        "PolicyVersion": "v2",
    }


@pytest.mark.parametrize(
    ("cmdlet", "content"),
    [
        ("Add-HgsAttestationCIPolicy", b"no policy"),
        ("Add-HgsAttestationCIPolicy", b"<SiPolicy xmlns='urn:schemas-microsoft-com:sipolicy'/>"),
        ("Add-HgsAttestationTpmPolicy", b"no log"),
        ("Add-HgsAttestationTpmPolicy", POLICY),
    ],
)
def test_content_of_another_kind_is_refused(fabric: Fabric, cmdlet: str, content: bytes) -> None:
    error = refusal(fabric, fabric.hgs, cmdlet, InputObject=content, Name="x")
    assert error.category == "InvalidData"
    assert "x" not in fabric.state.policies


def test_a_policy_name_is_taken_once_whatever_the_kind_and_case(fabric: Fabric) -> None:
    fabric.run(fabric.hgs, "Add-HgsAttestationCIPolicy", InputObject=POLICY, Name="Class A")
    log = fabric.run(fabric.host("host1"), "Get-HgsAttestationBaselinePolicy", Console=True)
    for name in ("class a", "Hgs_CiPolicy"):
        error = refusal(fabric, fabric.hgs, "Add-HgsAttestationTpmPolicy", InputObject=log, Name=name)
        assert error.error_id == "PolicyAlreadyExists,Add-HgsAttestationTpmPolicy"


def names(fabric: Fabric, **parameters: object) -> list[object]:
    return [policy["Name"] for policy in fabric.many(fabric.hgs, "Get-HgsAttestationPolicy", **parameters)]


def test_policies_are_found_by_name_state_type_and_version(fabric: Fabric) -> None:
    fabric.run(fabric.hgs, "Add-HgsAttestationCIPolicy", InputObject=POLICY, Name="Class A")
    assert len(names(fabric)) == 15
    assert names(fabric, Name="class*") == ["Class A"]
    assert names(fabric, Name="Hgs_*Dump*") == ["Hgs_NoDumps", "Hgs_DumpEncryption", "Hgs_DumpEncryptionKey"]
    assert names(fabric, State="Disabled") == ["Hgs_BitLockerEnabled"]
    assert names(fabric, State="Locked") == ["Hgs_SecureBootSettings", "Hgs_CiPolicy", "Hgs_VsmIdkPresent"]
    assert names(fabric, PolicyType=["CiPolicy", "FullBoot"]) == ["Hgs_CiPolicy", "Hgs_FullBoot", "Class A"]
    assert "Class A" not in names(fabric, PolicyVersion="PolicyVersion1503")
    assert "Class A" in names(fabric, PolicyVersion="PolicyVersion1704", State="Enabled")


def test_policies_are_switched_and_locked_ones_are_not(fabric: Fabric) -> None:
    disabled = fabric.one(fabric.hgs, "Disable-HgsAttestationPolicy", Name="hgs_iommuenabled")
    assert disabled["PolicyState"] == "Disabled"
    assert names(fabric, State="Disabled") == ["Hgs_IommuEnabled", "Hgs_BitLockerEnabled"]
    fabric.run(fabric.hgs, "Enable-HgsAttestationPolicy", Name="Hgs_IommuEnabled")
    assert names(fabric, State="Disabled") == ["Hgs_BitLockerEnabled"]
    for cmdlet in ("Enable-HgsAttestationPolicy", "Disable-HgsAttestationPolicy"):
        error = refusal(fabric, fabric.hgs, cmdlet, Name="Hgs_CiPolicy")
        assert error.error_id == f"PolicyLocked,{cmdlet}"
        assert refusal(fabric, fabric.hgs, cmdlet, Name="nothing").category == "ObjectNotFound"


def test_own_policies_are_removed_and_built_in_ones_are_not(fabric: Fabric) -> None:
    fabric.run(fabric.hgs, "Add-HgsAttestationCIPolicy", InputObject=POLICY, Name="Class A")
    fabric.run(fabric.hgs, "Remove-HgsAttestationPolicy", Name="Class A")
    assert names(fabric, Name="Class A") == []
    assert refusal(fabric, fabric.hgs, "Remove-HgsAttestationPolicy", Name="Hgs_NoDumps").category == "PermissionDenied"


def test_a_dump_key_is_known_by_its_hash(fabric: Fabric) -> None:
    digest = "ab" * 32
    added = fabric.one(fabric.hgs, "Add-HgsAttestationDumpPolicy", PublicKeyHash=digest, Name="Dump key")
    assert (added["PolicyType"], added["PolicyState"]) == ("DumpEncryptionKey", "Enabled")
    for wrong in ("ab", "xy" * 32):
        error = refusal(fabric, fabric.hgs, "Add-HgsAttestationDumpPolicy", PublicKeyHash=wrong, Name="other")
        assert error.category == "InvalidArgument"


def test_a_log_without_a_dump_key_gives_none(fabric: Fabric) -> None:
    host = fabric.host("host1")
    assert host.boot is not None
    files.write(fabric.hgs, r"C:\exchange\a.tcglog", host.boot.log)
    error = refusal(fabric, fabric.hgs, "Add-HgsAttestationDumpPolicy", Path=r"C:\exchange\a.tcglog")
    assert error.error_id == "DumpKeyMissing,Add-HgsAttestationDumpPolicy"


def test_a_reserved_parameter_is_refused(fabric: Fabric) -> None:
    assert refusal(fabric, fabric.hgs, "Get-HgsAttestationPolicy", Stage=True).category == "NotImplemented"


def test_the_signer_certificate_is_shown_without_its_key(fabric: Fabric) -> None:
    found = fabric.run(fabric.hgs, "Get-HgsAttestationSignerCertificate")
    assert isinstance(found, PSObject)
    assert found.properties["Subject"] == "CN=Microsoft Remote Attestation Service"
    assert fabric.state.signer.key not in found.properties.values()
