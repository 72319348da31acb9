# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can start which machine, from the protectors of a real rollout on the lab, and from what is done to them."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.lookup.who_can_start import rights
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils import start_rights
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import save
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import guardians, hgs_client, shielded_vms

if TYPE_CHECKING:
    from .rollout import Operator, Stages

OTHERS = "A" * 40
NOTHING: dict[str, object] = {"machines": {}, "hosts": {}, "guardians": [], "fabric": ""}


def look(exchange: Path, **options: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rights(str(exchange), {**NOTHING, **options})
    return found


def gathered(operator: Operator) -> dict[str, Any]:
    """Return what the playbook gathers."""
    lab, named = operator.lab, [{"name": "vm01"}, {"name": "vm02"}]
    hosts = ("host01", "host02")
    return {
        "machines": {host: lab.run(host, shielded_vms.RESOURCE, named, state="gathered").before for host in hosts},
        "hosts": {host: lab.run(host, hgs_client.RESOURCE, [], state="gathered").before[0] for host in hosts},
        "guardians": lab.run("tenant01", guardians.RESOURCE, [], state="gathered").before,
    }


@pytest.fixture
def exchange(stages: Stages, tmp_path: Path) -> Path:
    return Path(copytree(stages.exchange, tmp_path / "exchange"))


def names(row: dict[str, Any]) -> list[tuple[object, object]]:
    return [(one["name"], one["hosts"]) for one in row["guardians"]]


def test_machines_of_a_rollout_can_be_started_by_the_hosts_that_attest(stages: Stages, exchange: Path) -> None:
    found = look(exchange, **gathered(stages.after("shield")))
    assert [(row["name"], row["host"]) for row in found] == [("vm01", "host01"), ("vm02", "host02")]
    for row in found:
        assert (row["seen"], row["protected"], row["agrees_with_exchange"], row["doubts"]) == (True, True, True, [])
        assert row["owner"]["name"] == "Owner"
        assert names(row) == [("fabric", ["host01", "host02"])]
        assert row["guardians"][0]["approved_by"] == "ada"


def test_a_host_that_does_not_attest_any_more_is_left_out_and_one_that_is_silent_is_unknown(
    stages: Stages, exchange: Path
) -> None:
    told = gathered(stages.after("shield"))
    told["hosts"]["host01"] = {**told["hosts"]["host01"], "attestation_status": "Expired", "is_host_guarded": False}
    told["hosts"]["host02"] = {}
    (one, _other) = look(exchange, **told)
    assert names(one) == [("fabric", [])]
    assert one["guardians"][0]["unknown_hosts"] == ["host02"]


def test_what_was_made_counts_where_no_host_was_asked(stages: Stages, exchange: Path) -> None:
    del stages
    found = look(exchange)
    assert [(row["name"], row["host"], row["seen"]) for row in found] == [("vm01", "", False), ("vm02", "", False)]
    assert names(found[0]) == [("fabric", [])]
    assert found[0]["owner"]["name"] is None


def test_another_protector_than_the_one_that_was_made_shows(stages: Stages, exchange: Path) -> None:
    told = gathered(stages.after("shield"))
    told["machines"]["host01"][0]["guardians"].append(OTHERS)
    (row, _other) = look(exchange, **told)
    assert row["agrees_with_exchange"] is False
    assert names(row) == [("fabric", ["host01", "host02"]), (None, None)]
    lines = start_rights.summary([row])
    assert "not the protector of the exchange directory" in lines[-1]
    assert f"nobody here knows {OTHERS[:8]}" in lines[-1]
    assert f"host01, host02, those of {OTHERS[:8]}" in lines[-1]


def test_hosts_are_listed_for_their_own_fabric_only(stages: Stages, exchange: Path) -> None:
    told = gathered(stages.after("shield"))
    metadata = (exchange / "guardians" / "fabric.xml").read_bytes()
    save(exchange / "guardians" / "elsewhere.xml", kinds.GUARDIAN_METADATA, metadata, "another fabric", "2026-11-24")
    # Two guardians, and nobody says whose hosts these are.
    assert look(exchange, **told)[0]["guardians"][0]["hosts"] is None
    assert look(exchange, **told, fabric="fabric")[0]["guardians"][0]["hosts"] == ["host01", "host02"]


def test_a_machine_without_protector_can_be_started_by_anybody(stages: Stages, exchange: Path) -> None:
    told = gathered(stages.after("protect"))
    (row, _other) = look(exchange, **told)
    assert (row["seen"], row["protected"], row["agrees_with_exchange"]) == (True, False, False)
    cells = start_rights.summary([row])[-1]
    assert "any " in cells
    assert "no key protector" in cells


def test_a_machine_that_nobody_looked_at_is_not_taken_for_unprotected(stages: Stages, exchange: Path) -> None:
    told = gathered(stages.after("shield"))
    told["machines"]["host01"] = [{"name": "vm01"}, {"name": "vm03"}]
    vm01, _vm02, vm03 = look(exchange, **told)
    assert (vm01["seen"], vm01["protected"]) == (False, True)
    assert (vm03["seen"], vm03["protected"]) == (False, None)
    assert "unknown" in start_rights.summary([vm03])[-1]
    assert "not looked at; as made" in start_rights.summary([vm01])[-1]


def test_a_protector_whose_signatures_are_wrong_says_so(stages: Stages, exchange: Path) -> None:
    del stages
    path = exchange / "key-protectors" / "vm01.kp"
    content = path.read_bytes()
    at = content.index(b"<TransportKey")
    at = content.index(b"CipherValue>", at) + len(b"CipherValue>") + 4 if b"CipherValue>" in content else at + 40
    # Still a letter of base64, whatever the key was.
    broken = content[:at] + (b"B" if content[at : at + 1] == b"A" else b"A") + content[at + 1 :]
    save(path, kinds.KEY_PROTECTOR, broken, "somebody", "2026-11-24")
    (row, _other) = look(exchange)
    assert any("signature" in doubt for doubt in row["doubts"])


def test_an_artifact_that_somebody_changed_stops_it(stages: Stages, exchange: Path) -> None:
    del stages
    (exchange / "key-protectors" / "vm01.kp").write_bytes(b"altered")
    with pytest.raises(FabricError, match="GF-EXC-004"):
        look(exchange)
