# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import attestation_client, files, firmware_changes, tpm
from ansible_collections.guarded.fabric.lab.world.attestation_policies import BUILT_IN, default_policies
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .fabric import NOW, POLICY_FILE, code_integrity_policy

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Firmware, Machine

    from .fabric import Change, Fabric


def guarded(fabric: Fabric, name: str = "host1") -> Machine:
    host = fabric.host(name)
    fabric.register(host)
    return host


def of(host: Machine) -> Firmware:
    assert host.firmware is not None
    return host.firmware


def test_a_registered_host_passes_with_a_certificate_for_its_identity_key(fabric: Fabric) -> None:
    host = guarded(fabric)
    assert fabric.test(host) == ("Passed", "NoInformation")
    assert host.client.operation_mode == "Tpm"
    assert host.boot is not None
    assert host.boot.identity_key is not None
    assert host.client.health_certificate is not None
    certificate = x509.load_der_x509_certificate(host.client.health_certificate)
    assert certificate.public_key() == serialization.load_der_private_key(host.boot.identity_key, None).public_key()
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(fabric.state.signer.der))
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(hours=8)


def settings(**changes: bool) -> Change:
    def change(host: Machine) -> None:
        host.settings = replace(host.settings, **changes)

    return change


def other_policy(host: Machine) -> None:
    files.write(host, POLICY_FILE, code_integrity_policy(r"C:\Program Files\Game\game.exe"))


def no_policy(host: Machine) -> None:
    files.write(host, POLICY_FILE, b"no policy at all")


@pytest.mark.parametrize(
    ("change", "substatus"),
    [
        (lambda host: firmware_changes.update(of(host), "1.5"), {"SecureBootSettings"}),
        (lambda host: firmware_changes.enroll_authority(of(host), "Somebody"), {"SecureBootSettings"}),
        (
            lambda host: firmware_changes.turn_off_secure_boot(of(host)),
            # Without Secure Boot nothing that needs it runs either.
            {
                "SecureBoot",
                "SecureBootSettings",
                "VirtualSecureMode",
                "HypervisorEnforcedCodeIntegrityPolicy",
                "Iommu",
            },
        ),
        (lambda host: firmware_changes.turn_on_debugging(of(host)), {"SecureBootSettings", "DebugMode"}),
        (lambda host: firmware_changes.turn_off_iommu(of(host)), {"SecureBootSettings", "Iommu"}),
        (settings(kernel_debugger=True), {"SecureBootSettings", "DebugMode"}),
        (other_policy, {"CodeIntegrityPolicy"}),
        (no_policy, {"CodeIntegrityPolicy"}),
        (settings(hypervisor_enforced_code_integrity=False), {"HypervisorEnforcedCodeIntegrityPolicy"}),
        (
            settings(virtualization_based_security=False),
            {"VirtualSecureMode", "HypervisorEnforcedCodeIntegrityPolicy", "Iommu"},
        ),
        (settings(hibernation=True), {"HibernationEnabled"}),
        (settings(pagefile_encryption=False), {"PagefileEncryption"}),
        (settings(dumps=True, dump_encryption=True), {"DumpsEnabled", "DumpEncryptionKey"}),
        (settings(dumps=True), {"DumpsEnabled", "DumpEncryption", "DumpEncryptionKey"}),
    ],
)
def test_a_change_counts_from_the_next_start_on_and_is_named(
    fabric: Fabric, change: Change, substatus: set[str]
) -> None:
    host = guarded(fabric)
    change(host)
    assert fabric.test(host) == ("Passed", "NoInformation")
    fabric.restart(host)
    status, named = fabric.test(host)
    assert status == "InsecureHostConfiguration"
    assert set(str(named).split(", ")) == substatus
    assert host.client.health_certificate is None


def test_a_host_that_resumed_is_told_to_boot(fabric: Fabric) -> None:
    host = guarded(fabric)
    host.settings.resume_instead_of_boot = True
    fabric.restart(host)
    status, named = fabric.test(host)
    assert status == "InsecureHostConfiguration"
    assert "FullBoot" in str(named).split(", ")


def test_a_policy_that_is_off_is_not_asked_for(fabric: Fabric) -> None:
    host = guarded(fabric)
    host.settings.hibernation = True
    fabric.restart(host)
    assert fabric.test(host)[1] == "HibernationEnabled"
    fabric.run(fabric.hgs, "Disable-HgsAttestationPolicy", Name="Hgs_NoHibernation")
    assert fabric.test(host) == ("Passed", "NoInformation")


def test_a_dump_key_is_asked_for_only_where_encryption_is(fabric: Fabric) -> None:
    host = guarded(fabric)
    host.settings.dumps = True
    fabric.restart(host)
    for name in ("Hgs_NoDumps", "Hgs_DumpEncryption"):
        assert fabric.test(host)[0] == "InsecureHostConfiguration"
        fabric.run(fabric.hgs, "Disable-HgsAttestationPolicy", Name=name)
    assert fabric.test(host) == ("Passed", "NoInformation")


def test_bitlocker_is_asked_for_only_where_its_policy_was_switched_on(fabric: Fabric) -> None:
    host = guarded(fabric)
    fabric.run(fabric.hgs, "Enable-HgsAttestationPolicy", Name="Hgs_BitLockerEnabled")
    assert fabric.test(host) == ("InsecureHostConfiguration", "BitLocker")


def test_any_registered_baseline_will_do_and_a_disabled_one_will_not(fabric: Fabric) -> None:
    host = guarded(fabric)
    firmware_changes.update(of(host), "1.5")
    fabric.restart(host)
    assert fabric.test(host)[1] == "SecureBootSettings"
    log = fabric.run(host, "Get-HgsAttestationBaselinePolicy", Console=True)
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmPolicy", InputObject=log, Name="after the update")
    assert fabric.test(host) == ("Passed", "NoInformation")
    fabric.run(fabric.hgs, "Disable-HgsAttestationPolicy", Name="after the update")
    assert fabric.test(host)[1] == "SecureBootSettings"


def test_hosts_of_a_class_share_baseline_and_policy(fabric: Fabric) -> None:
    guarded(fabric, "host1")
    second = fabric.host("host2")
    identifier = fabric.run(second, "Get-PlatformIdentifier", Name="host2")
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=identifier)
    assert fabric.test(second) == ("Passed", "NoInformation")


def test_a_host_nobody_registered_is_unauthorised(fabric: Fabric) -> None:
    guarded(fabric)
    rogue = fabric.host("rogue")
    assert fabric.test(rogue) == ("UnauthorizedHost", "NoInformation")
    assert [event["id"] for event in fabric.state.events] == ["1500", "1500"]


def test_a_removed_host_keeps_its_certificate_and_gets_no_new_one(fabric: Fabric) -> None:
    host = guarded(fabric)
    assert fabric.test(host)[0] == "Passed"
    fabric.run(fabric.hgs, "Remove-HgsAttestationTpmHost", Name="host1")
    assert fabric.one(host, "Get-HgsClientConfiguration")["AttestationStatus"] == "Passed"
    fabric.clock.move(8 * 3600)
    assert attestation_client.current_status(host, fabric.clock.now()) == "Expired"
    assert fabric.one(host, "Get-HgsClientConfiguration")["AttestationStatus"] == "UnauthorizedHost"


def test_a_certificate_is_kept_until_it_expires_or_the_host_starts_again(fabric: Fabric) -> None:
    host = guarded(fabric)
    first = attestation_client.health_certificate(fabric.world, fabric.clock, host)
    assert first is not None
    fabric.clock.move(7 * 3600)
    assert attestation_client.health_certificate(fabric.world, fabric.clock, host) == first
    fabric.clock.move(3600)
    second = attestation_client.health_certificate(fabric.world, fabric.clock, host)
    assert second not in {first, None}
    fabric.restart(host)
    third = attestation_client.health_certificate(fabric.world, fabric.clock, host)
    assert third not in {second, None}


def test_version_1_serves_hosts_whose_tpm_has_no_certificate(fabric: Fabric) -> None:
    host = fabric.host("old", certified=False)
    fabric.register(host, "v1")
    assert fabric.test(host) == ("Passed", "NoInformation")


def test_all_artifacts_must_be_of_one_version(fabric: Fabric) -> None:
    host = guarded(fabric)
    old = fabric.host("old", certified=False)
    identifier = fabric.run(old, "Get-PlatformIdentifier", Name="old")
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=identifier, PolicyVersion="v1", Force=True)
    assert fabric.test(host) == ("Passed", "NoInformation")
    assert fabric.test(old) == ("InsecureHostConfiguration", "SecureBootSettings, CodeIntegrityPolicy")
    fabric.register_class(old, "v1")
    assert fabric.test(old) == ("Passed", "NoInformation")


def test_a_service_of_2016_speaks_version_1_only(fabric: Fabric) -> None:
    fabric.state.functional_level = 1
    host = fabric.host("host1")
    fabric.register(host, "v1")
    assert fabric.test(host) == ("Passed", "NoInformation")


def test_the_service_judges_what_its_events_say(fabric: Fabric) -> None:
    host = guarded(fabric)
    fabric.test(host)
    host.settings.hibernation = True
    fabric.restart(host)
    fabric.test(host)
    events = [(event["id"], event["property"]) for event in fabric.state.events]
    found = fabric.many(fabric.hgs, "Get-HgsAttestationTpmHost")
    identifier = found[0]["Identifier"]
    assert events == [("1203", identifier), ("1523", identifier), ("1203", identifier), ("1539", identifier)]
    assert [event["activity"] for event in fabric.state.events[:2]] == [fabric.state.events[0]["activity"]] * 2
    assert fabric.state.events[2]["activity"] != fabric.state.events[0]["activity"]


def test_a_host_without_a_ready_tpm_reports_its_tpm(fabric: Fabric) -> None:
    host = guarded(fabric)
    fabric.chip_of(host).ready = False
    assert fabric.test(host) == ("TpmError", "NoInformation")


def test_a_board_replacement_makes_a_host_unknown(fabric: Fabric) -> None:
    host = guarded(fabric)
    host.tpm = tpm.manufacture("Contoso", fabric.vendor, NOW, fabric.keys)
    fabric.restart(host)
    assert fabric.test(host) == ("UnauthorizedHost", "NoInformation")


def test_another_mode_is_reported_by_name(fabric: Fabric) -> None:
    host = guarded(fabric)
    fabric.state.mode = "HostKey"
    assert fabric.test(host) == ("UnauthorizedHost", "NoInformation")
    assert host.client.operation_mode == "HostKey"


def test_every_policy_of_the_documents_is_there_with_its_default() -> None:
    policies = default_policies()
    assert len(policies) == len(BUILT_IN) == 14
    assert [policy.name for policy in policies.values() if policy.state == "Disabled"] == ["Hgs_BitLockerEnabled"]
