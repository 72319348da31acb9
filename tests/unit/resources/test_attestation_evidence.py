# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import restarts
from ansible_collections.guarded.fabric.lab.world.model import BootSettings
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import (
    CAPTURE_FAILED,
    CaptureRequest,
    Status,
    capturing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Execute
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_evidence as resource
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import code_integrity_policy
from ansible_collections.guarded.fabric.tests.unit.module_utils.signed_content import signed

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import CaptureReport
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item
    from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab

    from .rollout import Stages

CAPTURE = resource.CAPTURE
ALL: Item = {"name": "host01", "hardware_class": "r740", "software_class": "core"}


def capture(lab: Lab, exchange_directory: Path, config: Item = ALL) -> CaptureReport:
    return lab.capture("host01", CAPTURE, config, str(exchange_directory))


def restart(lab: Lab) -> None:
    restarts.restart(lab.world, lab.machine("host01"), lab.clock.now())
    lab.clock.move(600)


def test_everything_is_captured_in_one_execution(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("prepare_hosts").lab
    report = capture(lab, tmp_path)
    assert len(lab.log.executions) == 1
    assert sorted(str(Path(filed.artifact.path).relative_to(tmp_path)) for filed in report.filed) == [
        "ci-policies/core.p7b",
        "platform-identifiers/host01.xml",
        "tpm-baselines/r740.tcglog",
    ]
    assert all(filed.artifact.sidecar and filed.artifact.sidecar.source == "host01" for filed in report.filed)


def test_only_what_is_named_is_captured(stages: Stages, tmp_path: Path) -> None:
    report = capture(stages.after("prepare_hosts").lab, tmp_path, {"hardware_class": "r740"})
    assert [filed.kind for filed in report.filed] == [kinds.TPM_BASELINE]


def test_two_starts_of_an_unchanged_machine_mean_the_same(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("prepare_hosts").lab
    first = capture(lab, tmp_path)
    before = {filed.artifact.path: filed.artifact.content for filed in first.filed}
    restart(lab)
    assert lab.machine("host01").boot is not None
    assert lab.machine("host01").boot.log != before[str(tmp_path / "tpm-baselines" / "r740.tcglog")]  # type: ignore[union-attr]
    report = capture(lab, tmp_path)
    assert not report.changed
    assert {path: Path(path).read_bytes() for path in before} == before


def test_a_changed_machine_is_a_candidate_that_says_what_changed(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("prepare_hosts").lab
    capture(lab, tmp_path, {"hardware_class": "r740"})
    approval = Approval("ada", "2026-11-24T19:00:00Z", "compared")
    judge(tmp_path / "tpm-baselines" / "r740.tcglog", approval, check_mode=False)
    firmware = lab.machine("host01").firmware
    assert firmware is not None
    firmware.debug = True
    restart(lab)
    report = capture(lab, tmp_path, {"hardware_class": "r740", "skip_validation": True})
    assert [filed.status for filed in report.filed] == [Status.CANDIDATE]
    verdict = judge(tmp_path / "tpm-baselines" / "r740.candidate.tcglog", approval, check_mode=True)
    assert verdict.differences
    assert "debug" in " ".join(verdict.differences).lower()


def test_what_one_host_has_follows_it_and_waits_for_nobody(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("prepare_hosts").lab
    names = {"host": "host01", "hardware_class": "r740"}
    kinds = [(filed.kind.folder, filed.status) for filed in capture(lab, tmp_path, names).filed]
    assert kinds == [(folder, Status.NEW) for folder in ("tpm-baselines", "boot-logs", "active-policies")]
    # One log serves the class and the host.
    assert len(lab.log.executions[0].calls) == 2
    firmware = lab.machine("host01").firmware
    assert firmware is not None
    firmware.debug = True
    restart(lab)
    report = capture(lab, tmp_path, {"host": "host01", "skip_validation": True})
    assert [filed.status for filed in report.filed] == [Status.REPLACED, Status.UNCHANGED]


def test_a_host_that_is_not_ready_yields_no_baseline(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("prepare_hosts").lab
    lab.machine("host01").settings = BootSettings()
    restart(lab)
    with pytest.raises(FabricError) as error:
        capture(lab, tmp_path)
    assert [problem.kind for problem in error.value.problems] == [CAPTURE_FAILED]
    assert list(tmp_path.iterdir()) == []


def test_a_tpm_without_certificate_is_named_in_windows_words(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("prepare_hosts").lab
    tpm = lab.machine("host01").tpm
    assert tpm is not None
    tpm.ek_certificate = None
    with pytest.raises(FabricError) as error:
        capture(lab, tmp_path, {"name": "host01"})
    (problem,) = error.value.problems
    assert problem.kind is resource.NO_ENDORSEMENT_CERTIFICATE
    assert "no endorsement key certificate" in problem.detail


def test_a_host_without_policy_is_named(stages: Stages, tmp_path: Path) -> None:
    lab = stages.after("nothing").lab
    with pytest.raises(FabricError) as error:
        capture(lab, tmp_path, {"software_class": "core"})
    assert [problem.kind for problem in error.value.problems] == [CAPTURE_FAILED]


@pytest.mark.parametrize(
    ("config", "outcome"),
    [
        ({"name": "a"}, Outcome(output=({},))),
        ({"hardware_class": "a"}, Outcome()),
        ({"software_class": "a"}, Outcome(output=({"FullName": "x"},))),
    ],
)
def test_an_empty_answer_is_no_artifact(config: Item, outcome: Outcome) -> None:
    (call,) = CAPTURE.observe(config)
    with pytest.raises(FabricError) as error:
        CAPTURE.read(Results({call.id: outcome}), config)
    assert [problem.kind for problem in error.value.problems] == [resource.NOTHING_CAPTURED]


def test_of_a_signed_policy_the_unsigned_content_is_captured(stages: Stages) -> None:
    """HGS wants the unsigned copy: the signature is not measured."""
    lab = stages.after("prepare_hosts").lab
    content = lab.machine("host01").files[code_integrity_policy.ACTIVE.lower()]
    results = Results({"policy": Outcome(attachments={"FullName": signed(content)})})
    (captured,) = CAPTURE.read(results, {"software_class": "core"})
    assert captured.content == content


@pytest.mark.parametrize("text", ["<html/>", "not XML", "<PlatformIdentifiers/>"])
def test_another_document_is_no_platform_identifier(text: str) -> None:
    results = Results({"identifier": Outcome(output=({"OuterXml": text},))})
    with pytest.raises(FabricError) as error:
        CAPTURE.read(results, {"name": "a"})
    assert [problem.kind for problem in error.value.problems] == [exchange.NOT_OF_ITS_KIND]


class TestAnotherHostsIdentifier:
    """A host that answers with what belongs to another one, by mistake or because it wants its place."""

    def test_one_that_is_named_after_another_host_is_refused(self, stages: Stages, tmp_path: Path) -> None:
        lab = stages.after("prepare_hosts").lab
        work = capturing(CAPTURE, CaptureRequest({"name": "host02"}, str(tmp_path), "host02", "2026-11-24T19:00:00Z"))
        next(work)
        answer = lab.answer(
            lab.machine("host01"), Execute(tuple(CAPTURE.observe({"name": "host01"}))), check_mode=False
        )
        with pytest.raises(FabricError) as error:
            work.send(answer)
        assert [problem.kind for problem in error.value.problems] == [resource.OTHER_HOST]
        assert not (tmp_path / "platform-identifiers").exists()

    def test_one_that_is_there_under_another_name_is_refused(self, stages: Stages, tmp_path: Path) -> None:
        lab = stages.after("prepare_hosts").lab
        capture(lab, tmp_path, {"name": "host01"})
        there = sorted(path.name for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("."))
        # The same TPM, asked for a document in another host's name.
        for check_mode in (True, False):
            with pytest.raises(FabricError) as error:
                lab.capture("host01", CAPTURE, {"name": "host02"}, str(tmp_path), check_mode=check_mode)
            (problem,) = error.value.problems
            assert (problem.kind, problem.detail) == (exchange.HELD_ALREADY, "host01.xml")
        assert there == sorted(
            path.name for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")
        )

    def test_two_hosts_of_one_class_have_one_baseline(self, stages: Stages, tmp_path: Path) -> None:
        lab = stages.after("prepare_hosts").lab
        lab.capture("host01", CAPTURE, {"hardware_class": "r740"}, str(tmp_path))
        assert lab.capture("host01", CAPTURE, {"hardware_class": "other"}, str(tmp_path)).changed
