# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode where nothing is there yet: it has to foresee what its own earlier tasks would do."""

from __future__ import annotations

from ansible_collections.guarded.fabric.tests.integration.setups import Setup, nothing_changes


def test_a_whole_rollout_can_be_foretold(small: Setup) -> None:
    before = small.lab.world()
    with nothing_changes(small):
        foretold = small.ansible.succeed("site", "--check", "--diff")
    assert {result.host for result in foretold.results if result.changed} == set(before.machines)
    assert not small.exchange.exists()
    assert small.lab.world() == before
