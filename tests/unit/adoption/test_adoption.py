# SPDX-License-Identifier: GPL-3.0-or-later
"""What is adopted of a fabric in which something is odd, and what is said of the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.guarded.fabric.lab.reading import User
from ansible_collections.guarded.fabric.plugins.plugin_utils import adoption_files, catalogue
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption import NOT_ADOPTED, adopt
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_model import Shown
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_text import texts
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import TPM_BASELINE
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import load
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError

from .living import HOSTS, Decisions, Fabric, grow, show, write
from .test_round_trip import adopted_as_it_is

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption import Adoption


@pytest.fixture(scope="module")
def machines(half_built: Fabric) -> list[Shown]:
    return show(grow(half_built, Decisions()), HOSTS)


def adopted(machines: Sequence[Shown]) -> Adoption:
    return adopt(machines, "/exchange", {})


def without(machines: Sequence[Shown], name: str, resource: str) -> list[Shown]:
    """Return what was shown, but that a resource of one machine could not be read."""
    unknown = {
        "before": [],
        "unknown": [{"id": "GF-RUN-001", "what": "could not be read", "detail": "Access is denied."}],
    }
    return [
        replace(item, result={**item.result, "resources": {**item.result["resources"], resource: unknown}})
        if item.name == name and item.result is not None
        else item
        for item in machines
    ]


def left_out(adoption: Adoption) -> dict[str, str]:
    return {problem.thing: problem.detail for problem in adoption.problems if problem.kind.id == "GF-ADO-002"}


def test_a_machine_that_did_not_answer_is_left_out_with_what_was_said(machines: list[Shown]) -> None:
    silent = [
        replace(item, result={"unreachable": True, "msg": "no route"}) for item in machines if item.name == "host01"
    ]
    others = [item for item in machines if item.name != "host01"]
    never = [Shown("host09", "host", None)]
    adoption = adopted([*others, *silent, *never])
    assert left_out(adoption) == {"host01": "no route", "host09": "no task ran for it"}
    assert set(adoption.members[NOT_ADOPTED]) == {"host01", "host09"}
    assert "host01" not in adoption.machines
    # HGS knows it all the same, and is not to lose it.
    assert adoption.groups["hgs"]["attestation_hosts_without_artifact"] == ["host01"]


def test_a_node_that_does_not_show_its_hosts_is_left_out_lest_they_be_removed(machines: list[Shown]) -> None:
    unread = without(without(machines, "hgs01", "attestation_hosts"), "hgs02", "attestation_hosts")
    adoption = adopted(unread)
    assert left_out(adoption)["hgs01"] == "attestation_hosts could not be read"
    assert "hgs" not in adoption.members
    assert left_out(adoption)["dns01"].startswith("no node of the Host Guardian Service")
    # Nobody knows which baseline HGS has, so their hosts have none; they are what they were.
    assert set(adoption.members["guarded_hosts"]) == set(HOSTS)
    assert adoption.machines["host01"]["guarded_host_software_class"] == ""


def test_what_could_not_be_read_of_a_host_is_left_as_it_is(machines: list[Shown]) -> None:
    adoption = adopted(without(machines, "host01", "shielded_vms"))
    assert "shielded_vm_names" not in adoption.machines["host01"]
    assert any(
        "Access is denied." in problem.detail for problem in adoption.problems if problem.kind.id == "GF-ADO-001"
    )


@pytest.mark.parametrize("resource", ["windows_features", "hgs_client"])
def test_a_host_of_which_too_little_is_known_is_left_out(machines: list[Shown], resource: str) -> None:
    assert left_out(adopted(without(machines, "host02", resource))) == {"host02": f"{resource} could not be read"}


def test_a_tenant_without_an_owner_is_left_out(half_built: Fabric) -> None:
    shown = show(half_built, HOSTS)
    told = left_out(adopted(shown))
    assert told["tenant01"].startswith("it has no guardian with private keys")
    assert told["host01"] == "its HGS client is in mode Local"
    assert told["dns01"] == "it has no conditional forwarder for hgs.lab"


def test_a_name_that_reads_as_a_template_stays_a_name(half_built: Fabric) -> None:
    name = "{{ lookup('pipe', 'id') }}"
    fabric = half_built.copy()
    path = fabric.operator.path(TPM_BASELINE, "x01")
    fabric.operator.do("hgs01", catalogue.RESOURCES["attestation_policies"], {"name": name, "baseline": path})
    text = texts(adopted(show(fabric, HOSTS)))["group_vars/hgs/adopted.yml"]
    assert f'!unsafe "{name}"' in text


def test_the_same_fabric_gives_the_same_bytes_and_another_replaces_nothing(
    half_built: Fabric, machines: list[Shown], tmp_path: Path
) -> None:
    first = write(machines, tmp_path)
    assert texts(adopted(machines)) == texts(adopted(machines))
    grown = show(grow(half_built, Decisions(zones=["a.lab"], switched_off=["Hgs_NoHibernation"])), HOSTS)
    with pytest.raises(FabricError) as refused:
        write(grown, tmp_path)
    assert {problem.kind.id for problem in refused.value.problems} == {"GF-ADO-010"}
    assert [problem.thing.removeprefix(f"{tmp_path}/") for problem in refused.value.problems] == [
        "group_vars/hgs/adopted.yml"
    ]
    for name, text in first.texts.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text
    write(grown, tmp_path, may_replace=True)
    variables = yaml.safe_load((tmp_path / "group_vars" / "hgs" / "adopted.yml").read_text(encoding="utf-8"))
    switches = {item["name"]: item["enabled"] for item in variables["attestation_built_in_policies"]}
    assert switches["Hgs_NoHibernation"] is False


def test_nothing_is_approved_by_being_adopted(machines: list[Shown], tmp_path: Path) -> None:
    adoption = adopted(machines)
    filed = adoption_files.file_artifacts(
        adoption.artifacts, str(tmp_path), {}, "2026-11-24T19:00:00Z", check_mode=False
    )
    assert all(item.artifact.sidecar and item.artifact.sidecar.approval is None for item in filed)
    waiting = {
        problem.thing.removeprefix(f"{tmp_path}/") for problem in adoption_files.unapproved(adoption.artifacts, filed)
    }
    assert waiting == {
        *(f"platform-identifiers/{name}.xml" for name in HOSTS),
        *(f"tpm-baselines/{name}-hw.tcglog" for name in ("host01", "x01")),
        *(f"ci-policies/{name}-sw.p7b" for name in ("host01", "x01")),
        "guardians/hgs.xml",
    }


def test_only_what_the_fabric_relies_on_is_approved_by_who_adopts_it(half_built: Fabric, tmp_path: Path) -> None:
    write(show(grow(half_built, Decisions(baselines_by_class=False)), HOSTS), tmp_path)
    folder = tmp_path / "exchange" / TPM_BASELINE.folder
    baselines = [load(path, TPM_BASELINE) for path in folder.glob("*.tcglog")]
    # HGS has baselines under free names: nobody knows whether it is these.
    assert {item.name.partition("-")[0] for item in baselines} == {"hardware"}
    assert [item.sidecar.approval for item in baselines if item.sidecar] == [None, None]


def test_check_mode_writes_nothing(machines: list[Shown], tmp_path: Path) -> None:
    adoption = adopted(machines)
    adoption_files.file_artifacts(adoption.artifacts, str(tmp_path), {}, "2026-11-24T19:00:00Z", check_mode=True)
    assert list(tmp_path.iterdir()) == []


def test_an_account_that_only_reads_adopts_what_it_sees_and_says_what_not(
    half_built: Fabric, tmp_path: Path, declared: Callable[[Path], dict[str, Any]]
) -> None:
    decided = Decisions()
    fabric = grow(half_built, decided)
    fabric.lab.user = User("auditor", reads_only=True)
    written, _declared = adopted_as_it_is(fabric, decided, tmp_path, declared)
    assert written.adoption.groups["hgs"]["attestation_hosts_without_artifact"] == sorted(HOSTS)
    unread = {problem.thing for problem in written.adoption.problems if problem.kind.id == "GF-ADO-001"}
    assert {"platform identifier of host01", "boot log of host01", "guardian metadata of hgs01"} <= unread
