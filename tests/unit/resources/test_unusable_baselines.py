# SPDX-License-Identifier: GPL-3.0-or-later
"""A log of a start that resumed, a truncated one and one that contradicts itself: no step takes it for a baseline."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypeAlias

import pytest
from ansible_collections.guarded.fabric.lab.world import restarts
from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import SIDECAR_SUFFIX, Approval, Sidecar
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_evidence, attestation_policies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .rollout import Operator, Stages

Spoil: TypeAlias = "Callable[[Operator], bytes]"
APPROVAL = Approval("ada", "2026-11-24T19:00:00Z", "compared")


def resume(operator: Operator) -> bytes:
    """Resume instead of starting; return the log."""
    host = operator.lab.machine("host01")
    host.settings = replace(host.settings, resume_instead_of_boot=True)
    restarts.restart(operator.lab.world, host, operator.lab.clock.now())
    operator.lab.clock.move(600)
    return log_of(operator)


def truncate(operator: Operator) -> bytes:
    log = log_of(operator)
    return log[: next(event.offset for event in tcg_log.parse(log).events if event.data == b"WBCL")]


def cut_inside_a_record(operator: Operator) -> bytes:
    return log_of(operator)[:-5]


def contradict(operator: Operator) -> bytes:
    """Give a variable another content than the one whose digest was measured."""
    log = log_of(operator)
    event = next(event for event in tcg_log.parse(log).events if event.type_name == "EV_EFI_VARIABLE_DRIVER_CONFIG")
    return log.replace(event.data, event.data[:-1] + bytes([event.data[-1] ^ 1]))


def log_of(operator: Operator) -> bytes:
    boot = operator.lab.machine("host01").boot
    assert boot is not None
    return boot.log


SPOILT = pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (resume, "resumed from hibernation"),
        (truncate, "the log ends early"),
        (cut_inside_a_record, "TCG event log: expected"),
        (contradict, "contradicts itself"),
    ],
)


@SPOILT
def test_it_is_not_captured(stages: Stages, tmp_path: Path, spoil: Spoil, reason: str) -> None:
    log = spoil(stages.after("prepare_hosts"))
    operator = stages.after("prepare_hosts")
    boot = operator.lab.machine("host01").boot
    assert boot is not None
    boot.log = log
    config = {"hardware_class": "r740", "skip_validation": True}
    with pytest.raises(FabricError, match=reason):
        operator.lab.capture("host01", attestation_evidence.CAPTURE, config, str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".tcglog"] == []


def put_by_hand(folder: Path, content: bytes, approval: Approval | None) -> Path:
    """Write the log and a sidecar that fits it, as somebody would who wants it to be taken."""
    path = folder / kinds.TPM_BASELINE.folder / "r740.tcglog"
    path.parent.mkdir()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    sidecar = Sidecar(kinds.TPM_BASELINE.folder, "host01", APPROVAL.at, digest, digest, approval)
    path.with_name(path.name + SIDECAR_SUFFIX).write_text(json.dumps(asdict(sidecar)))
    return path


@SPOILT
def test_it_is_not_approved(stages: Stages, tmp_path: Path, spoil: Spoil, reason: str) -> None:
    path = put_by_hand(tmp_path, spoil(stages.after("prepare_hosts")), None)
    with pytest.raises(FabricError, match=reason):
        judge(path, APPROVAL, check_mode=False)


@SPOILT
def test_it_is_not_registered(stages: Stages, tmp_path: Path, spoil: Spoil, reason: str) -> None:
    operator = stages.after("register")
    path = put_by_hand(tmp_path, spoil(operator), APPROVAL)
    (cluster,) = operator.lab.world.clusters.values()
    before = set(cluster.attestation.policies)
    with pytest.raises(FabricError, match=reason):
        operator.do("hgs01", attestation_policies.RESOURCE, {"name": "another", "baseline": str(path)})
    assert set(cluster.attestation.policies) == before
