# SPDX-License-Identifier: GPL-3.0-or-later
"""A fabric is rolled out through invoke_cmdlets.ps1 and PowerShell's binder; it ends as with the lab's own reading."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CMDLETS
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.tests.powershell.second_path import SecondPath, TwinReader, differences
from ansible_collections.guarded.fabric.tests.powershell.shell import MISSING, find_pwsh
from ansible_collections.guarded.fabric.tests.powershell.worlds import world_differences
from ansible_collections.guarded.fabric.tests.unit.engine.conftest import pfx_files
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab, beats, lab
from ansible_collections.guarded.fabric.tests.unit.resources import rollout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.world.model import World
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File

__all__ = ["pfx_files"]


@pytest.fixture(scope="module")
def second_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondPath]:
    """PowerShell 7 with stubs."""
    pwsh = find_pwsh()
    if pwsh is None:
        pytest.skip(MISSING)
    with SecondPath(pwsh, tmp_path_factory.mktemp("second path")) as path:
        yield path


@pytest.fixture(scope="module")
def fabric() -> Lab:
    """Make a lab before any rollout: the same machines, TPMs and accounts for all of them."""
    return lab(rollout.TOPOLOGY, [tpm.new_rsa_key() for _ in range(8)])


def roll_out(operator: rollout.Operator, pfx_files: dict[str, File]) -> World:
    operator.exchange.mkdir()
    rollout.build_hgs(operator, pfx_files)
    for stage in rollout.STAGES:
        stage(operator)
    return operator.lab.world


# Constrained is the mode in which it has to work. That each kind of call is the same in full language is shown in
# tests/unit/powershell.
def test_a_rollout_ends_in_the_same_world_on_both_paths(
    second_path: SecondPath, fabric: Lab, pfx_files: dict[str, File], tmp_path: Path
) -> None:
    ours = roll_out(rollout.Operator(fabric.copy(), tmp_path / "ours", Lab.run), pfx_files)

    made = fabric.copy()
    twin = TwinReader(made.world, made.clock, path=second_path, mode="ConstrainedLanguage")
    made.reader = twin
    theirs = roll_out(rollout.Operator(made, tmp_path / "theirs", beats), pfx_files)

    assert twin.differences == []
    assert world_differences(ours, theirs) == []
    assert world_differences(fabric.world, theirs) != []
    assert twin.language_modes == {"ConstrainedLanguage"}
    assert set(twin.statistics.calls) <= {cmdlet.name for cmdlet in CMDLETS.values()}
    states = Counter(vm.state for machine in theirs.machines.values() for vm in machine.virtual_machines.values())
    assert states == {"Running": 2}
    assert not list(second_path.temporary.glob("guarded-fabric-*"))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"changed": True}, "changed"),
        ({"failed": True}, "failed"),
        ({"results": []}, "calls that ran"),
        ({"results": [{"id": "a", "output": ["y"]}]}, "output of a"),
        ({"results": [{"id": "a", "output": ["x", "x"]}]}, "output of a"),
        ({"results": [{"id": "a", "output": [{"$bytes": ""}]}]}, "output of a"),
        ({"results": [{"id": "a", "output": ["x"], "warnings": ["w"]}]}, "warnings of a"),
        ({"results": [{"id": "a", "error": {"id": "E,F", "category": "C", "message": "m"}}]}, "error of a"),
    ],
)
def test_differences_are_seen(change: dict[str, object], difference: str) -> None:
    answer = {"changed": False, "results": [{"id": "a", "output": ["x"]}]}
    assert list(differences(answer, answer)) == []
    assert any(difference in text for text in differences(answer, {**answer, **change}))
