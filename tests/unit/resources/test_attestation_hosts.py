# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.lab.world.model import TpmHost
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds, attestation_service, exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import BATCH_BYTES, CALL_FAILED, Request, reconcile
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_evidence
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_hosts as resource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource

    from .rollout import Operator, Stages

RESOURCE = resource.RESOURCE
NAMES = ("host01", "host02")


def hosts(operator: Operator, *names: str) -> list[Item]:
    return operator.load(
        RESOURCE, [{"name": name, "path": operator.path(artifact_kinds.PLATFORM_IDENTIFIER, name)} for name in names]
    )


def refused(operator: Operator, config: Sequence[Item], state: str = "merged") -> list[Kind]:
    with pytest.raises(FabricError) as error:
        operator.lab.run("hgs01", RESOURCE, config, state=state)
    return [problem.kind for problem in error.value.problems]


def test_a_host_is_registered_once_whatever_the_case_of_its_name(stages: Stages) -> None:
    operator = stages.after("register")
    added = operator.lab.reader.statistics.calls["Add-HgsAttestationTpmHost"]
    upper = [{**item, "name": str(item["name"]).upper()} for item in hosts(operator, *NAMES)]
    assert not operator.lab.run("hgs02", RESOURCE, upper).changed
    assert operator.lab.reader.statistics.calls["Add-HgsAttestationTpmHost"] == added


def test_a_host_nobody_declared_is_removed_by_overriding_only(stages: Stages) -> None:
    operator = stages.after("register")
    service = next(iter(operator.lab.world.clusters.values())).attestation
    service.hosts["rogue"] = TpmHost("rogue", "00" * 32, b"key", None, "v2")
    assert not operator.lab.run("hgs01", RESOURCE, hosts(operator, *NAMES)).changed
    report = operator.lab.run("hgs01", RESOURCE, hosts(operator, *NAMES), state="overridden")
    assert report.commands == ("Remove-HgsAttestationTpmHost -Name 'rogue'",)
    assert {item.name for item in service.hosts.values()} == set(NAMES)


def test_removing_needs_no_identifier(stages: Stages) -> None:
    operator = stages.after("register")
    report = operator.lab.run("hgs01", RESOURCE, [{"name": "HOST01"}], state="deleted")
    assert [item["name"] for item in report.after] == ["host02"]
    assert not operator.lab.run("hgs01", RESOURCE, [{"name": "host01"}], state="deleted").changed


def test_the_identifier_is_reported(stages: Stages) -> None:
    report = stages.after("register").lab.run("hgs01", RESOURCE, [], state="gathered")
    assert all(len(str(item["identifier"])) == 64 for item in report.before)


def test_a_new_host_needs_its_identifier(stages: Stages) -> None:
    assert refused(stages.after("register"), [{"name": "host09"}]) == [resource.NO_IDENTIFIER]


def test_an_identifier_that_nobody_approved_is_refused(stages: Stages, tmp_path: Path) -> None:
    operator = stages.after("prepare_hosts")
    operator.lab.capture("host01", attestation_evidence.CAPTURE, {"name": "host01"}, str(tmp_path))
    path = exchange.artifact_path(str(tmp_path), artifact_kinds.PLATFORM_IDENTIFIER, "host01")
    with pytest.raises(FabricError) as error:
        operator.load(RESOURCE, [{"name": "host01", "path": str(path)}])
    assert [problem.kind for problem in error.value.problems] == [exchange.NOT_APPROVED]


def test_two_names_for_one_tpm_are_refused_before_the_service_is_asked(stages: Stages) -> None:
    operator = stages.after("register")
    (item,) = hosts(operator, "host01")
    assert refused(operator, [item, {**item, "name": "host09"}]) == [resource.SHARED_TPM]
    assert operator.lab.log.executions == []


def test_one_tpm_under_a_second_name_is_refused_before_the_service_is_asked(stages: Stages) -> None:
    operator = stages.after("register")
    (item,) = hosts(operator, "host01")
    assert refused(operator, [{**item, "name": "host09"}]) == [resource.REGISTERED_TPM]


def test_where_identifiers_do_not_compare_the_service_has_the_last_word(stages: Stages) -> None:
    operator = stages.after("register")
    (item,) = hosts(operator, "host01")
    unreadable = replace(RESOURCE, prepare=lambda config: config)
    with pytest.raises(FabricError) as error:
        operator.lab.run("hgs01", unreadable, [{**item, "name": "host09", "same_tpm": True}])
    assert [problem.kind for problem in error.value.problems] == [CALL_FAILED]


def test_another_tpm_under_a_known_name_is_noticed_where_identifiers_compare(stages: Stages) -> None:
    operator = stages.after("register")
    first, second = hosts(operator, *NAMES)
    service = next(iter(operator.lab.world.clusters.values())).attestation
    service.hosts["host01"] = replace(service.hosts["host01"], identifier="00" * 32)
    assert refused(operator, [first, second]) == [resource.OTHER_TPM]
    assert not operator.lab.run("hgs01", RESOURCE, [first]).changed


def test_a_server_without_the_service_is_named(stages: Stages) -> None:
    operator = stages.after("register")
    config = hosts(operator, "host01")
    for machine in ("tenant01", "dns01"):
        with pytest.raises(FabricError) as error:
            operator.lab.run(machine, RESOURCE, config)
        assert [problem.kind for problem in error.value.problems] == [attestation_service.NOT_ANSWERING]


def test_a_thousand_hosts_take_as_many_executions_as_their_size_asks_for() -> None:
    document = f"<PlatformIdentifiers xmlns='{'x' * 8}'>{'y' * 6000}</PlatformIdentifiers>".encode()
    config = [{"name": f"host{number}", "path": Artifact("/x/host.xml", document, None)} for number in range(1000)]
    known: list[str] = []
    sizes: list[int] = []
    request = Request(state="merged", config=config, thing="hgs01")
    work = reconcile(_unchecked(), request)
    need = next(work)
    while True:
        calls = need.arguments["calls"]  # type: ignore[union-attr]
        assert isinstance(calls, list)
        sizes.append(len(json.dumps(calls)))
        known += [call["parameters"]["Name"] for call in calls if call.get("changes")]
        results = [
            {"id": call["id"], "output": [{"Name": name} for name in known] if call["id"].endswith("hosts") else []}
            for call in calls
        ]
        try:
            need = work.send({"results": results})
        except StopIteration as finished:
            report = finished.value
            break
    assert report.changed
    assert len(report.after) == 1000
    assert max(sizes) <= BATCH_BYTES + 10_000
    assert len(sizes) <= 1 + 1 + 1000 * 9000 // BATCH_BYTES


def _unchecked() -> Resource:
    return replace(RESOURCE, prepare=lambda config: config)


def test_a_replaced_tpm_is_removed_and_added(stages: Stages) -> None:
    """What HGS shows of a TPM cannot be compared, so a new one under an old name is not noticed: the documented way."""
    operator = stages.after("register")
    lab = operator.lab
    machine = lab.machine("host01")
    vendor = lab.world.tpm_vendors["Lab Silicon"]
    machine.tpm = tpm.manufacture("Lab Silicon", vendor, lab.clock.now(), tpm.new_rsa_key)
    captured = lab.capture(
        "host01", attestation_evidence.CAPTURE, {"name": "host01"}, str(operator.exchange), check_mode=True
    )
    content = captured.filed[0].artifact.content
    config = [{"name": "host01", "path": Artifact("host01.xml", content, None)}]
    assert not lab.run("hgs01", RESOURCE, config).changed
    lab.run("hgs01", RESOURCE, [{"name": "host01"}], state="deleted")
    assert lab.run("hgs01", RESOURCE, config).changed
