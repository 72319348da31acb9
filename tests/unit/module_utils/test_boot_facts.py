# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's machines were told to be is what their logs say."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.guarded.fabric.lab.world import measured_boot, tpm
from ansible_collections.guarded.fabric.lab.world.model import BootSettings, Machine
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import BootFacts, boot_facts
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import Policy
from ansible_collections.guarded.fabric.tests.unit.lab_world.bare_host import bare_host
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import event_logs
from .event_logs import Record

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
KEY = tpm.new_rsa_key()


def facts(settings: BootSettings, **firmware: bool) -> BootFacts:
    host = machine(settings)
    for name, value in firmware.items():
        setattr(host.firmware, name, value)
    return measured(host)


def machine(settings: BootSettings) -> Machine:
    host = bare_host(tpm.manufacture_without_certificate("Contoso", lambda: KEY))
    host.settings = settings
    return host


def measured(host: Machine) -> BootFacts:
    measured_boot.measure(host, NOW, lambda: KEY)
    assert host.boot is not None
    return boot_facts(tcg_log.parse(host.boot.log))


GOOD = BootSettings(
    virtualization_based_security=True, hypervisor_enforced_code_integrity=True, pagefile_encryption=True
)


def test_a_host_as_it_should_be() -> None:
    found = facts(GOOD)
    key = serialization.load_der_private_key(KEY, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert found.identity_key is not None
    assert found.identity_key.modulus == key.public_key().public_numbers().n
    assert replace(found, identity_key=None) == BootFacts(
        full_boot=True,
        secure_boot=True,
        firmware_debugging=False,
        boot_debugging=False,
        kernel_debugging=False,
        hypervisor_debugging=False,
        test_signing=False,
        code_integrity=True,
        hypervisor_launched=True,
        virtual_secure_mode_launched=True,
        identity_key_present=True,
        hypervisor_enforced_code_integrity=True,
        iommu=True,
        pagefile_encryption=True,
        bitlocker=False,
        hibernation_disabled=True,
        dumps_disabled=True,
        dump_encryption=False,
        dump_encryption_keys=(),
        code_integrity_policies=(),
        identity_key=None,
    )


@pytest.mark.parametrize(
    ("setting", "fact", "expected"),
    [
        ("kernel_debugger", "kernel_debugging", True),
        ("test_signing", "test_signing", True),
        ("hibernation", "hibernation_disabled", False),
        ("dumps", "dumps_disabled", False),
        ("dump_encryption", "dump_encryption", True),
    ],
)
def test_each_setting_shows(setting: str, fact: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert getattr(facts(GOOD), fact) is not expected
    assert getattr(facts(replace(GOOD, **{setting: True})), fact) is expected


def test_without_virtualization_based_security() -> None:
    found = facts(replace(GOOD, virtualization_based_security=False))
    assert (found.hypervisor_launched, found.virtual_secure_mode_launched) == (True, False)
    assert (found.identity_key_present, found.identity_key) == (False, None)
    assert (found.hypervisor_enforced_code_integrity, found.iommu) == (None, None)


def test_firmware_settings() -> None:
    found = facts(GOOD, secure_boot=False, debug=True, iommu=False)
    assert (found.secure_boot, found.firmware_debugging, found.iommu) == (False, True, False)
    assert found.identity_key_present is False
    assert facts(GOOD, uefi=False).secure_boot is None


def test_resumed_boot_leaves_open_what_it_does_not_say() -> None:
    host = machine(GOOD)
    measured(host)
    host.settings.resume_instead_of_boot = True
    found = measured(host)
    assert found.full_boot is False
    assert (found.kernel_debugging, found.identity_key_present, found.dumps_disabled) == (None, None, None)


def test_active_code_integrity_policy() -> None:
    host = machine(GOOD)
    policy = si_policy_binary.write(Policy(version=0x000A_0001_0002_0003))
    host.files[measured_boot.CODE_INTEGRITY_POLICY_PATH] = policy
    (active,) = measured(host).code_integrity_policies
    assert (active.name, active.version) == ("SiPolicy.p7b", (10, 1, 2, 3))
    assert (active.algorithm, active.digest) == (tcg_log.SHA256, hashlib.sha256(policy).digest())
    host.files[measured_boot.CODE_INTEGRITY_POLICY_PATH] = b"no policy"
    assert measured(host).code_integrity_policies == ()


def test_dump_key_digests_and_flags_of_several_boundaries() -> None:
    def flag(number: int, value: int) -> bytes:
        return event_logs.sipa(number, struct.pack("<B", value))

    # Debugging counts wherever it is on; protection counts only where it is on everywhere.
    first = flag(0x00040001, 0) + flag(0x00050002, 1) + event_logs.sipa(0x00050027, b"key")
    second = flag(0x00040001, 1) + flag(0x00050002, 0) + event_logs.sipa(0x00050027, b"key")
    found = boot_facts(tcg_log.parse(event_logs.agile_log([0xB], [Record(12, 6, first), Record(13, 6, second)])))
    assert (found.boot_debugging, found.code_integrity) == (True, False)
    assert found.dump_encryption_keys == (b"key",)
    assert found.full_boot is None
