# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.story import Story, StoryError
from ansible_collections.guarded.fabric.lab.world import directory, firmware_changes, power, restarts
from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log, tpm_baseline

if TYPE_CHECKING:
    from .playground import Playground


def _is_up(lab: Playground, name: str) -> bool:
    return power.is_up(lab.world, lab.machine(name), lab.clock.now())


def _fingerprint(lab: Playground, name: str) -> str:
    boot = lab.machine(name).boot
    assert boot is not None
    return tpm_baseline.fingerprint(tpm_baseline.baseline(tcg_log.parse(boot.log)))


def test_a_restart_takes_time_and_counts(lab: Playground) -> None:
    host = lab.machine("hosta01")
    assert host.boot is not None
    before = host.boot.counter
    restarts.restart(lab.world, host, lab.clock.now())
    assert not _is_up(lab, "hosta01")
    lab.wait(seconds=power.RESTART.total_seconds())
    assert _is_up(lab, "hosta01")
    assert host.boot.counter == before + 1
    assert host.boot.started == lab.clock.now()


def test_virtual_machines_stop_with_their_host(lab: Playground) -> None:
    assert _is_up(lab, "vm01")
    lab.restart("hosta01")
    assert [vm.state for vm in lab.machine("hosta01").virtual_machines.values()] == ["Off"]
    assert _is_up(lab, "hosta01")
    assert not _is_up(lab, "vm01")
    assert _is_up(lab, "vm02")


def test_a_dead_machine_stays_down_until_it_is_revived(lab: Playground) -> None:
    restarts.kill(lab.world, lab.machine("hosta01"), lab.clock.now())
    lab.wait(hours=100)
    assert not _is_up(lab, "hosta01")
    assert not _is_up(lab, "vm01")
    restarts.revive(lab.world, lab.machine("hosta01"), lab.clock.now())
    lab.wait(hours=1)
    assert _is_up(lab, "hosta01")


def test_a_machine_that_gets_stuck_runs_until_its_restart_and_is_repaired_once(lab: Playground) -> None:
    host = lab.machine("hosta01")
    assert host.boot is not None
    before = host.boot.counter
    Story(lab.world, lab.clock).break_restart("HOSTA01")
    assert _is_up(lab, "hosta01")
    host.pending_features.add("BitLocker")
    lab.restart("hosta01")
    lab.wait(hours=100)
    assert not _is_up(lab, "hosta01")
    assert (host.boot.counter, host.pending_features) == (before, {"BitLocker"})
    restarts.revive(lab.world, host, lab.clock.now())
    lab.wait(hours=1)
    assert _is_up(lab, "hosta01")
    assert "BitLocker" in host.features
    lab.restart("hosta01")
    assert _is_up(lab, "hosta01")


def test_machines_of_one_hardware_class_start_with_the_same_baseline(lab: Playground) -> None:
    assert _fingerprint(lab, "hosta01") == _fingerprint(lab, "hosta02")
    assert _fingerprint(lab, "hosta01") != _fingerprint(lab, "hostb01")
    before = _fingerprint(lab, "hosta01")
    lab.restart("hosta01")
    assert _fingerprint(lab, "hosta01") == before


def test_changed_firmware_shows_after_the_next_start(lab: Playground) -> None:
    host = lab.machine("hosta01")
    before = _fingerprint(lab, "hosta01")
    assert host.firmware is not None
    firmware_changes.enroll_authority(host.firmware, "Somebody Else's CA")
    assert _fingerprint(lab, "hosta01") == before
    lab.restart("hosta01")
    assert _fingerprint(lab, "hosta01") != before


def test_every_host_has_a_tpm_of_its_own(lab: Playground) -> None:
    keys = {machine.tpm.ek_key for machine in lab.world.machines.values() if machine.tpm}
    assert len(keys) == 3


def test_firmware_that_forbids_windows_leaves_the_machine_off(lab: Playground) -> None:
    host = lab.machine("hosta01")
    assert host.firmware is not None
    host.firmware.variables["db"] = b""
    lab.restart("hosta01")
    assert host.dead


def test_the_story_tampers_with_firmware_and_restarts(lab: Playground) -> None:
    before = _fingerprint(lab, "hosta01")
    Story(lab.world, lab.clock).tamper_firmware("HOSTA01")
    assert not _is_up(lab, "hosta01")
    assert _fingerprint(lab, "hosta01") != before


def test_a_stolen_copy_is_off_and_the_original_runs_on(lab: Playground) -> None:
    story = Story(lab.world, lab.clock)
    story.copy_vm("vm01", "hostb01")
    (copy,) = lab.machine("hostb01").virtual_machines.values()
    assert (copy.name, copy.state) == ("vm01", "Off")
    assert lab.machine("hostb01").disks.keys() == lab.machine("hosta01").disks.keys()
    assert _is_up(lab, "vm01")
    with pytest.raises(StoryError):
        story.copy_vm("vm01", "nowhere")
    with pytest.raises(StoryError):
        story.copy_vm("nothing", "hostb01")


def test_a_rogue_is_like_the_others_but_for_its_tpm(lab: Playground) -> None:
    story = Story(lab.world, lab.clock)
    story.add_rogue("mallory")
    assert _is_up(lab, "mallory")
    assert _fingerprint(lab, "mallory") == _fingerprint(lab, "hosta01")
    addresses = [machine.address for machine in lab.world.machines.values()]
    assert len(set(addresses)) == len(addresses)
    with pytest.raises(StoryError):
        story.add_rogue("mallory")


def test_a_reader_may_log_on_everywhere(lab: Playground) -> None:
    lab.make_first_node()
    Story(lab.world, lab.clock).add_reader("Auditor", "Only-Reads-1")
    for name in ("hgs01", "hosta01"):
        found = directory.account(lab.world, lab.machine(name), "auditor")
        assert found is not None
        assert found.reads_only


def test_status_tells_what_is_there(lab: Playground) -> None:
    lab.make_first_node()
    restarts.kill(lab.world, lab.machine("hosta02"), lab.clock.now())
    status = Story(lab.world, lab.clock).status()
    nodes = status["nodes"]
    assert isinstance(nodes, list)
    assert [(node["name"], node["service"], node["mode"]) for node in nodes] == [
        ("hgs01", "hgs.hgs.lab", "Tpm"),
        ("hgs02", None, None),
        ("hgs03", None, None),
    ]
    hosts = status["hosts"]
    assert isinstance(hosts, list)
    assert [(host["name"], host["power"], host["status"]) for host in hosts] == [
        ("hosta01", "up", "NotConfigured"),
        ("hosta02", "dead", "NotConfigured"),
        ("hostb01", "up", "NotConfigured"),
    ]
