# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts attest again after an update: the playbook, on one fabric, from the first canary to the last retired policy.

What each cause of a change leads to is tested without Ansible, in tests/unit/resources/test_reattestation.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, nothing_changes, setup
from ansible_collections.guarded.fabric.tests.integration.test_operators import operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.tests.integration.runs import Run

CLUSTER = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}", edition: Standard}
  - {kind: dns, name: "dns{:02}", edition: Standard}
  - {kind: host, name: "host{:02}", count: 3, hardware: Contoso R740, cluster: hv}
"""
"""A canary, and two waves."""
HOSTS = ("host01", "host02", "host03")
DUE = {"guarded_host_update_due": True}
"""As if there were a role that installs what the lab has staged."""


@dataclass(frozen=True)
class Fabric:
    """The lab, and its administrators: one who has all credentials, and one for each of the two domains."""

    setup: Setup
    both: Ansible
    fabric: Ansible
    guardian: Ansible

    def update(self, host: str, update: str) -> None:
        self.setup.lab.tell("update-host", host=host, update=update)

    @property
    def policies(self) -> set[str]:
        """The names of the administrators' policies at HGS."""
        (cluster,) = self.setup.lab.world().clusters.values()
        return {item.name for item in cluster.attestation.policies.values() if not item.name.startswith("Hgs_")}

    @property
    def hosts(self) -> dict[str, tuple[str, bool]]:
        """Attestation status of each host, and whether it is a paused node."""
        machines = self.setup.lab.world().machines
        shown = self.setup.lab.tell("status")["hosts"]
        return {item["name"]: (item["status"], machines[item["name"]].is_paused) for item in shown}


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    with setup(tmp_path_factory.mktemp("reattest"), CLUSTER) as made:
        made.ansible.succeed("hgs fabric_dns prepare_hosts register attest")
        yield Fabric(made, made.ansible, operator(made, "fabric"), operator(made, "guardian"))


def given(**variables: object) -> tuple[str, str]:
    return ("--extra-vars", json.dumps(variables))


def stopped(run: Run, kind: str, owner: str) -> list[dict[str, str]]:
    """Return the problems for which a run stopped; id, owner, detail and next step are in its output too."""
    assert run.code != 0
    problems = [item for result in run.results for item in result.result.get("problems", ())]
    for problem in problems:
        assert (problem["id"], problem["owner"]) == (kind, owner)
        for text in (f"{kind} [{owner}]", problem["thing"], problem["detail"], problem["next_step"]):
            assert text in run.output
    return problems


def asked(run: Run) -> set[str]:
    return {result.host for result in run.results} - {"localhost"}


def candidates(fabric: Fabric) -> list[str]:
    """Return the fingerprints of the baseline and of the policy that wait for somebody to approve them."""
    sidecars = sorted(fabric.setup.exchange.glob("*/*.candidate.*.sidecar.json"), reverse=True)
    return [json.loads(path.read_text(encoding="utf-8"))["fingerprint"] for path in sidecars]


def test_a_fabric_that_attests_is_left_alone(fabric: Fabric) -> None:
    fabric.both.succeed("reattest")  # what each host started with is kept from now on
    with nothing_changes(fabric.setup):
        foreseen = fabric.both.succeed("reattest", "--check", *given(**DUE)).changed
    assert {line for line in foreseen if line.endswith("host03")} == {
        "guarded.fabric.guarded_host : Move virtual machines away on host03",
        "guarded.fabric.guarded_host : Start with the update on host03",
    }


def test_an_update_stops_at_the_canary_until_somebody_approves_what_changed(fabric: Fabric) -> None:
    before = fabric.policies
    for host in HOSTS:
        fabric.setup.lab.tell("stage-update", host=host, update="firmware")
    # Whoever maintains the code integrity policy has a newer one, and brings it to the canary.
    fabric.setup.lab.tell("stage-update", host="host01", update="policy")
    run = fabric.fabric.run("reattest", *given(**DUE))
    problems = stopped(run, "GF-REA-001", "guardian")
    baseline, policy = candidates(fabric)
    assert [problem["thing"].rsplit("/", 2)[1:] for problem in problems] == [
        ["tpm-baselines", "Contoso-R740.candidate.tcglog"],
        ["ci-policies", "Contoso-R740-software.candidate.p7b"],
    ]
    for word in ("captured from host01", baseline, "variable dbx (PCR 7", "3 entries", "4 entries", "added 1"):
        assert word in problems[0]["detail"]
    for word in ("captured from host01", policy, "ersion"):
        assert word in problems[1]["detail"]
    assert asked(run) == {"host01"}
    assert fabric.hosts == {"host01": ("Expired", True), "host02": ("Passed", False), "host03": ("Passed", False)}
    with nothing_changes(fabric.setup):
        assert stopped(fabric.both.run("reattest"), "GF-REA-001", "guardian") == problems
    assert fabric.policies == before


def test_an_approval_names_what_it_is_for(fabric: Fabric) -> None:
    with nothing_changes(fabric.setup):
        of_something_else = given(attestation_approved_fingerprints=["0" * 64], attestation_approved_by="Ada")
        stopped(fabric.both.run("reattest", *of_something_else), "GF-REA-001", "guardian")
        # The guardian alone is shown what waits.
        assert "variable dbx" in fabric.guardian.succeed("reattest").output


def test_what_was_approved_is_registered_beside_the_old_and_goes_from_wave_to_wave(fabric: Fabric) -> None:
    before, (baseline, policy) = fabric.policies, candidates(fabric)
    reason = "firmware 2.19.2, change 815"
    approval = given(attestation_approved_fingerprints=[baseline, policy], attestation_approved_by="Ada")
    fabric.guardian.succeed("reattest", *approval, *given(attestation_approval_reason=reason))
    assert fabric.policies == before | {f"Contoso-R740 {baseline[:8]}", f"Contoso-R740-software {policy[:8]}"}
    sidecar = fabric.setup.exchange / "tpm-baselines" / "Contoso-R740.tcglog.sidecar.json"
    approved = json.loads(sidecar.read_text(encoding="utf-8"))["approval"]
    assert (approved["by"], approved["reason"]) == ("Ada", reason)

    run = fabric.fabric.succeed("reattest", *given(**DUE))
    applied = [line for line in run.changed if "Apply the code integrity policy" in line]
    assert [line.rsplit(" ", 1)[1] for line in applied] == ["host02", "host03"]
    steps = [
        run.output.index(f"{task}: changed on {host}")
        for host in HOSTS
        for task in ("Start with the update", "Take virtual machines again")
    ]
    assert steps == sorted(steps)
    assert fabric.hosts == dict.fromkeys(HOSTS, ("Passed", False))
    assert fabric.policies > before


def test_the_old_one_is_retired_once_no_host_uses_it(fabric: Fabric) -> None:
    before = fabric.policies
    limited = fabric.both.succeed("reattest", "--limit", "!host03")
    assert "not seen: host03" in limited.output
    assert fabric.policies == before
    assert fabric.both.succeed("reattest").changed == ["guarded.fabric.attestation : Retire it on hgs01"]
    assert sorted(name.split()[0] for name in before - fabric.policies) == ["Contoso-R740", "Contoso-R740-software"]
    with nothing_changes(fabric.setup):
        assert fabric.both.succeed("reattest").changed == []


def test_a_wave_stops_at_the_first_host_that_differs(fabric: Fabric) -> None:
    fabric.update("host02", "dbx")
    # Who has no access to HGS learns from the attestation that it is not trusted.
    run = fabric.fabric.run("reattest")
    assert run.code != 0
    for word in ("GF-ATT-102", "GF-REA-002", "captured from host02", "variable dbx (PCR 7"):
        assert word in run.output
    assert asked(run) == {"host01", "host02"}


def test_one_host_that_differs_stops_its_whole_wave_and_what_comes_after(fabric: Fabric) -> None:
    run = fabric.both.run("reattest", *given(guarded_host_waves=[2]))
    (problem,) = stopped(run, "GF-REA-002", "fabric")
    assert "captured from host02" in problem["detail"]
    done = {result.task.rpartition(" : ")[2] for result in run.results if result.host in {"host03", "hgs01"}}
    assert "Stop where the host did not start as somebody approved" in done
    assert not done & {"Attest to the Host Guardian Service", "Read which hosts there are"}


def test_a_canary_that_yields_no_evidence_stops_everything(fabric: Fabric) -> None:
    before = fabric.policies
    fabric.update("host01", "secure-boot-off")
    run = fabric.both.run("reattest")
    assert run.code != 0
    ids = [item for result in run.results for item in result.problems]
    assert "GF-REA-002" in ids
    assert "variable SecureBoot (PCR 7, EV_EFI_VARIABLE_DRIVER_CONFIG): on -> off" in run.output
    assert asked(run) == {"host01"}
    assert fabric.policies == before
