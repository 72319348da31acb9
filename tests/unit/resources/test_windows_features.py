# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.windows_features import FEATURE_UNKNOWN, RESOURCE

if TYPE_CHECKING:
    from .rollout import Stages

HOST = [{"name": "hyper-v"}, {"name": "HostGuardian"}]


def test_features_that_need_a_restart_share_one(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    report = lab.run("host01", RESOURCE, HOST)
    assert [item["installed"] for item in report.after] == [True, True]
    assert len(lab.log.reboots) == 1
    assert len(lab.log.executions) == 3


def test_without_a_restart_nothing_is_installed_twice(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    first = lab.run("host01", RESOURCE, HOST, reboot=False)
    assert (first.changed, first.reboot_required) == (True, True)
    assert [item["restart_pending"] for item in first.after] == [True, True]
    installed = lab.reader.statistics.calls["Install-WindowsFeature"]
    second = lab.run("host01", RESOURCE, HOST, reboot=False)
    assert (second.changed, second.reboot_required) == (True, True)
    assert lab.reader.statistics.calls["Install-WindowsFeature"] == installed


def test_a_feature_that_this_edition_lacks_is_refused(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    with pytest.raises(FabricError) as error:
        lab.run("dns01", RESOURCE, [{"name": "HostGuardian"}])  # Standard edition
    assert [problem.kind for problem in error.value.problems] == [FEATURE_UNKNOWN]


def test_gathering_shows_what_is_there_and_nothing_else(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    report = lab.run("dns01", RESOURCE, [], state="gathered")
    assert {str(item["name"]) for item in report.before} == lab.machine("dns01").features


@pytest.mark.parametrize(
    ("install_state", "installed", "pending"),
    [
        ("Installed", True, False),
        ("Available", False, False),
        ("Removed", False, False),
        ("InstallPending", False, True),
        ("UninstallPending", True, True),
    ],
)
def test_install_state_says_whether_a_feature_works(install_state: str, installed: bool, pending: bool) -> None:  # noqa: FBT001 - the expectation
    results = Results({"features": Outcome(output=({"Name": "DNS", "InstallState": install_state},))})
    assert RESOURCE.read(results, [{"name": "dns"}]).state == {
        "dns": {"name": "DNS", "installed": installed, "restart_pending": pending}
    }


def test_a_feature_is_removed_with_its_tools() -> None:
    before = {"name": "DNS", "installed": True, "restart_pending": False}
    assert RESOURCE.change(before, {"name": "DNS", "installed": False}) == (
        changing("Uninstall-WindowsFeature", {"Name": ["DNS"], "IncludeManagementTools": True}),
    )
