# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import firmware as factory
from ansible_collections.guarded.fabric.lab.world import firmware_changes
from ansible_collections.guarded.fabric.plugins.module_utils import (
    ek_certificate,
    key_protector,
    key_protector_access,
    si_policy_binary,
    si_policy_xml,
    tcg_log,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import with_option, without_option
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence import boot_logs, evidence
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Severity
from ansible_collections.guarded.fabric.tests.fuzz.targets import SEEDS
from ansible_collections.guarded.fabric.tests.unit.evidence import evidence_files as files
from ansible_collections.guarded.fabric.tests.unit.module_utils import guardians
from ansible_collections.guarded.fabric.tests.unit.module_utils.signed_content import signed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.world.model import Firmware, Machine
    from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding

KIND_OF_SEEDS = {
    "tcg_log": "boot_log",
    "si_policy_binary": "code_integrity_policy",
    "si_policy_xml": "code_integrity_policy",
    "signed_policy": "code_integrity_policy",
    "ek_certificate": "ek_certificate",
    "platform_identifier": "platform_identifier",
    "guardian_metadata": "guardian_metadata",
    "key_protector": "key_protector",
}
SEED_FILES = [(path, kind) for folder, kind in KIND_OF_SEEDS.items() for path in sorted((SEEDS / folder).iterdir())]


@pytest.mark.parametrize(
    ("path", "kind"), SEED_FILES, ids=[f"{path.parent.name}/{path.name}" for path, _kind in SEED_FILES]
)
def test_evidence_is_told_by_its_content_and_said_in_plain_data(path: Path, kind: str) -> None:
    if path.name.startswith("regression-"):
        pytest.skip("no evidence, only bytes")
    found = evidence.read(path.read_bytes())
    said = evidence.facts(found)
    assert said["kind"] == kind
    assert json.loads(json.dumps(said)) == said
    assert evidence.differences(found, found, "host1") == []


@pytest.mark.parametrize("data", [b"", b"\xff" * 80, b"<html/>", b"MZ" + bytes(200)])
def test_what_is_no_evidence_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="expected one of: platform_identifier, "):
        evidence.read(data)


def test_two_kinds_are_not_compared() -> None:
    log, policy = evidence.read(files.boot_log()), evidence.read(files.policy_file())
    with pytest.raises(FormatError, match="two of a kind, not boot_log and code_integrity_policy"):
        evidence.differences(log, policy, "host1")


def compared(old: bytes, new: bytes) -> dict[tuple[str, str], Finding]:
    found = evidence.differences(evidence.read(old), evidence.read(new), "host1")
    return {(finding.kind.id, finding.item): finding for finding in found}


def firmware_of(host: Machine) -> Firmware:
    assert host.firmware is not None
    return host.firmware


def update_firmware(host: Machine) -> None:
    firmware_changes.update(firmware_of(host), "1.5")


def add_option_rom(host: Machine) -> None:
    firmware_of(host).option_roms = [b"rom"]


def secure_boot_off(host: Machine) -> None:
    firmware_changes.turn_off_secure_boot(firmware_of(host))


def enroll(host: Machine) -> None:
    firmware_changes.enroll_authority(firmware_of(host), "Mallory")


def debug_firmware(host: Machine) -> None:
    firmware_changes.turn_on_debugging(firmware_of(host))


def open_memory(host: Machine) -> None:
    firmware_changes.turn_off_iommu(firmware_of(host))


def debug_kernel(host: Machine) -> None:
    host.settings = replace(host.settings, kernel_debugger=True)


def update_windows(host: Machine) -> None:
    host.build = "20348.9999"


def upgrade_windows(host: Machine) -> None:
    host.version = "2025"


def replace_keys(host: Machine) -> None:
    variables = firmware_of(host).variables
    firmware_of(host).variables = {
        **variables,
        **{name: factory.certificates(f"Another {name}") for name in ("PK", "KEK")},
    }


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (files.unchanged, set()),
        (
            update_firmware,
            {("GF-EVD-105", "variable dbx"), ("GF-EVD-121", "firmware version"), ("GF-EVD-122", "firmware code")},
        ),
        (secure_boot_off, {("GF-EVD-101", "variable SecureBoot")}),
        (enroll, {("GF-EVD-104", "variable db")}),
        (replace_keys, {("GF-EVD-102", "variable PK"), ("GF-EVD-103", "variable KEK")}),
        (debug_firmware, {("GF-EVD-108", "firmware action 'UEFI Debug Mode'")}),
        (open_memory, {("GF-EVD-109", "firmware action 'DMA Protection Disabled'"), ("GF-EVD-126", "iommu")}),
        (debug_kernel, {("GF-EVD-111", "kernel debugging")}),
        (update_windows, {("GF-EVD-124", r"\EFI\Microsoft\Boot\bootmgfw.efi")}),
        (upgrade_windows, {("GF-EVD-112", "custom Secure Boot policy")}),
        (add_option_rom, {("GF-EVD-123", "option ROM")}),
    ],
)
def test_what_was_done_to_a_machine_is_told_from_its_logs(
    change: Callable[[Machine], None], found: set[tuple[str, str]]
) -> None:
    differences = compared(files.boot_log(), files.boot_log(change))
    assert found <= set(differences)
    assert bool(found) == bool(differences)


def test_an_option_rom_is_told_with_its_path_digest_and_authority() -> None:
    differences = compared(files.boot_log(), files.boot_log(add_option_rom))
    rom = differences["GF-EVD-123", "option ROM"]
    assert (rom.option, rom.expected) == ("PCR 2, EV_EFI_BOOT_SERVICES_DRIVER", "not measured")
    assert str(rom.actual).startswith("sha256 ")
    (authority,) = (finding for (code, _), finding in differences.items() if code == "GF-EVD-107")
    assert f"certificate CN={factory.OPTION_ROM_AUTHORITY}" in authority.item
    assert authority.kind.severity > rom.kind.severity


def test_what_hgs_compares_is_graver_than_what_only_explains() -> None:
    assert min(kind.severity for kind in boot_logs.DIFFERENCES.values()) > Severity.INFO
    assert {kind.severity for kind in boot_logs.CHANGES.values()} == {Severity.INFO}


def problem_ids(data: bytes) -> list[str]:
    return [finding.kind.id for finding in evidence.problems(evidence.read(data), "host1")]


def without_end(data: bytes) -> bytes:
    closing = next(event.offset for event in tcg_log.parse(data).events if event.data == b"WBCL")
    return data[:closing]


def with_another_digest(data: bytes) -> bytes:
    event = next(event for event in tcg_log.parse(data).events if event.type_name == "EV_EFI_VARIABLE_AUTHORITY")
    return data.replace(event.digests[tcg_log.SHA256], bytes(32))


def legacy(host: Machine) -> None:
    firmware_of(host).uefi = False


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        (files.boot_log(), []),
        (files.boot_log(files.resumed), ["GF-EVD-003"]),
        (without_end(files.boot_log()), ["GF-EVD-004"]),
        (with_another_digest(files.boot_log()), ["GF-EVD-005"]),
        (files.boot_log(legacy), ["GF-EVD-002"]),
    ],
    ids=["whole", "resumed", "truncated", "contradictory", "legacy"],
)
def test_why_a_log_makes_no_baseline(data: bytes, ids: list[str]) -> None:
    assert problem_ids(data) == ids
    assert evidence.facts(evidence.read(data))["usable_as_baseline"] is (ids == [])


OTHER_PROGRAM = (r"C:\Tools\a.exe", r"C:\Tools\b.exe")


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (files.policy_file(version=5), {"GF-EVD-212"}),
        (files.policy_file(hvci_options=1), {"GF-EVD-214"}),
        (files.policy_file(*OTHER_PROGRAM), {"GF-EVD-215", "GF-EVD-219"}),
        (si_policy_binary.write(with_option(files.policy(), 20)), {"GF-EVD-211"}),
        (si_policy_xml.write(files.policy()), set()),
        (signed(files.policy_file()), set()),
    ],
    ids=["version", "hvci", "program", "option", "xml", "signed"],
)
def test_what_differs_between_policies(new: bytes, found: set[str]) -> None:
    old = files.policy_file()
    assert {code for code, _item in compared(old, new)} == found
    back = {code for code, _item in compared(new, old)}
    assert back == {"GF-EVD-216" if code == "GF-EVD-215" else code for code in found}


def test_an_option_that_was_removed() -> None:
    enforced = si_policy_binary.write(without_option(files.policy(), 3))
    (finding,) = compared(files.policy_file(), enforced).values()
    assert (finding.item, finding.expected, finding.actual) == ("rule option Enabled:Audit Mode", "set", "not set")
    assert problem_ids(files.policy_file()) == ["GF-EVD-202"]
    assert problem_ids(signed(enforced)) == ["GF-EVD-201"]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_identities() -> None:
    first, second = (files.chip(number).ek_certificate for number in range(2))
    assert first is not None
    assert second is not None
    assert [code for code, _ in compared(first, second)] == ["GF-EVD-311"]
    key, other = (ek_certificate.parse(certificate).public_key for certificate in (first, second))
    both = ("EndorsementKey", encoded(key)), ("EndorsementKeyCertificate", encoded(first))
    whole = files.identifier("host1", *both)
    assert problem_ids(whole) == []
    assert [code for code, _ in compared(whole, files.identifier("host2", *both))] == ["GF-EVD-313"]
    assert problem_ids(files.identifier("host1", both[0])) == ["GF-EVD-303"]
    assert problem_ids(files.identifier("host1")) == ["GF-EVD-302", "GF-EVD-303"]
    mixed = files.identifier("host1", ("EndorsementKey", encoded(other)), both[1])
    assert problem_ids(mixed) == ["GF-EVD-304"]
    assert [code for code, _ in compared(whole, mixed)] == ["GF-EVD-311"]
    assert [code for code, _ in compared(files.identifier("host1", both[0]), whole)] == ["GF-EVD-312"]
    message = files.identifier("host1", ("PlatformIdMessages", "not ready"), *both)
    assert problem_ids(message) == ["GF-EVD-305"]
    assert problem_ids(files.vendor().der) == ["GF-EVD-301"]


def test_guardian_metadata() -> None:
    fabric = files.metadata("fabric")
    assert problem_ids(fabric) == []
    assert [code for code, _ in compared(fabric, files.metadata("other"))] == ["GF-EVD-411", "GF-EVD-412"]
    wanted = encoded(guardians.identity("fabric").certificate).encode()
    replaced = fabric.replace(wanted, encoded(guardians.identity("other").certificate).encode())
    assert set(problem_ids(replaced)) == {"GF-EVD-401"}


def test_key_protectors() -> None:
    owner, hgs, mallory = (guardians.keys(name) for name in ("owner", "hgs", "mallory"))
    first = key_protector_access.create(owner, [hgs.public()])
    protector = key_protector.write(first.protector)
    assert problem_ids(protector) == []
    granted = key_protector.write(key_protector_access.grant(first.protector, owner, mallory.public()).protector)
    ((code, item),) = compared(protector, granted)
    assert code == "GF-EVD-512"
    assert item.startswith("guardian CN=mallory signing (thumbprint ")
    assert [code for code, _ in compared(granted, protector)] == ["GF-EVD-513"]
    anew = key_protector.write(key_protector_access.create(owner, [hgs.public()]).protector)
    assert [code for code, _ in compared(protector, anew)] == ["GF-EVD-514"]
    foreign = key_protector.write(key_protector_access.create(mallory, [hgs.public()]).protector)
    assert [code for code, _ in compared(protector, foreign)] == ["GF-EVD-511"]
    assert problem_ids(key_protector.NONE) == ["GF-EVD-503"]
    stolen = replace(first.protector, guardian_signature=replace(first.protector.guardian_signature, value=b"no"))
    assert problem_ids(key_protector.write(stolen)) == ["GF-EVD-502"]
