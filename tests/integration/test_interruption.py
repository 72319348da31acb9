# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that are cut off, of the controller or of a machine, and what the next run makes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, describe
from ansible_collections.guarded.fabric.tests.integration.runs import PHASES
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, setup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}"}
  - {kind: host, name: "host{:02}", count: 3, hardware: Contoso R740}
"""
RESTARTING = """
- hosts: guarded_hosts
  gather_facts: false
  tasks:
    - guarded.fabric.windows_features:
        config: [{name: Hyper-V}, {name: HostGuardian}]
        reboot: true
        reboot_timeout: 15
"""
FORWARDING = """
- hosts: dns01
  gather_facts: false
  tasks:
    - guarded.fabric.dns_conditional_forwarders:
        config: [{name: elsewhere.example, master_servers: [127.0.0.9]}]
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    # A restart takes four seconds, long enough to be seen.
    with setup(tmp_path_factory.mktemp("hosts"), HOSTS, time_scale=10) as made:
        (made.directory / "restarting.yml").write_text(RESTARTING, encoding="utf-8")
        yield made


def progress(small: Setup) -> tuple[object, ...]:
    """Return something that differs as soon as a run has changed the fabric or the exchange directory."""
    files = [path for path in small.exchange.glob("*/*") if not path.name.startswith(".")]
    return small.lab.changes(), sorted((path.name, path.stat().st_mtime_ns) for path in files)


def run_and_kill(small: Setup, phase: str) -> bool:
    """Run a phase and kill it once it changed something; return whether it came to its end before."""
    before = progress(small)
    running = small.ansible.start(phase)
    while running.process.poll() is None:
        if progress(small) != before:
            running.kill()
            return False
        time.sleep(0.05)
    done = running.wait()
    assert done.code == 0, done.output
    return True


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_after_each_change_converges(small: Setup, phase: str) -> None:
    kills = 0
    while not run_and_kill(small, phase):
        kills += 1
        if kills % 3 == 0:
            small.lab.kill()
            small.lab.start()
        assert kills < 20
    assert kills > 0


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


def power(hosts: Setup, name: str) -> str:
    """Return whether a machine is up, restarting or dead."""
    (machine,) = [machine for machine in hosts.lab.tell("status")["machines"] if machine["name"] == name]
    return str(machine["power"])


def test_a_machine_that_dies_fails_in_bounded_time_and_the_others_go_on(hosts: Setup) -> None:
    hosts.lab.tell("kill", machine="host03")
    started = time.monotonic()
    running = hosts.ansible.start(hosts.directory / "restarting.yml")
    while power(hosts, "host02") != "restarting":
        assert running.process.poll() is None
        time.sleep(0.05)
    hosts.lab.tell("kill", machine="host02")
    done = running.wait()
    assert time.monotonic() - started < 60
    assert done.code != 0
    assert {result.host: result.outcome for result in done.results} == {
        "host01": "ok",
        "host02": "failed",
        "host03": "unreachable",
    }
    assert "GF-RUN-006 [controller] host02: did not come back from its restart" in done.output
    assert "host03: " in done.output


def test_after_its_repair_the_next_run_brings_it_along(hosts: Setup) -> None:
    for name in ("host02", "host03"):
        hosts.lab.tell("revive", machine=name)
    while {power(hosts, "host02"), power(hosts, "host03")} != {"up"}:
        time.sleep(0.05)
    hosts.ansible.succeed(hosts.directory / "restarting.yml")
    machines = hosts.lab.world().machines
    features = [machines[name].features for name in ("host01", "host02", "host03")]
    assert features[0] == features[1] == features[2]
    assert {"Hyper-V", "HostGuardian"} <= features[0]
