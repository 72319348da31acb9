# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import files
from ansible_collections.guarded.fabric.lab.world.model import VirtualDisk
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import bitlocker_volumes as resource
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import shielded_vms
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab, beats

if TYPE_CHECKING:
    from .rollout import Stages

RESOURCE = resource.RESOURCE
SYSTEM = {"mount_point": "C:"}
PASSWORD = re.compile(r"(\d{6}-){7}\d{6}")


def with_data_disk(lab: Lab) -> None:
    """Give the shielded machine a second disk, and start it anew."""
    host = lab.machine("host01")
    vm = next(iter(host.virtual_machines.values()))
    lab.run("host01", shielded_vms.RESOURCE, [{"name": vm.name, "power": "off"}])
    path = r"C:\VMs\vm01\data.vhdx"
    host.disks[files.key(path)] = VirtualDisk(path, b"data " * 100)
    vm.disks.append(path)
    lab.run("host01", shielded_vms.RESOURCE, [{"name": vm.name, "power": "running"}])
    lab.clock.move(600)


def test_a_volume_is_encrypted_once_and_waited_for(stages: Stages) -> None:
    lab = stages.after("shield").lab
    report = lab.run("vm01", RESOURCE, [SYSTEM])
    assert report.after[0]["status"] == "FullyEncrypted"
    assert report.after[0]["key_protectors"] == ["Tpm"]
    assert lab.log.slept > 0
    assert not lab.run("vm01", RESOURCE, [{"mount_point": "c:"}]).changed
    disk = lab.machine("host01").disks
    assert not any(b"customer records" in item.volume for item in disk.values())


def test_an_encryption_under_way_is_waited_for_and_not_begun_again(stages: Stages) -> None:
    lab = stages.after("shield").lab
    with pytest.raises(FabricError):
        lab.run("vm01", RESOURCE, [SYSTEM], settle_seconds=0.0)
    report = lab.run("vm01", RESOURCE, [SYSTEM])
    assert not report.changed
    assert report.after[0]["status"] == "FullyEncrypted"
    assert lab.reader.statistics.calls["Enable-BitLocker"] == 1


def test_a_data_volume_is_opened_by_the_system_volume_and_its_password_shows_nowhere(stages: Stages) -> None:
    lab = stages.after("shield").lab
    with_data_disk(lab)
    report = beats(lab, "vm01", RESOURCE, [SYSTEM, {"mount_point": "D:"}])
    data = report.after[1]
    assert (data["status"], data["volume_type"]) == ("FullyEncrypted", "Data")
    assert set(data["key_protectors"]) == {"RecoveryPassword", "ExternalKey"}  # type: ignore[call-overload]
    # The lab does not show it; Windows does, as a warning (PSD Enable-BitLocker).
    assert (
        "-RecoveryPasswordProtector:$true -SkipHardwareTest:$true -WarningAction 'SilentlyContinue'"
        in report.commands[1]
    )
    assert not PASSWORD.search(repr(report))


def test_a_volume_that_is_not_there_is_named(stages: Stages) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("shield").lab.run("vm01", RESOURCE, [{"mount_point": "Z:"}])
    assert [problem.kind for problem in error.value.problems] == [resource.VOLUME_MISSING]


def test_a_machine_without_bitlocker_is_named(stages: Stages) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.run("tenant01", RESOURCE, [SYSTEM])
    assert [problem.kind for problem in error.value.problems] == [resource.BITLOCKER_MISSING]


@pytest.mark.parametrize("status", ["EncryptionPaused", "", "FullyEncryptedWipeInProgress"])
def test_a_state_that_is_unclear_is_left_to_a_person(status: str) -> None:
    volume = {"MountPoint": "C:", "VolumeStatus": status, "VolumeType": "OperatingSystem"}
    before = RESOURCE.read(Results({"volumes": Outcome(output=(volume,))}), [SYSTEM]).state["c:"]
    (problem,) = RESOURCE.refuse(before, {**before, "encrypted": True})
    assert problem.kind is resource.UNCLEAR
