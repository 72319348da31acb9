# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift check as a user runs it, after a rollout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.integration.runs import Run
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup


@pytest.fixture(scope="module")
def fabric(small: Setup) -> Setup:
    small.ansible.succeed("site")
    return small


def check(fabric: Setup, *arguments: str) -> tuple[Run, dict[str, Any]]:
    """Run the check, which changes nothing and takes one execution a machine; return what it wrote."""
    changes, executions = fabric.lab.changes(), fabric.lab.executions()
    done = fabric.ansible.run("drift", *arguments)
    assert fabric.lab.changes() == changes
    looks = {name: count - executions.get(name, 0) for name, count in fabric.lab.executions().items()}
    assert set(looks.values()) <= {0, 1}
    path = fabric.directory / "drift" / "latest" / "findings.json"
    return done, json.loads(path.read_text(encoding="utf-8"))


def ids(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return sorted((item["id"], item["machine"], item["property"]) for item in found)


def test_a_fabric_as_it_was_rolled_out_has_no_findings(fabric: Setup) -> None:
    done, written = check(fabric)
    assert done.code == 0, done.output
    assert written["findings"] == []
    assert [host["guarded"] for host in written["hosts"]] == [True]
    assert [
        (machine["name"], machine["can_start"], machine["shielded"]) for machine in written["virtual_machines"]
    ] == [("vm01", True, True)]
    assert {certificate["purpose"] for certificate in written["certificates"]} >= {"HGS signing", "TPM vendor root"}
    assert "findings: none; 0 new, 0 gone, 0 suppressed" in done.output
    assert {machine["name"] for machine in written["machines"]} == {"hgs01", "dns01", "host01", "tenant01"}


def test_what_a_colleague_changed_is_found_and_fails_the_check(fabric: Setup, tmp_path: Path) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(COLLEAGUE, encoding="utf-8")
    fabric.ansible.succeed(playbook)
    done, written = check(fabric)
    assert done.code != 0
    assert ids(written["findings"]) == [("GF-DRF-001", "dns01", "master_servers"), ("GF-DRF-003", "hgs01", "")]
    assert all(item["new"] for item in written["findings"])
    assert "GF-DRF-003 [guardian] attestation_policies by hand on hgs01" in done.output
    assert "GF-WAT-008" in done.output


def test_what_is_suppressed_or_below_the_threshold_does_not_fail_it(fabric: Setup) -> None:
    extra = {
        "drift_suppressions": [
            {"query": "[?machine=='hgs01']", "reason": "a partner", "owner": "ada", "expires": "2999-01-01"}
        ]
    }
    done, written = check(fabric, "--extra-vars", json.dumps(extra))
    assert done.code == 0, done.output
    assert ids(written["findings"]) == [("GF-DRF-001", "dns01", "master_servers")]
    assert [(item["id"], item["reason"]) for item in written["suppressed"]] == [("GF-DRF-003", "a partner")]
    assert not any(item["new"] for item in written["findings"])


def test_a_query_that_matches_nothing_is_an_error_and_the_last_run_stays(fabric: Setup) -> None:
    extra = {"drift_fail_at": [{"severity": "info", "query": "[?owner=='Fabric']"}]}
    folder = fabric.directory / "drift"
    before = sorted(path.name for path in folder.iterdir())
    done, _ = check(fabric, "--extra-vars", json.dumps(extra))
    assert done.code != 0
    assert "GF-WAT-003" in done.output
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_machine_that_is_down_is_unknown_and_the_rollout_is_the_remedy_of_the_rest(fabric: Setup) -> None:
    fabric.ansible.succeed("fabric_dns key_protectors")
    fabric.lab.tell("kill", machine="host01")
    extra = ("--extra-vars", '{"ansible_winrm_connection_timeout": 3}')
    done, written = check(fabric, *extra)
    fabric.lab.tell("revive", machine="host01")
    assert done.code != 0
    assert ids(written["findings"]) == [("GF-DRF-003", "hgs01", ""), ("GF-DRF-009", "host01", "")]
    assert [(item["id"], item["machine"]) for item in written["gone"]] == [("GF-DRF-001", "dns01")]
    assert [host["guarded"] for host in written["hosts"]] == [None]


COLLEAGUE = """
- hosts: dns01
  gather_facts: false
  tasks:
    - guarded.fabric.dns_conditional_forwarders:
        config: [{name: "{{ hgs_domain }}", master_servers: [127.9.9.9]}]
- hosts: hgs01
  gather_facts: false
  tasks:
    - guarded.fabric.attestation_policies:
        config:
          - name: by hand
            baseline: "{{ query('ansible.builtin.fileglob', exchange_directory ~ '/tpm-baselines/*.tcglog') | first }}"
"""
