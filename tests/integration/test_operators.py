# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout by three people, each with the machines and credentials of one trust domain, who share a directory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, describe
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible
from ansible_collections.guarded.fabric.tests.integration.setups import Setup

if TYPE_CHECKING:
    from pathlib import Path

DOMAINS = {
    "guardian": ("hgs",),
    "fabric": ("fabric_dns", "guarded_hosts", "reference_hosts"),
    "tenant": ("tenant", "guests"),
}


@dataclass(frozen=True)
class Operators:
    """Ansible as each of the three has it."""

    setup: Setup
    guardian: Ansible
    fabric: Ansible
    tenant: Ansible


def part(source: Path, target: Path, groups: tuple[str, ...]) -> Path:
    """Copy of an inventory what one domain may see: its groups, and the variables that all share."""
    content = yaml.safe_load(source.read_text(encoding="utf-8"))
    children = content["all"]["children"]
    content["all"]["children"] = {group: children[group] for group in groups if group in children}
    target.mkdir(parents=True)
    (target / source.name).write_text(yaml.safe_dump(content), encoding="utf-8")
    for group in ("all", *groups):
        if (source.parent / "group_vars" / group).exists():
            shutil.copytree(source.parent / "group_vars" / group, target / "group_vars" / group)
    return target / source.name


def operator(setup: Setup, domain: str) -> Ansible:
    """Give an operator an inventory of the machines of one domain."""
    directory = setup.directory / domain
    sources = {"machines": setup.lab.inventory / "hosts.yml", "decisions": setup.decisions / "fabric.yml"}
    parts = [part(source, directory / name, DOMAINS[domain]) for name, source in sources.items()]
    return Ansible(directory / "ansible", parts)


@pytest.fixture(scope="module")
def operators(small: Setup) -> Operators:
    """Bring the three to where the guardian has to approve what the fabric captured."""
    made = Operators(small, *(operator(small, domain) for domain in DOMAINS))
    made.guardian.succeed("hgs")
    made.fabric.succeed("fabric_dns prepare_hosts")
    return made


def test_nobody_has_the_password_of_another_domain(operators: Operators) -> None:
    passwords = {
        domain: {
            line
            for path in (operators.setup.directory / domain).rglob("group_vars/*/*.yml")
            for line in path.read_text(encoding="utf-8").splitlines()
            if "password" in line
        }
        for domain in DOMAINS
    }
    assert all(passwords.values())
    assert not passwords["guardian"] & (passwords["fabric"] | passwords["tenant"])
    assert not passwords["fabric"] & passwords["tenant"]


def test_the_guardian_stops_at_evidence_that_nobody_approved(operators: Operators) -> None:
    before = operators.setup.lab.changes()
    stopped = operators.guardian.run("register", "--extra-vars", "attestation_approved_by=''")
    assert stopped.code != 0
    assert [result.problems for result in stopped.results if result.problems] == [["GF-EXC-005"]]
    assert "GF-EXC-005 [guardian]" in stopped.output
    assert operators.setup.lab.changes() == before


def test_the_three_come_to_the_fabric_of_one(operators: Operators) -> None:
    operators.guardian.succeed("register")
    operators.fabric.succeed("attest")
    operators.tenant.succeed("key_protectors")
    operators.fabric.succeed("shield")
    operators.tenant.succeed("encrypt_guests")
    assert describe(operators.setup.lab.world()) == SMALL


def test_there_is_nothing_left_for_any_of_them(operators: Operators) -> None:
    for ansible, playbooks in (
        (operators.guardian, "hgs register"),
        (operators.fabric, "fabric_dns prepare_hosts attest shield"),
        (operators.tenant, "key_protectors encrypt_guests"),
    ):
        assert ansible.succeed(playbooks).changed == []
