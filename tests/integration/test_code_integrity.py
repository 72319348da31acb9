# SPDX-License-Identifier: GPL-3.0-or-later
"""A code integrity policy from audit to enforcement, and what keeps Ansible from locking itself out on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.tests.integration.setups import nothing_changes

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.tests.integration.runs import Run
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

FREE = {"rule_options": [11], "removed_rule_options": [16]}


def run(small: Setup, step: str, **more: object) -> Run:
    return small.ansible.run("code_integrity", "--extra-vars", json.dumps({"code_integrity_step": step, **more}))


def row(output: str, *cells: str) -> bool:
    return any(line.split()[: len(cells)] == list(cells) for line in output.splitlines())


def test_a_policy_is_audited_reported_refused_enforced_and_captured(small: Setup) -> None:
    audited = run(small, "audit", code_integrity_from={"level": "Publisher", "removed_rule_options": [16]})
    assert audited.code == 0, audited.output
    assert row(audited.output, "host01", "audit", "audit")

    with nothing_changes(small):
        refused = run(small, "enforce")
    assert refused.code != 0
    assert refused.of("guarded.fabric.code_integrity_policy")[-1].problems == ["GF-CIP-002"]
    assert "GF-CIP-002 [fabric]" in refused.output

    enforced = run(small, "enforce", code_integrity_from=FREE)
    assert enforced.code == 0, enforced.output
    (policy,) = (small.exchange / "ci-policies").glob("*.p7b")
    assert (
        policy.read_bytes()
        == small.lab.world().machines["host01"].files[r"c:\windows\system32\codeintegrity\sipolicy.p7b"]
    )
