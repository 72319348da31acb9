# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks that only look show of a host that is new, that lacks something, that does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.tests.integration.setups import nothing_changes

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

REQUIRED = ("--extra-vars", "readiness_required_mode=tpm")


def row(output: str, *cells: str) -> bool:
    return any(line.split()[: len(cells)] == list(cells) for line in output.splitlines())


def test_a_new_host_can_be_prepared_and_looking_costs_one_execution(small: Setup) -> None:
    before = small.lab.executions().get("host01", 0)
    with nothing_changes(small):
        done = small.ansible.succeed("readiness", *REQUIRED)
    assert small.lab.executions()["host01"] == before + 1
    assert row(
        done.output, "host01", "Microsoft", "Windows", "Server", "2022", "Datacenter", "preparable", "preparable"
    )
    assert row(done.output, "host01", "GF-RDY-003", "preparable")
    assert row(done.output, "GF-RDY-003", "fabric", "run", "the", "playbook")


def test_a_host_that_lacks_something_or_does_not_answer_fails_the_run_that_needs_it(small: Setup) -> None:
    small.lab.tell("make-unready", host="host01", condition="no-secure-boot")
    try:
        blocked = small.ansible.run("readiness", *REQUIRED)
        assert blocked.code != 0
        assert row(blocked.output, "host01", "GF-RDY-021", "blocked")
        assert "not ready: host01" in blocked.output
        small.lab.tell("kill", machine="host01")
        silent = small.ansible.run("readiness", *REQUIRED)
        assert silent.code != 0
        assert row(silent.output, "host01", "could", "not", "be", "asked", "unknown", "unknown")
        assert "not ready: host01" in silent.output
        # Nor does the playbook status take silence for an answer.
        assert row(small.ansible.run("status").output, "host01", "unknown", "unknown", "unknown")
    finally:
        small.lab.tell("revive", machine="host01")
