# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import files, restarts
from ansible_collections.guarded.fabric.lab.world.model import Machine, VirtualDisk, VirtualMachine
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import guardians, hgs_client, key_protectors
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import shielded_vms as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import beats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Operator, Stages

RESOURCE = resource.RESOURCE


def wanted(operator: Operator, **more: object) -> Item:
    path = operator.path(artifact_kinds.KEY_PROTECTOR, "vm01")
    item = {"name": "vm01", "key_protector": path, "shielded": True, "power": "running", "allow_stop": True}
    return operator.load(RESOURCE, [{**item, **more}])[0]


def machine(operator: Operator) -> VirtualMachine:
    return next(vm for vm in operator.lab.machine("host01").virtual_machines.values() if vm.name == "vm01")


def refused(operator: Operator, item: Item) -> list[Kind]:
    changes = operator.lab.reader.statistics.changes.total()
    with pytest.raises(FabricError) as error:
        operator.lab.run("host01", RESOURCE, [item])
    assert operator.lab.reader.statistics.changes.total() == changes
    return [problem.kind for problem in error.value.problems]


def _differencing(host: Machine, vm: VirtualMachine) -> None:
    path = vm.disks[0]
    host.disks[files.key(path)].parent = r"C:\VMs\parent.vhdx"
    host.disks[files.key(r"C:\VMs\parent.vhdx")] = VirtualDisk(r"C:\VMs\parent.vhdx", b"readable")


def _set(**values: object) -> Callable[[Machine, VirtualMachine], None]:
    return lambda _host, vm: vars(vm).update(values)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (_set(generation=1), resource.GENERATION),
        (_set(version="5.0"), resource.VERSION),
        (_set(secure_boot=False), resource.SECURE_BOOT),
        (_set(checkpoints=["before"]), resource.CHECKPOINTS),
        (_set(state="Saved"), resource.NOT_OFF),
        (_differencing, resource.DIFFERENCING_DISK),
    ],
)
def test_what_cannot_be_shielded_is_refused_with_its_reason(
    stages: Stages, spoil: Callable[[Machine, VirtualMachine], None], kind: Kind
) -> None:
    operator = stages.after("protect")
    spoil(operator.lab.machine("host01"), machine(operator))
    assert kind in refused(operator, wanted(operator))


def test_every_reason_is_given_at_once(stages: Stages) -> None:
    operator = stages.after("protect")
    vm = machine(operator)
    vm.version, vm.secure_boot, vm.checkpoints = "5.0", False, ["before"]
    assert refused(operator, wanted(operator)) == [resource.VERSION, resource.SECURE_BOOT, resource.CHECKPOINTS]


def test_a_running_machine_is_stopped_only_where_that_is_allowed(stages: Stages) -> None:
    operator = stages.after("protect")
    beats(operator.lab, "host01", RESOURCE, [{"name": "vm01", "power": "running"}])
    assert refused(operator, wanted(operator, allow_stop=None)) == [resource.NOT_OFF]
    report = beats(operator.lab, "host01", RESOURCE, [wanted(operator)])
    assert [command.split()[0] for command in report.commands] == [
        "Stop-VM",
        "Set-VMKeyProtector",
        "Set-VMSecurity",
        "Set-VMSecurityPolicy",
        "Enable-VMTPM",
        "Start-VM",
    ]


def test_a_machine_that_was_off_stays_off(stages: Stages) -> None:
    operator = stages.after("protect")
    report = beats(operator.lab, "host01", RESOURCE, [wanted(operator, power=None)])
    assert report.after[0]["power"] == "off"
    assert machine(operator).vtpm_state == b""


def test_a_protector_is_told_by_its_holders_not_by_its_bytes(stages: Stages, tmp_path: Path) -> None:
    """HGS may give a protector another transport key; the machine's then differs from the one in the exchange."""
    operator = stages.after("shield")
    made = {"names": ["vm01"], "owner": "Owner", "guardians": ["Fabric"], "allow_untrusted_root": True}
    captured = operator.lab.capture("tenant01", key_protectors.CAPTURE, made, str(tmp_path))
    other = captured.filed[0].artifact
    assert other.content != machine(operator).key_protector
    assert not operator.lab.run("host01", RESOURCE, [{**wanted(operator), "key_protector": other}]).changed


def test_a_protector_of_another_owner_is_refused(stages: Stages, tmp_path: Path) -> None:
    operator = stages.after("shield")
    lab = operator.lab
    lab.run("tenant01", guardians.RESOURCE, [{"name": "Other", "generate": True}])
    made = {"names": ["vm01"], "owner": "Other", "guardians": ["Fabric"], "allow_untrusted_root": True}
    captured = lab.capture("tenant01", key_protectors.CAPTURE, made, str(tmp_path))
    other = {**wanted(operator), "key_protector": captured.filed[0].artifact}
    assert refused(operator, other) == [resource.OTHER_PROTECTOR]


def test_protection_is_never_taken_away_on_the_fabric(stages: Stages) -> None:
    operator = stages.after("shield")
    for less in ({"shielded": False}, {"shielded": False, "tpm": False}):
        assert refused(operator, {**wanted(operator), **less}) == [resource.UNSHIELDING]


def test_a_machine_without_a_protector_needs_one(stages: Stages) -> None:
    operator = stages.after("protect")
    assert resource.NO_PROTECTOR in refused(operator, {"name": "vm01", "shielded": True, "allow_stop": True})


def test_a_host_that_is_not_guarded_starts_nothing_shielded(stages: Stages) -> None:
    operator = stages.after("shield")
    lab = operator.lab
    lab.run("host01", RESOURCE, [{"name": "vm01", "power": "off"}])
    lab.run("host01", hgs_client.RESOURCE, [{"mode": "Local"}])
    assert refused(operator, wanted(operator)) == [resource.NOT_GUARDED]
    report = lab.run("host01", RESOURCE, [wanted(operator)], check_mode=True)
    assert resource.NOT_GUARDED.id in report.warnings[0]


def test_a_machine_that_runs_is_left_alone_on_a_host_that_lost_its_attestation(stages: Stages) -> None:
    operator = stages.after("shield")
    operator.lab.machine("host01").client.status = "TransientError"
    operator.lab.machine("host01").client.attestation_url = "http://nowhere.lab/Attestation"
    assert not operator.lab.run("host01", RESOURCE, [wanted(operator)]).changed


def test_machines_of_a_host_that_restarted_are_started_again(stages: Stages) -> None:
    operator = stages.after("shield")
    restarts.restart(operator.lab.world, operator.lab.machine("host01"), operator.lab.clock.now())
    operator.lab.clock.move(600)
    report = beats(operator.lab, "host01", RESOURCE, [wanted(operator)])
    assert report.commands == ("Start-VM -Name @('vm01')",)


def test_a_machine_of_another_host_is_named(stages: Stages) -> None:
    operator = stages.after("protect")
    assert refused(operator, {**wanted(operator), "name": "vm02"}) == [resource.VM_MISSING]


def test_shielding_without_its_parts_is_a_contradiction(stages: Stages) -> None:
    operator = stages.after("protect")
    for part in ("tpm", "encrypt_state"):
        assert refused(operator, {**wanted(operator), part: False}) == [resource.CONTRADICTION]


def test_a_fresh_host_is_foreseen(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    item = {"name": "vm01", "key_protector": Artifact("vm01.kp", None, None), "shielded": True, "power": "running"}
    report = lab.run("host01", RESOURCE, [item], check_mode=True)
    assert [command.split()[0] for command in report.commands] == [
        "Set-VMKeyProtector",
        "Set-VMSecurity",
        "Set-VMSecurityPolicy",
        "Enable-VMTPM",
        "Start-VM",
    ]
    assert any(resource.HYPER_V_MISSING.id in warning for warning in report.warnings)
    with pytest.raises(FabricError):
        lab.run("host01", RESOURCE, [item])


def test_gathering_shows_who_may_start_a_machine(stages: Stages) -> None:
    operator = stages.after("shield")
    (found,) = operator.lab.run("host01", RESOURCE, [{"name": "VM01"}], state="gathered").before
    tenant = operator.lab.machine("tenant01").guardians
    owner, holders = artifact_kinds.key_protector_holders(machine(operator).key_protector)
    assert (found["owner"], found["guardians"]) == (owner, list(holders))
    assert len(holders) == 1
    assert set(tenant) == {"owner", "fabric"}


def test_gathering_without_names_shows_which_machines_there_are(stages: Stages) -> None:
    (found,) = stages.after("shield").lab.run("host01", RESOURCE, [], state="gathered").before
    assert (found["name"], found["power"], found["generation"]) == ("vm01", "running", 2)


def test_a_protector_that_cannot_be_read_is_never_replaced(stages: Stages) -> None:
    operator = stages.after("protect")
    machine(operator).key_protector = b"\x00\x00\x00\x08what"
    assert refused(operator, wanted(operator)) == [resource.OTHER_PROTECTOR]
