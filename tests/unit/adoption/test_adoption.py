# SPDX-License-Identifier: GPL-3.0-or-later
"""What is adopted of a fabric in which something is odd, and what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.guarded.fabric.lab.reading import User
from ansible_collections.guarded.fabric.plugins.action import adoption as action
from ansible_collections.guarded.fabric.plugins.plugin_utils import adoption_files, catalogue
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption import NOT_ADOPTED, adopt
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_model import Shown
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_text import texts
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import TPM_BASELINE
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import load
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.tests.unit.resources.test_evidence_comparison import run

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


def altered(machines: Sequence[Shown], name: str, *changes: tuple[str, str]) -> list[Shown]:
    """Return what was shown, with other words of one machine."""

    def change(item: Shown) -> Shown:
        text = json.dumps(item.result)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return replace(item, result=json.loads(text))

    return [change(item) if item.name == name else item for item in machines]


def ids_of(adoption: Adoption, thing: str) -> set[str]:
    return {problem.kind.id for problem in adoption.problems if problem.thing == thing}


def test_a_machine_whose_name_is_no_files_keeps_the_protector_it_has(machines: list[Shown]) -> None:
    adoption = adopted(altered(machines, "host01", ('"vm01"', '"pay roll"')))
    assert adoption.machines["host01"]["shielded_vm_names"] == ["pay roll"]
    assert adoption.machines["host01"]["shielded_vm_machine_settings"] == {"pay roll": {"key_protector": None}}
    assert ids_of(adoption, "the virtual machine pay roll") == {"GF-ADO-006"}
    assert adoption.machines["tenant01"]["shielded_vm_names"] == ["vm02"]


def test_two_machines_of_one_name_share_no_protector(machines: list[Shown]) -> None:
    adoption = adopted(altered(machines, "host01", ('"vm01"', '"vm02"')))
    for host in ("host01", "host02"):
        assert adoption.machines[host]["shielded_vm_machine_settings"] == {"vm02": {"key_protector": None}}


def test_a_machine_whose_name_reads_as_a_template_is_named_and_left_alone(machines: list[Shown]) -> None:
    adoption = adopted(altered(machines, "host01", ('"vm01"', '"{{ 1 }}"')))
    assert "shielded_vm_names" not in adoption.machines["host01"]
    assert ids_of(adoption, "the virtual machine {{ 1 }}") == {"GF-ADO-006"}


def test_a_guardian_of_another_fabric_is_known_by_its_name(machines: list[Shown]) -> None:
    tenant = next(item for item in machines if item.name == "tenant01")
    prints = next(item for item in tenant.state("guardians") or () if item["name"] == "hgs")["signing_thumbprint"]
    adoption = adopted(altered(machines, "tenant01", (prints, "A" * 40)))
    assert adoption.groups["tenant"]["shielded_vm_known_guardians"] == ["hgs"]
    assert adoption.groups["tenant"]["shielded_vm_guardians"] == []
    assert ids_of(adoption, "the guardian hgs") == {"GF-ADO-008"}
    assert ids_of(adoption, "the virtual machine vm01") == {"GF-ADO-009"}


def test_a_signed_policy_is_left_as_it_is(machines: list[Shown]) -> None:
    host = next(item for item in machines if item.name == "host02")
    applied = str(host.single("code_integrity_policy")["sha256"])
    adoption = adopted(altered(machines, "host02", (applied, "0" * 64)))
    assert adoption.machines["host02"]["guarded_host_software_class"] == ""
    assert ids_of(adoption, "host02") == {"GF-ADO-007"}


@pytest.mark.parametrize(
    ("urls", "variables"),
    [
        (
            ("https://hgs.hgs.lab/Attestation", "https://hgs.hgs.lab/KeyProtection"),
            {"guarded_host_hgs_service": "hgs.hgs.lab", "guarded_host_hgs_scheme": "https"},
        ),
        (
            ("http://a.lab/Attestation", "http://b.lab/KeyProtection"),
            {
                "guarded_host_attestation_url": "http://a.lab/Attestation",
                "guarded_host_key_protection_url": "http://b.lab/KeyProtection",
            },
        ),
    ],
)
def test_a_host_finds_its_service_as_it_did(
    machines: list[Shown], urls: tuple[str, str], variables: dict[str, str]
) -> None:
    other = tuple(zip(("http://hgs.hgs.lab/Attestation", "http://hgs.hgs.lab/KeyProtection"), urls, strict=True))
    adoption = adopted(altered(machines, "x01", *other))
    assert {**adoption.groups.get("guarded_hosts", {}), **adoption.machines["x01"]}.items() >= variables.items()


def test_a_host_with_the_name_of_another_ones_tpm_is_not_taken_for_it(machines: list[Shown]) -> None:
    hosts = {item.name: item for item in machines if item.part == "host"}
    result = {**hosts["host02"].result, "artifacts": hosts["host01"].result["artifacts"]}  # type: ignore[dict-item, index]
    stolen = [
        replace(item, result=result) if item.name == "host02" else item for item in machines if item.name != "host01"
    ]
    adoption = adopted(stolen)
    # Its TPM is that of host01, whatever it is called.
    assert adoption.machines["host02"]["guarded_host_name"] == "host01"
    assert ids_of(adoption, "the host host02") == {"GF-ADO-004"}


def task(folder: Path, machines: Sequence[Shown], *, check_mode: bool = False, **more: object) -> dict[str, Any]:
    given = [{"name": item.name, "part": item.part, "result": item.result} for item in machines]
    arguments = {"folder": str(folder), "exchange": str(folder / "exchange"), "machines": given, **more}
    told: dict[str, Any] = run(action, arguments, check_mode=check_mode)
    return told


def test_the_module_tells_what_it_wrote_and_what_waits(machines: list[Shown], tmp_path: Path) -> None:
    foretold = task(tmp_path, machines, check_mode=True)
    assert list(tmp_path.iterdir()) == []
    told = task(tmp_path, machines)
    assert (told["changed"], told["files"]) == (foretold["changed"], foretold["files"]) == (True, told["files"])
    assert "GF-ADO-012" in {note["id"] for note in told["notes"]}
    assert task(tmp_path, machines)["changed"] is False
    approved = task(tmp_path, machines, approved_by="ada", approval_reason="it runs")
    assert (approved["changed"], approved["files"]) == (True, {"new": [], "replaced": []})
    assert "GF-ADO-012" not in {note["id"] for note in approved["notes"]}
    assert task(tmp_path, machines, approved_by="ada", approval_reason="it runs")["changed"] is False


def test_an_approval_without_a_reason_is_none(machines: list[Shown], tmp_path: Path) -> None:
    told = task(tmp_path, machines, approved_by="ada")
    assert [problem["id"] for problem in told["problems"]] == ["GF-ADO-013"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(machines: list[Shown], tmp_path: Path) -> None:
    (tmp_path / "group_vars").write_text("in the way", encoding="utf-8")
    told = task(tmp_path, machines)
    assert [problem["id"] for problem in told["problems"]] == ["GF-ADO-011"]


@pytest.mark.parametrize("result", [{}, {"resources": None}, {"resources": "none"}, {"failed": True, "msg": "no"}])
def test_what_is_no_reading_is_a_machine_that_was_not_seen(result: dict[str, object], tmp_path: Path) -> None:
    told = task(tmp_path, [Shown("host01", "host", result)])
    assert told["not_adopted"] == ["host01"]
