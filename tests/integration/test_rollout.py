# SPDX-License-Identifier: GPL-3.0-or-later
"""Each phase of a rollout: checked and run; and at the end all of them run and checked once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.runs import PHASES
from ansible_collections.guarded.fabric.tests.integration.setups import PAIR, Setup, nothing_changes, setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.tests.integration.runs import Result


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with setup(tmp_path_factory.mktemp("pair"), PAIR) as made:
        yield made


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_does_what_check_mode_foretold(pair: Setup, phase: str) -> None:
    with nothing_changes(pair):
        foretold = pair.ansible.succeed(phase, "--check", "--diff")
    done = pair.ansible.succeed(phase)
    assert foretold.changed
    assert foretold.changed == done.changed
    for before, after in zip(foretold.results, done.results, strict=True):
        assert surprises(before, after) == []


def test_a_finished_fabric_is_left_alone(pair: Setup) -> None:
    with nothing_changes(pair):
        again = pair.ansible.succeed("site")
    assert again.changed == []


def test_check_mode_foretells_nothing_for_a_finished_fabric(pair: Setup) -> None:
    with nothing_changes(pair):
        foretold = pair.ansible.succeed("site", "--check", "--diff")
    assert foretold.changed == []


def test_the_fabric_guards(pair: Setup) -> None:
    status = pair.lab.tell("status")
    assert [node["service"] for node in status["nodes"]] == ["hgs.guardian.example"] * 2
    assert [(host["status"], host["substatus"]) for host in status["hosts"]] == [("Passed", [])] * 2
    (machine,) = status["virtual_machines"]
    assert {**machine, "state": "Running", "shielded": True, "encrypted": True} == machine


def surprises(foretold: Result, done: Result) -> list[str]:
    """Return what a run came to that check mode had foretold otherwise."""
    found = []
    if foretold.result.get("before") != done.result.get("before"):
        found.append(f"before was {foretold.result.get('before')}, and is {done.result.get('before')}")
    if not holds(foretold.result.get("after"), done.result.get("after")):
        found.append(f"after was foretold {foretold.result.get('after')}, and is {done.result.get('after')}")
    if cmdlets(foretold) != cmdlets(done):
        found.append(f"commands were foretold {cmdlets(foretold)}, and are {cmdlets(done)}")
    return found


def cmdlets(result: Result) -> list[str]:
    """Return the commands without restarts: only an installation that is done says whether it needs one."""
    commands: list[str] = result.result.get("commands", [])
    return [command for command in commands if not command.startswith("Restart-Computer ")]


def holds(foretold: object, actual: object) -> bool:
    """Whether a value came as foretold. Properties that are known only once a thing is there were not foretold."""
    if isinstance(foretold, dict) and isinstance(actual, dict):
        return all(name in actual and holds(value, actual[name]) for name, value in foretold.items())
    if isinstance(foretold, list) and isinstance(actual, list):
        return len(foretold) == len(actual) and all(map(holds, by_name(foretold), by_name(actual)))
    return foretold == actual


def by_name(things: list[object]) -> list[object]:
    """Return things in the order of their names: in which order Windows will list them, nobody can foretell."""
    return sorted(things, key=lambda thing: str(thing.get("name", "")) if isinstance(thing, dict) else "")
