# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policies no host uses: by the action, as ansible-core makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.action import unused_policies
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_policies

from .test_evidence_comparison import Host, run

if TYPE_CHECKING:
    from pathlib import Path

    from .rollout import Stages


def test_policies_under_bare_names_are_unused_once_every_host_was_seen(stages: Stages, tmp_path: Path) -> None:
    host = Host(stages, tmp_path)
    operator = host.operator
    config = operator.load(
        attestation_policies.RESOURCE,
        [
            {"class": "r740", "baseline": host.path(kinds.TPM_BASELINE, "r740")},
            {"class": "core", "code_integrity_policy": host.path(kinds.CODE_INTEGRITY_POLICY, "core")},
        ],
    )
    policies = operator.lab.run("hgs01", attestation_policies.RESOURCE, config).after
    arguments: dict[str, object] = {"policies": policies, "hosts": ["HOST01"], "exchange": str(operator.exchange)}
    result = run(unused_policies, arguments)
    assert sorted(result["unused"]) == ["core", "r740"]
    assert {item["reason"] for item in result["kept"]} == {"used by HOST01"}
    assert run(unused_policies, {**arguments, "unseen": ["HOST01"]})["unused"] == []
    assert run(unused_policies, {**arguments, "hosts": ["host01", "host02"]})["unused"] == []
