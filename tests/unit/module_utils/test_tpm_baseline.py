# SPDX-License-Identifier: GPL-3.0-or-later
"""Baselines of logs that the lab's machines measured, and of logs spoilt on purpose."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from ansible_collections.guarded.fabric.lab.world import firmware as factory
from ansible_collections.guarded.fabric.lab.world import measured_boot, tpm
from ansible_collections.guarded.fabric.lab.world.model import BootSettings, Firmware, Machine
from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log, tpm_baseline, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.tests.unit.lab_world.bare_host import bare_host
from hypothesis import given, settings
from hypothesis import strategies as st

from . import event_logs
from .event_logs import Record

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
KEY = tpm.new_rsa_key()


def one_key() -> bytes:
    return KEY


def firmware_of(host: Machine) -> Firmware:
    assert host.firmware is not None
    return host.firmware


def machine() -> Machine:
    return bare_host(tpm.manufacture_without_certificate("Contoso", one_key))


def raw_log(host: Machine) -> bytes:
    measured_boot.measure(host, NOW, one_key)
    assert host.boot is not None
    return host.boot.log


def log_of(host: Machine) -> tcg_log.EventLog:
    return tcg_log.parse(raw_log(host))


def after(change: Callable[[Machine], None]) -> tuple[tpm_baseline.Difference, ...]:
    """Say what differs after a change to a machine and a restart; also check that the fingerprint says the same."""
    host = machine()
    old = tpm_baseline.baseline(log_of(host))
    change(host)
    log = log_of(host)
    assert tpm_baseline.why_not(log) == ()
    new = tpm_baseline.baseline(log)
    found = tpm_baseline.differences(old, new)
    assert (not found) == (tpm_baseline.fingerprint(old) == tpm_baseline.fingerprint(new))
    return found


def unchanged(_host: Machine) -> None:
    """Only restart."""


def firmware_version(host: Machine) -> None:
    firmware_of(host).version = "1.5"


def windows_build(host: Machine) -> None:
    host.build = "20348.9999"


def policy_relevant_settings(host: Machine) -> None:
    host.settings = BootSettings(test_signing=True, dumps=True, hibernation=True)


@pytest.mark.parametrize("change", [unchanged, firmware_version, windows_build, policy_relevant_settings])
def test_what_is_not_compared_makes_no_difference(change: Callable[[Machine], None]) -> None:
    if change is policy_relevant_settings:
        # The hypervisor must stay: whether its debugging flag is measured at all is compared.
        assert after(change) == ()
    else:
        assert after(change) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"variables": {}},
        {"authorities": frozenset()},
        {"firmware_actions": frozenset(["UEFI Debug Mode"])},
        {"boot_debugging": True},
        {"kernel_debugging": None},
        {"hypervisor_debugging": True},
        {"secure_boot_policies": frozenset()},
    ],
    ids=str,
)
def test_every_part_of_a_baseline_counts_by_itself(change: dict[str, Any]) -> None:
    old = tpm_baseline.baseline(log_of(machine()))
    new = replace(old, **change)
    assert tpm_baseline.fingerprint(old) != tpm_baseline.fingerprint(new)
    assert tpm_baseline.differences(old, new)
    assert tpm_baseline.differences(new, old)


def test_dbx_update() -> None:
    image = hashlib.sha256(b"bad loader").digest()

    def update(host: Machine) -> None:
        firmware_of(host).variables = factory.forbid(firmware_of(host).variables, [image])

    (found,) = after(update)
    assert (found.element, found.pcr, found.event) == ("variable dbx", 7, "EV_EFI_VARIABLE_DRIVER_CONFIG")
    assert found.old.startswith("3 entries, SHA-256 of the contents ")
    assert found.new.startswith("4 entries, ")
    assert found.new.endswith(f"; added 1: SHA-256 hash {image.hex()}")
    assert "Windows Update" in found.usual_cause


def test_secure_boot_switched_off_also_ends_the_vouching_and_vbs() -> None:
    def switch_off(host: Machine) -> None:
        firmware_of(host).secure_boot = False

    found = {difference.element: (difference.old, difference.new) for difference in after(switch_off)}
    assert found["variable SecureBoot"] == ("on", "off")
    (authority,) = (element for element in found if element.startswith("UEFI launch authority in db: certificate CN="))
    assert found[authority] == ("vouched for something that was started", "not measured")
    assert len(found) == 2


def test_option_rom_added_names_its_authority() -> None:
    def add(host: Machine) -> None:
        firmware_of(host).option_roms = [b"rom"]

    (found,) = after(add)
    digest = hashlib.sha256(factory.authority(factory.OPTION_ROM_AUTHORITY)).hexdigest()
    assert f"certificate CN={factory.OPTION_ROM_AUTHORITY} (SHA-256 {digest})" in found.element
    assert (found.event, found.old) == ("EV_EFI_VARIABLE_AUTHORITY", "not measured")
    assert "option ROM" in found.usual_cause


def test_debug_flags_and_firmware_actions() -> None:
    def change(host: Machine) -> None:
        host.settings = replace(host.settings, kernel_debugger=True)
        firmware_of(host).debug = True
        firmware_of(host).iommu = False

    found = {(d.element, d.pcr, d.event, d.old, d.new) for d in after(change)}
    assert found == {
        ("firmware action 'UEFI Debug Mode'", 7, "EV_EFI_ACTION", "not measured", "measured"),
        ("firmware action 'DMA Protection Disabled'", 7, "EV_EFI_ACTION", "not measured", "measured"),
        ("kernel debugging", 13, "OsKernelDebug", "off", "on"),
    }


def test_replaced_authorities_of_db() -> None:
    def enroll(host: Machine) -> None:
        variables = firmware_of(host).variables
        variables["db"] = factory.certificates(factory.WINDOWS_AUTHORITY, "Mallory")

    (found,) = after(enroll)
    assert found.element == "variable db"
    assert "added 1: certificate CN=Mallory" in found.new
    assert f"removed 1: certificate CN={factory.OPTION_ROM_AUTHORITY}" in found.new


def test_custom_secure_boot_policy() -> None:
    def upgrade(host: Machine) -> None:
        host.version = "2025"

    (found,) = after(upgrade)
    assert (found.element, found.event) == ("custom Secure Boot policy", "SbcpInfo")
    assert found.old != found.new
    assert found.old.startswith("sha256 ")


def test_entries_in_another_order_are_named_as_such_and_many_are_cut_short() -> None:
    hashes = [hashlib.sha256(bytes([n])).digest() for n in range(8)]
    old = tpm_baseline.baseline(log_of(machine()))

    def with_dbx(entries: list[bytes]) -> tpm_baseline.Baseline:
        content = factory.signature_list(uefi.SHA256_HASH, entries)
        return replace(old, variables={**old.variables, "dbx": content})

    (reordered,) = tpm_baseline.differences(with_dbx(hashes), with_dbx(hashes[::-1]))
    assert reordered.new.endswith("; the same entries in another arrangement")
    (grown,) = tpm_baseline.differences(with_dbx(hashes[:1]), with_dbx(hashes))
    assert "added 7: " in grown.new
    assert grown.new.endswith(" and 2 more")


def test_other_variables_of_pcr_7_are_named_with_their_vendor_and_without_control_characters() -> None:
    vendor = UUID("12345678-1234-5678-1234-567812345678")
    log = log_of(machine())
    data = event_logs.uefi_variable(vendor.bytes_le, "\x1b[31mX", b"\1")
    event = replace(log.events[3], data=data)
    more = tpm_baseline.baseline(replace(log, events=(*log.events, event)))
    (found,) = tpm_baseline.differences(tpm_baseline.baseline(log), more)
    assert found.element == f"variable '\\x1b[31mX' of {vendor}"
    assert (found.old, found.usual_cause) == ("not measured", "a firmware update or a changed firmware setting")


def test_resumed_boot_is_no_baseline() -> None:
    host = machine()
    log_of(host)
    host.settings.resume_instead_of_boot = True
    (reason,) = tpm_baseline.why_not(log_of(host))
    assert "resumed from hibernation (TransferControl 2)" in reason


def test_log_of_another_system_is_no_baseline() -> None:
    log = tcg_log.parse(event_logs.agile_log([0xB], [Record(7, 4, bytes(4))]))
    (reason,) = tpm_baseline.why_not(log)
    assert "no measurements of Windows" in reason


def test_log_that_ends_early_is_no_baseline() -> None:
    log = log_of(machine())
    closing = [event.index for event in log.events if event.data == b"WBCL"]
    (reason,) = tpm_baseline.why_not(replace(log, events=log.events[: closing[-1]]))
    assert "the log ends early" in reason
    tagged = [event.index for event in log.events if event.type == tcg_log.EV_EVENT_TAG]
    reasons = tpm_baseline.why_not(replace(log, events=log.events[: tagged[0] + 1]))
    assert any("kernel did not measure" in reason for reason in reasons)


def test_legacy_start_is_no_baseline() -> None:
    host = machine()
    firmware_of(host).uefi = False
    (reason,) = tpm_baseline.why_not(log_of(host))
    assert "did not start by UEFI" in reason


@pytest.mark.parametrize(
    ("kind", "pcr"),
    [
        (tcg_log.EV_EVENT_TAG, 13),
        (tcg_log.EV_COMPACT_HASH, 11),
        (tcg_log.EV_SEPARATOR, 4),
        (tcg_log.EV_EFI_ACTION, 4),
        (tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG, 7),
        (tcg_log.EV_EFI_VARIABLE_AUTHORITY, 7),
    ],
)
def test_a_record_whose_digest_is_not_that_of_its_data_is_found(kind: int, pcr: int) -> None:
    log = log_of(machine())
    victim = next(event for event in log.events if (event.type, event.pcr) == (kind, pcr))
    events = list(log.events)
    events[victim.index] = replace(victim, digests={tcg_log.SHA256: bytes(32)})
    (reason,) = tpm_baseline.why_not(replace(log, events=tuple(events)))
    assert reason.startswith(f"record {victim.index} ({victim.type_name} at PCR {pcr}")


def test_a_variable_hashed_by_its_contents_alone_is_no_contradiction() -> None:
    log = log_of(machine())
    victim = next(event for event in log.events if event.type == tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG)
    events = list(log.events)
    content = uefi.parse_variable(victim.data).content
    events[victim.index] = replace(victim, digests={tcg_log.SHA256: hashlib.sha256(content).digest()})
    assert tpm_baseline.why_not(replace(log, events=tuple(events))) == ()


def test_a_variable_measured_twice_with_different_contents_contradicts_itself() -> None:
    log = log_of(machine())
    first = next(event for event in log.events if event.type == tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG)
    data = event_logs.uefi_variable(uefi.GLOBAL_VARIABLE.bytes_le, "SecureBoot", b"\0")
    second = replace(first, data=data, digests={tcg_log.SHA256: hashlib.sha256(data).digest()})
    (reason,) = tpm_baseline.why_not(replace(log, events=(*log.events, second)))
    assert reason == "the variable SecureBoot is measured twice with different contents"


def test_a_damaged_measurement_is_a_reason_not_a_crash() -> None:
    data = event_logs.sipa(0x40010001, event_logs.sipa(0x0005000F, b"short"))
    log = tcg_log.parse(event_logs.agile_log([0xB], [Record(13, 6, data)]))
    (reason,) = tpm_baseline.why_not(log)
    assert reason.startswith("a measurement is damaged: SIPA events: expected a payload of SiPolicy")
    with pytest.raises(FormatError):
        tpm_baseline.baseline(log)


RAW = raw_log(machine())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_only_format_error_escapes(data: st.DataObject) -> None:
    spoilt = bytearray(RAW)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(spoilt) - 4))
        value = data.draw(st.sampled_from([0, 1, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF]))
        struct.pack_into("<I", spoilt, at, value)
    try:
        log = tcg_log.parse(bytes(spoilt))
        tpm_baseline.why_not(log)
        found = tpm_baseline.baseline(log)
    except FormatError:
        return
    reference = tpm_baseline.baseline(tcg_log.parse(RAW))
    same = tpm_baseline.fingerprint(found) == tpm_baseline.fingerprint(reference)
    assert same == (not tpm_baseline.differences(reference, found))
