# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a machine for adopting it, on the lab."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.reading import User
from ansible_collections.guarded.fabric.plugins.action.adoption_reading import shown
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_reading import PARTS, Living, reading

from .living import SCAN, Decisions, grow

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab

    from .living import Fabric


@pytest.fixture(scope="module")
def lab(half_built: Fabric) -> Lab:
    return grow(half_built, Decisions()).lab


def read(lab: Lab, part: str, machine: str) -> Living:
    changes = lab.reader.statistics.changes.total()
    living = lab.drive(lab.machine(machine), reading(part, machine, SCAN), check_mode=True)
    assert lab.reader.statistics.changes.total() == changes
    assert set(living.verdicts) == set(PARTS[part])
    return living


@pytest.mark.parametrize(
    ("part", "machine", "executions"),
    [("hgs", "hgs01", 1), ("dns", "dns01", 1), ("tenant", "tenant01", 1), ("host", "host01", 2)],
)
def test_a_machine_is_read_in_as_few_executions_as_can_be(lab: Lab, part: str, machine: str, executions: int) -> None:
    living = read(lab, part, machine)
    assert len(lab.log.executions) == executions
    assert living.unread == ()
    assert all(verdict.known for verdict in living.verdicts.values())


def test_a_host_shows_what_it_started_with_and_its_machines_in_full(lab: Lab) -> None:
    living = read(lab, "host", "host01")
    assert set(living.artifacts) == {"platform_identifier", "boot_log", "code_integrity_policy"}
    (machine,) = (item for item in living.verdicts["shielded_vms"].before if item["name"] == "vm01")
    assert machine["shielded"] is True
    assert base64.b64decode(shown(living)["protectors"]["vm01"]) == living.protectors["vm01"]


def test_a_policy_that_a_host_made_of_itself_is_told_from_one_that_it_was_given(lab: Lab) -> None:
    policies = [read(lab, "host", name).verdicts["code_integrity_policy"] for name in ("host01", "host02")]
    assert [policy.before[0]["active"] for policy in policies] == [True, False]


def test_a_node_shows_metadata_and_the_certificates_it_trusts(lab: Lab) -> None:
    living = read(lab, "hgs", "hgs01")
    assert set(living.artifacts) == {"guardian_metadata"}
    assert {store: len(certificates) for store, certificates in living.vendors.items()} == {
        "root": 1,
        "intermediate": 0,
    }


def test_a_machine_of_another_kind_is_unknown_and_no_failure(lab: Lab) -> None:
    living = read(lab, "host", "dns01")
    assert not living.verdicts["hgs_client"].known
    assert {problem.kind.id for problem in living.unread} == {"GF-ADO-001"}


def test_what_an_account_may_not_read_hides_nothing_else(lab: Lab) -> None:
    lab.user = User("auditor", reads_only=True)
    try:
        living = read(lab, "host", "host01")
    finally:
        lab.user = User("Administrator")
    assert {problem.thing for problem in living.unread} == {"platform identifier of host01", "boot log of host01"}
    assert all("Access is denied." in problem.detail for problem in living.unread)
    assert set(living.artifacts) == {"code_integrity_policy"}
    assert living.protectors == {}
    assert living.verdicts["hgs_client"].known
