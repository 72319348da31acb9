# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that are cut off, by the end of the controller or of the lab, and what the next run makes of them."""

from __future__ import annotations

import time
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import BY_FOLDER
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import LOCK, SIDECAR_SUFFIX, load
from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, describe
from ansible_collections.guarded.fabric.tests.integration.runs import PHASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.integration.runs import Running
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

FORWARDING = """
- hosts: dns01
  gather_facts: false
  tasks:
    - guarded.fabric.dns_conditional_forwarders:
        config: [{name: elsewhere.example, master_servers: [127.0.0.9]}]
"""


def progress(small: Setup) -> tuple[object, ...]:
    """Return something that differs as soon as a run has changed the fabric or the exchange directory."""
    files = [path for path in small.exchange.glob("*/*") if not path.name.startswith(".")]
    return small.lab.changes(), sorted((path.name, path.stat().st_mtime_ns) for path in files)


def kill_ansible(small: Setup, running: Running) -> None:
    """Kill a run."""
    running.kill()
    leave_nothing_half_written(small)


def kill_lab(small: Setup, running: Running) -> None:
    """Kill the machines under a run, and bring them back; what becomes of the run is all the same."""
    small.lab.kill()
    small.lab.start()
    running.wait()


def leave_nothing_half_written(small: Setup) -> None:
    """Look whether every artifact can be read, whenever its writer was killed."""
    for kind in BY_FOLDER.values():
        for path in (small.exchange / kind.folder).glob(f"[!.]*{kind.suffix}"):
            load(path, kind)


def run_and_interrupt(small: Setup, phase: str, interrupt: Callable[[Setup, Running], None]) -> bool:
    """Run a phase and interrupt it once it changed something; return whether it came to its end before."""
    before = progress(small)
    running = small.ansible.start(phase)
    while running.process.poll() is None:
        if progress(small) != before:
            interrupt(small, running)
            return False
        time.sleep(0.05)
    done = running.wait()
    assert done.code == 0, done.output
    return True


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_interrupted_after_each_change_converges(small: Setup, phase: str) -> None:
    interruptions = 0
    for interrupt in cycle((kill_ansible, kill_lab)):
        if run_and_interrupt(small, phase, interrupt):
            break
        interruptions += 1
        assert interruptions < 20
    assert interruptions > 0


def test_nothing_is_left_of_what_was_cut_off(small: Setup) -> None:
    known = {path + SIDECAR_SUFFIX for path in small.artifacts() if not path.endswith(SIDECAR_SUFFIX)}
    folders = {f"{kind.folder}/{LOCK}" for kind in BY_FOLDER.values()}
    assert {path for path in small.artifacts() if "/." in path} <= folders
    assert {path for path in small.artifacts() if path.endswith(SIDECAR_SUFFIX)} == known - {
        path + SIDECAR_SUFFIX for path in folders
    }


def test_what_was_cut_off_at_every_change_is_the_same_fabric(small: Setup) -> None:
    assert describe(small.lab.world()) == SMALL
    assert small.ansible.succeed("site").changed == []


def test_a_lab_that_is_killed_has_kept_what_it_answered(small: Setup, tmp_path: Path) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(FORWARDING, encoding="utf-8")
    assert small.ansible.succeed(playbook).changed
    small.lab.kill()
    small.lab.start()
    assert small.ansible.succeed(playbook).changed == []
