# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole fabric, resource by resource, in the order of the playbooks: each is checked, run, and run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import bitlocker_volumes

if TYPE_CHECKING:
    from .rollout import Stages


def test_a_fabric_is_rolled_out_and_each_step_is_predicted_and_done_once(stages: Stages) -> None:
    operator = stages.after("shield")
    report = operator.do("vm01", bitlocker_volumes.RESOURCE, {"mount_point": "C:"})
    assert report.after[0]["status"] == "FullyEncrypted"
    machines = operator.lab.machine("host01").virtual_machines
    assert [(vm.shielded, vm.state) for vm in machines.values()] == [(True, "Running")]
