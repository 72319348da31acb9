# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import firmware as factory
from ansible_collections.guarded.fabric.lab.world import measured_boot, tpm, tpm_verification
from ansible_collections.guarded.fabric.lab.world.model import BootSettings, Firmware, Machine, Tpm
from ansible_collections.guarded.fabric.plugins.module_utils import sipa, tcg_log
from ansible_collections.guarded.fabric.tests.unit.lab_world.bare_host import bare_host
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
KEY = tpm.new_rsa_key()


def one_key() -> bytes:
    """Make no key: these tests are not about which key it is."""
    return KEY


def machine() -> Machine:
    host = bare_host(tpm.manufacture_without_certificate("Contoso", one_key))
    host.features |= {"HostGuardian"}
    host.settings.hypervisor_enforced_code_integrity = True
    return host


def chip(host: Machine) -> Tpm:
    assert host.tpm is not None
    return host.tpm


def boot(host: Machine) -> tcg_log.EventLog:
    measured_boot.measure(host, NOW, one_key)
    assert host.boot is not None
    return tcg_log.parse(host.boot.log)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    flags = st.booleans()
    firmware = Firmware(
        vendor=draw(st.sampled_from(["Fabrikam", "Contoso"])),
        version=draw(st.text(max_size=8)),
        uefi=draw(flags),
        secure_boot=draw(flags),
        iommu=draw(flags),
        debug=draw(flags),
        variables=factory.factory_variables("Fabrikam"),
        option_roms=draw(st.lists(st.binary(max_size=4), max_size=3)),
    )
    fields = BootSettings.__dataclass_fields__
    return replace(
        machine(),
        firmware=firmware,
        features={"Hyper-V"} if draw(flags) else set(),
        settings=BootSettings(**{name: draw(flags) for name in fields}),
    )


@settings(max_examples=60, deadline=None)
@given(machines(), st.integers(1, 3))
def test_replaying_the_log_gives_the_pcrs_of_the_tpm(host: Machine, boots: int) -> None:
    for _ in range(boots):
        log = boot(host)
    pcrs = tcg_log.replay(log, tcg_log.SHA256)
    assert pcrs == {pcr: chip(host).pcrs[pcr] for pcr in pcrs}
    assert set(pcrs) >= {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14}
    untouched = set(chip(host).pcrs) - set(pcrs)
    assert all(len(set(chip(host).pcrs[pcr])) == 1 for pcr in untouched)
    assert sipa.is_closed(log)
    assert not [record for record in sipa.flatten(sipa.measurements(log)) if record.name.startswith("0x")]


def test_a_forged_log_does_not_pass_the_quote() -> None:
    host = machine()
    boot(host)
    evil = replace(machine(), settings=BootSettings(test_signing=True))
    log = boot(evil)
    nonce = b"n" * 16
    pcrs = tcg_log.replay(boot(host), tcg_log.SHA256)
    quote = tpm.quote(chip(evil), nonce, pcrs)
    key = tpm.attestation_key(chip(evil))
    assert tpm_verification.why_not(quote, key, nonce, tcg_log.replay(log, tcg_log.SHA256)) == ()
    (reason,) = tpm_verification.why_not(quote, key, nonce, pcrs)
    assert "not what the boot log leads to" in reason


def test_every_start_counts_and_gets_its_own_identity_key() -> None:
    host = machine()
    measured_boot.measure(host, NOW)
    first = host.boot
    measured_boot.measure(host, NOW)
    assert first is not None
    assert host.boot is not None
    assert (first.counter, host.boot.counter) == (1, 2)
    assert first.identity_key != host.boot.identity_key
    assert first.log != host.boot.log


def test_resume_keeps_what_was_running() -> None:
    host = machine()
    boot(host)
    before = host.boot
    host.settings = BootSettings(resume_instead_of_boot=True, kernel_debugger=True)
    log = boot(host)
    assert before is not None
    assert host.boot is not None
    assert host.boot.identity_key == before.identity_key
    assert host.boot.settings == replace(before.settings, resume_instead_of_boot=True)
    names = {record.name: record.value for record in sipa.flatten(sipa.measurements(log))}
    assert names["TransferControl"] == 2
    assert "OsKernelDebug" not in names
    assert "VsmIdkInfo" not in names


def test_without_a_tpm_the_machine_starts_and_has_no_log() -> None:
    host = replace(machine(), tpm=None)
    measured_boot.measure(host, NOW, one_key)
    assert host.boot is not None
    assert host.boot.log == b""


def test_secure_boot_stops_a_boot_manager_that_db_does_not_vouch_for() -> None:
    host = machine()
    assert host.firmware is not None
    boot(host)
    before = (host.boot, dict(chip(host).pcrs))
    host.firmware.variables["db"] = factory.certificates("Somebody Else")
    with pytest.raises(measured_boot.SecureBootViolationError, match="host1"):
        measured_boot.measure(host, NOW, one_key)
    assert before == (host.boot, chip(host).pcrs)
    host.firmware.secure_boot = False
    boot(host)


def test_an_option_rom_adds_its_authority_only_if_secure_boot_lets_it_run() -> None:
    host = machine()
    assert host.firmware is not None
    authority = tcg_log.EV_EFI_VARIABLE_AUTHORITY

    def authorities() -> int:
        return sum(event.type == authority for event in boot(host).events)

    assert authorities() == 1
    host.firmware.option_roms = [b"rom", b"another"]
    assert authorities() == 2
    host.firmware.variables = factory.forbid(
        host.firmware.variables, [hashlib.sha256(rom).digest() for rom in (b"rom", b"another")]
    )
    assert authorities() == 1
    host.firmware.secure_boot = False
    assert authorities() == 0


def test_tpm2_eventlog_reads_the_log_and_agrees(tmp_path: Path) -> None:
    if shutil.which("tpm2_eventlog") is None:
        pytest.skip("tpm2_eventlog (package tpm2-tools) is not installed")
    host = machine()
    assert host.firmware is not None
    host.firmware.option_roms = [b"rom"]
    log = boot(host)
    assert host.boot is not None
    path = tmp_path / "boot.log"
    path.write_bytes(host.boot.log)
    run = subprocess.run(
        ["tpm2_eventlog", "--eventlog-version", "2", str(path)], capture_output=True, text=True, check=True
    )
    found = re.findall(r"^    (\d+) *: 0x([0-9a-f]{64})$", run.stdout, re.MULTILINE)
    assert {int(pcr): bytes.fromhex(value) for pcr, value in found} == tcg_log.replay(log, tcg_log.SHA256)
    assert run.stdout.count("EventNum:") == len(log.events)
    assert "WARN" not in run.stderr
    assert "ERROR" not in run.stderr
