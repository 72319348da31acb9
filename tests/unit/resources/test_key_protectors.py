# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import CAPTURE_FAILED, Status
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import guardians
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import key_protectors as resource

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages

CAPTURE = resource.CAPTURE
CONFIG: Item = {"names": ["vm01", "vm.02"], "owner": "Owner", "guardians": ["Fabric"], "allow_untrusted_root": True}


def test_a_protector_is_made_once_for_each_machine(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("protect").lab
    report = lab.capture("tenant01", CAPTURE, CONFIG, str(tmp_path))
    contents = [filed.artifact.content for filed in report.filed]
    assert [filed.status for filed in report.filed] == [Status.NEW, Status.NEW]
    assert contents[0] != contents[1]
    again = lab.capture("tenant01", CAPTURE, CONFIG, str(tmp_path))
    assert [filed.status for filed in again.filed] == [Status.UNCHANGED, Status.UNCHANGED]
    assert [filed.artifact.content for filed in again.filed] == contents
    assert (again.commands, len(lab.log.executions)) == ((), 1)


def test_only_what_is_lacking_is_made(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("protect").lab
    first = lab.capture("tenant01", CAPTURE, {**CONFIG, "names": ["vm01"]}, str(tmp_path))
    report = lab.capture("tenant01", CAPTURE, CONFIG, str(tmp_path))
    assert sorted(filed.status.value for filed in report.filed) == ["new", "unchanged"]
    assert first.filed[0].artifact.content in [filed.artifact.content for filed in report.filed]


@pytest.mark.parametrize("more", [{"guardians": []}, {"owner": "Other"}])
def test_other_holders_mean_another_protector(stages: Stages, tmp_path: Path, more: Item) -> None:
    lab = stages.after("protect").lab
    lab.run("tenant01", guardians.RESOURCE, [{"name": "Other", "generate": True}])
    lab.capture("tenant01", CAPTURE, CONFIG, str(tmp_path))
    other = {**CONFIG, **more}
    foreseen = lab.capture("tenant01", CAPTURE, other, str(tmp_path), check_mode=True)
    report = lab.capture("tenant01", CAPTURE, other, str(tmp_path))
    assert foreseen.changed
    assert foreseen.commands == report.commands
    assert [filed.status for filed in report.filed] == [Status.REPLACED, Status.REPLACED]
    assert not lab.capture("tenant01", CAPTURE, other, str(tmp_path)).changed


def test_the_holders_are_those_that_config_says(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("protect").lab
    report = lab.capture("tenant01", CAPTURE, CONFIG, str(tmp_path))
    known = {item["name"]: item for item in lab.run("tenant01", guardians.RESOURCE, [], state="gathered").before}
    owner, others = artifact_kinds.key_protector_holders(report.filed[0].artifact.content or b"")
    assert owner == known["Owner"]["signing_thumbprint"]
    assert others == (known["Fabric"]["signing_thumbprint"],)


def test_an_owner_without_keys_is_refused(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("protect").lab
    with pytest.raises(FabricError) as error:
        lab.capture("tenant01", CAPTURE, {**CONFIG, "owner": "Fabric"}, str(tmp_path))
    assert [problem.kind for problem in error.value.problems] == [resource.OWNER_WITHOUT_KEYS]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"owner": "Nobody"}, resource.GUARDIAN_MISSING),
        ({"guardians": ["Nobody"]}, resource.GUARDIAN_MISSING),
        ({"allow_untrusted_root": False}, CAPTURE_FAILED),
    ],
)
def test_what_cannot_be_made_is_said_and_nothing_is_written(
    stages: Stages, tmp_path: Path, more: Item, kind: Kind
) -> None:
    lab = stages.after("protect").lab
    with pytest.raises(FabricError) as error:
        lab.capture("tenant01", CAPTURE, {**CONFIG, **more}, str(tmp_path))
    assert [problem.kind for problem in error.value.problems] == [kind]
    assert list(tmp_path.iterdir()) == []


def test_a_protector_without_bytes_is_none() -> None:
    with pytest.raises(FabricError) as error:
        CAPTURE.read(Results({"made-0": Outcome(output=({},))}), CONFIG)
    assert [problem.kind for problem in error.value.problems] == [resource.NONE_MADE]


def test_check_mode_foresees_protectors_for_an_owner_that_is_yet_to_be_made(stages: Stages, tmp_path: Path) -> None:
    report = stages.after("nothing").lab.capture("tenant01", CAPTURE, CONFIG, str(tmp_path), check_mode=True)
    assert report.changed
    assert [filed.status for filed in report.filed] == [Status.NEW, Status.NEW]
