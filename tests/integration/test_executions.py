# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task costs: one remote execution where nothing changes, two where something does, however many its items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

TASKS = {
    "dns01": {
        "guarded.fabric.dns_conditional_forwarders": {
            "config": [{"name": f"zone{number}.example", "master_servers": ["127.0.0.9"]} for number in range(5)]
        }
    },
    "tenant01": {
        "guarded.fabric.guardians": {"config": [{"name": name, "generate": True} for name in ("Ada", "Grace")]}
    },
    "hgs01": {"guarded.fabric.dns_client": {"config": {"server_addresses": ["127.0.0.9"]}}},
    "host01": {
        "guarded.fabric.windows_features": {
            "config": [{"name": "RSAT-Shielded-VM-Tools"}, {"name": "RSAT-Clustering-PowerShell"}]
        }
    },
}


@pytest.fixture(scope="module")
def playbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a playbook with one task for each machine."""
    path = tmp_path_factory.mktemp("playbook") / "tasks.yml"
    plays = [{"hosts": host, "gather_facts": False, "tasks": [task]} for host, task in TASKS.items()]
    path.write_text(yaml.safe_dump(plays), encoding="utf-8")
    return path


def executions(small: Setup, playbook: Path, *arguments: str) -> tuple[dict[str, int], list[bool]]:
    """Return how many executions each machine has from a run, and which tasks changed something."""
    before = small.lab.executions()
    done = small.ansible.succeed(playbook, *arguments)
    after = small.lab.executions()
    counted = {host: after[host] - before.get(host, 0) for host in TASKS}
    return counted, [result.changed for result in done.results]


def test_one_execution_foretells_a_change(small: Setup, playbook: Path) -> None:
    assert executions(small, playbook, "--check") == (dict.fromkeys(TASKS, 1), [True] * len(TASKS))


def test_two_executions_change_something_and_see_that_it_is_so(small: Setup, playbook: Path) -> None:
    assert executions(small, playbook) == (dict.fromkeys(TASKS, 2), [True] * len(TASKS))


def test_one_execution_finds_that_there_is_nothing_to_do(small: Setup, playbook: Path) -> None:
    assert executions(small, playbook) == (dict.fromkeys(TASKS, 1), [False] * len(TASKS))


def test_one_execution_compares_a_whole_host_with_its_declaration(small: Setup, tmp_path: Path) -> None:
    declared = {
        "windows_features": {"config": [{"name": "RSAT-Shielded-VM-Tools"}, {"name": "Hyper-V"}]},
        "code_integrity_policy": {"config": {"scan": {"level": "Hash"}}},
        "dns_client": {"state": "gathered"},
        "bitlocker_volumes": {"state": "gathered"},
    }
    path = tmp_path / "drift.yml"
    task = {"guarded.fabric.drift": {"resources": declared}}
    path.write_text(yaml.safe_dump([{"hosts": "host01", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    before, changes = small.lab.executions().get("host01", 0), small.lab.changes()
    (result,) = small.ansible.succeed(path).results
    assert small.lab.executions()["host01"] - before == 1
    assert small.lab.changes() == changes
    assert not result.changed
    assert result.result["drifted"]
    found = {name: item["differences"] for name, item in result.result["resources"].items()}
    assert {"object": "Hyper-V", "property": "installed", "expected": True, "actual": False} in found[
        "windows_features"
    ]
    assert found["code_integrity_policy"] == [{"object": "", "property": "active", "expected": True, "actual": False}]
    assert result.result["unknown"] == ["bitlocker_volumes"]
