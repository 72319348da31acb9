# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input ends in a clear error before any change: what, whose, why, and what to do next, under a documented id."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.scripts.generate_error_reference import TARGET

from .bad_cases import CASES, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.world.model import World
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File

    from .bad_cases import Case
    from .rollout import Stages


KINDS = {case.kind for case in CASES}


def _lasting(world: World) -> World:
    """Return the world without what reading it leaves behind: a host attests when its client is asked."""
    copy = deepcopy(world)
    for machine in copy.machines.values():
        machine.client.health_certificate = None
        machine.client.status, machine.client.substatus, machine.client.operation_mode = "", [], ""
        machine.client.last_attestation_url = machine.client.last_key_protection_url = ""
    for cluster in copy.clusters.values():
        cluster.attestation.events.clear()
    return copy


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_refused_before_any_change(
    case: Case, stages: Stages, tmp_path: Path, pfx_files: dict[str, File]
) -> None:
    operator = stages.after(case.stage)
    attempt = case.spoil(Scene(operator, tmp_path, pfx_files))
    changes = operator.lab.reader.statistics.changes.total()
    world, written = _lasting(operator.lab.world), _content(tmp_path)
    with pytest.raises(FabricError) as error:
        attempt()
    assert case.kind in [problem.kind for problem in error.value.problems], str(error.value)
    for problem in error.value.problems:
        assert problem.thing.strip()
        start = f"{problem.kind.id} [{problem.kind.owner.value}] {problem.thing}: {problem.kind.title}"
        assert str(problem).startswith(start)
        assert str(problem).endswith(f"Next: {problem.kind.next_step}")
    assert operator.lab.reader.statistics.changes.total() == changes
    assert _lasting(operator.lab.world) == world
    assert _content(tmp_path) == written


def test_every_problem_of_the_table_is_documented() -> None:
    reference = TARGET.read_text(encoding="utf-8")
    owners = dict(re.findall(r"^\| \[?(GF-[A-Z]+-\d+)\b[^|]*\| (\w+) \|", reference, re.MULTILINE))
    assert {kind.id: owners.get(kind.id) for kind in KINDS} == {kind.id: kind.owner.value for kind in KINDS}
