# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that die during a rollout: each is named, the others go on, and a repaired one is brought along."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, Description, describe
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.integration.runs import Running

TOPOLOGY = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}", count: 2, edition: Standard}
  - {kind: dns, name: "dns{:02}", edition: Standard}
  - {kind: host, name: "host{:02}", count: 3, hardware: Contoso R740}
  - {kind: tenant, name: "tenant{:02}"}
virtual_machines:
  - {name: "vm{:02}", count: 1}
"""
BROKEN = ("hgs02", "host02", "host03")
PATIENCE_SECONDS = 5
"""How long a restart may take; in this lab it takes a third of a second."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with setup(tmp_path_factory.mktemp("large"), TOPOLOGY) as made:
        yield made


def power(large: Setup, name: str) -> str:
    """Return whether a machine is up, restarting or dead."""
    (machine,) = [machine for machine in large.lab.tell("status")["machines"] if machine["name"] == name]
    return str(machine["power"])


def wait_until(running: Running, condition: Callable[[], bool]) -> None:
    while not condition():
        assert running.process.poll() is None, running.wait().output
        time.sleep(0.02)


def test_who_dies_is_named_and_the_others_go_on(large: Setup) -> None:
    large.lab.tell("kill", machine="host03")
    large.lab.tell("break-restart", machine="host02")
    patience = [f"{name}_reboot_timeout={PATIENCE_SECONDS}" for name in ("hgs", "guarded_host")]
    running = large.ansible.start("site", *(argument for text in patience for argument in ("--extra-vars", text)))
    # The second node dies while it joins: it has the role, and does not come back as a domain controller.
    wait_until(running, lambda: power(large, "hgs02") == "restarting")
    wait_until(running, lambda: power(large, "hgs02") == "up")
    large.lab.tell("break-restart", machine="hgs02")
    done = running.wait()  # which gives up long before the 30 minutes that a restart may take by default
    assert done.code != 0
    lost = {result.host: (result.outcome, result.problems) for result in done.results if result.problems}
    assert lost == {
        "hgs02": ("failed", ["GF-RUN-006"]),
        "host02": ("failed", ["GF-RUN-006"]),
        "host03": ("unreachable", ["GF-CON-005"]),
    }
    for name, (_, (problem,)) in lost.items():
        assert f"{problem} [controller] {name}: " in done.output
    assert {power(large, name) for name in BROKEN} == {"dead"}
    world = large.lab.world()
    assert world.machines["hgs02"].pending_promotion == "guardian.example"
    described = describe(world)
    alive = {name: item for name, item in described["machines"].items() if name not in BROKEN}
    assert alive == {name: item for name, item in expected()["machines"].items() if name not in BROKEN}


def test_after_their_repair_the_next_run_brings_them_along(large: Setup) -> None:
    for name in BROKEN:
        large.lab.tell("revive", machine=name)
    while {power(large, name) for name in BROKEN} != {"up"}:
        time.sleep(0.05)
    large.ansible.succeed("site")
    assert describe(large.lab.world()) == expected()


def test_what_is_wrong_with_one_host_of_a_batch_is_said_of_that_one(large: Setup, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("guarded_hosts: {hosts: {host03: {ansible_port: '{{ nowhere }}'}}}", encoding="utf-8")
    large.lab.tell("kill", machine="host02")
    # One fork has one batch of all three.
    done = large.ansible.run("drift", "--forks", "1", "--inventory", str(wrong))
    large.lab.tell("revive", machine="host02")
    while power(large, "host02") != "up":
        time.sleep(0.05)
    path = large.directory / "drift" / "latest" / "findings.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    found = {item["machine"]: (item["id"], item["actual"]) for item in written["findings"]}
    assert set(found) == {"host02", "host03"}, done.output
    assert found["host02"][0] == found["host03"][0] == "GF-DRF-009"
    assert "GF-CON-005" in found["host02"][1]
    assert "nowhere" in found["host03"][1]
    # What is declared for each is its own: only the first has a virtual machine.
    assert [(item["name"], item["host"]) for item in written["virtual_machines"]] == [("vm01", "host01")]
    assert "nothing to do" not in done.output
    assert "Look at the host: ok on host01, FAILED on host02, host03" in done.output


def test_a_dead_reference_host_does_not_keep_the_others_from_their_turn(large: Setup) -> None:
    large.lab.tell("kill", machine="host01")
    done = large.ansible.run("prepare_hosts")
    assert done.code != 0
    assert {result.host: result.problems for result in done.results if result.outcome != "skipped"} == {
        "host01": ["GF-CON-005"],
        "host02": [],
        "host03": [],
    }


def expected() -> Description:
    """Return what an undisturbed rollout comes to: the small fabric with more of the same."""
    small: Description = SMALL
    (service,) = small["services"].values()
    (node, host) = (small["machines"][name] for name in ("hgs01", "host01"))
    identities = {name: ("v2", name) for name in ("host01", "host02", "host03")}
    follower = {**host, "files": ["sipolicy.p7b"]}
    follower.pop("virtual machines")
    return {
        "domains": {
            **small["domains"],
            "guardian.example": {"controllers": ["hgs01", "hgs02"], "accounts": ["administrator"]},
        },
        "services": {"hgs.guardian.example": {**service, "nodes": ["hgs01", "hgs02"], "hosts": identities}},
        "machines": {
            **small["machines"],
            "dns01": {**small["machines"]["dns01"], "forwards": {"guardian.example": ["hgs01", "hgs02"]}},
            "hgs02": {**node, "asks for names": ["hgs01", "itself"]},
            "host02": follower,
            "host03": follower,
        },
    }
