# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guarded fabric is for: a broken node, a stranger, a thief, changed firmware, on one fabric in this order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, describe
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, nothing_changes, setup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.integration.runs import Run

ROGUE = "rogue01"
STRANGERS = ("--extra-vars", "guarded_hosts=strangers")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with setup(tmp_path_factory.mktemp("finished"), "small", "psrp") as made:
        made.ansible.succeed("site")
        yield made


@pytest.fixture(scope="module")
def rogue(finished: Setup) -> Setup:
    """Add a host that its administrator prepares like any other, and that nobody registers."""
    finished.lab.tell("add-rogue", name=ROGUE)
    exchange = ("--extra-vars", f"exchange_directory={finished.directory / 'elsewhere'}")
    finished.ansible.succeed("prepare_hosts", *STRANGERS, "--extra-vars", f"reference_hosts={ROGUE}", *exchange)
    return finished


def refused(run: Run, kind: str, owner: str) -> dict[str, str]:
    """Return the one problem for which a run failed; its id, owner and next step have to be in the output too."""
    assert run.code != 0
    (problem,) = [problem for result in run.results for problem in result.result.get("problems", ())]
    assert (problem["id"], problem["owner"]) == (kind, owner)
    for text in (f"{kind} [{owner}]", problem["thing"], problem["what"], problem["next_step"]):
        assert text in run.output
    return dict(problem)


def playbook(directory: Path, host: str, task: Mapping[str, object]) -> Path:
    """Write a playbook of one task."""
    path = directory / "playbook.yml"
    path.write_text(yaml.safe_dump([{"hosts": host, "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    return path


def test_the_fabric_that_psrp_rolls_out_is_that_of_winrm(finished: Setup) -> None:
    assert describe(finished.lab.world()) == SMALL
    with nothing_changes(finished):
        assert finished.ansible.succeed("site").changed == []


def test_who_can_start_what_follows_from_the_key_protectors(finished: Setup) -> None:
    with nothing_changes(finished):
        shown = finished.ansible.succeed("who_can_start").output
    assert ["vm01", "host01", "Owner", "hgs", "host01", "-"] in [line.split() for line in shown.splitlines()]


def test_without_a_node_no_host_attests_and_with_it_again(finished: Setup) -> None:
    finished.lab.tell("kill", machine="hgs01")
    try:
        assert finished.ansible.succeed("attest").changed == []  # what it was told in the morning holds for eight hours
        finished.lab.tell("move-clock", hours=9)
        refused(finished.ansible.run("attest"), "GF-ATT-004", "fabric")
    finally:
        finished.lab.tell("revive", machine="hgs01")
    finished.ansible.succeed("attest")


def test_a_host_that_nobody_registered_is_refused(rogue: Setup) -> None:
    problem = refused(rogue.ansible.run("attest", *STRANGERS), "GF-ATT-006", "guardian")
    assert problem["thing"] == ROGUE
    assert "UnauthorizedHost" in problem["detail"]


def test_a_copied_machine_neither_starts_nor_can_be_read(rogue: Setup, tmp_path: Path) -> None:
    rogue.lab.tell("copy-vm", vm="vm01", to=ROGUE)
    assert (
        rogue.ansible.run("shield", *STRANGERS, "--extra-vars", json.dumps({"shielded_vm_names": ["vm01"]})).code != 0
    )
    start = {"id": "start", "cmdlet": "Start-VM", "parameters": {"Name": ["vm01"]}, "changes": True}
    task = {"guarded.fabric.invoke_cmdlets": {"calls": [start]}}
    started = rogue.ansible.run(playbook(tmp_path, ROGUE, task))
    assert started.code != 0
    assert "Start-VM" in started.output
    states = {item["host"]: item["state"] for item in rogue.lab.tell("status")["virtual_machines"]}
    assert states == {"host01": "Running", ROGUE: "Off"}
    assert "nothing but cipher text" in rogue.lab.tell("read-disk", vm="vm01", on=ROGUE)


def test_changed_firmware_is_named_as_the_reason(finished: Setup, tmp_path: Path) -> None:
    finished.lab.tell("tamper-firmware", host="host01")
    problem = refused(finished.ansible.run("attest"), "GF-ATT-102", "guardian")
    assert "SecureBootSettings" in problem["detail"]

    captured = finished.ansible.succeed("prepare_hosts")
    (evidence,) = captured.of("guarded.fabric.attestation_evidence")
    (candidate,) = [item["path"] for item in evidence.result["artifacts"] if item["status"] == "candidate"]
    approval = {"guarded.fabric.artifact_approval": {"paths": [candidate], "by": "Ada", "reason": "a look at it"}}
    looked = finished.ansible.succeed(playbook(tmp_path, "hgs01", approval), "--check")
    ((differences,),) = [[item["differences"] for item in result.result["artifacts"]] for result in looked.results]
    assert "Somebody Else's CA" in str(differences)
