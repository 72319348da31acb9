# SPDX-License-Identifier: GPL-3.0-or-later
"""The load run: every host of the lab enrolls and attests, in one run of ansible-playbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .process_cost import BenchError, largest_resident, memory_of_children

if TYPE_CHECKING:
    from .ansible_runs import Runner

SERVICE = ("hgs", "fabric_dns")
"""What has to be there first; not measured."""
ENROLLMENT = ("prepare_hosts", "register", "attest")


@dataclass(frozen=True)
class Load:
    """What a run cost: seconds, executions, bytes of memory at the worst moment."""

    hosts: int
    wall: float
    cpu: float
    lab_cpu: float
    executions: int
    executions_at_hgs: int
    ansible_memory: int
    ansible_processes: int
    lab_memory: int
    lab_started: float


def _names(playbooks: tuple[str, ...]) -> list[str]:
    return [f"guarded.fabric.{name}" for name in playbooks]


def enroll(runner: Runner) -> Load:
    """Bring all hosts from factory-fresh to attested. Raises BenchError where one does not attest."""
    fabric = runner.fabric
    node = fabric.tell("status")["nodes"][0]["name"]
    runner.playbook(*_names(SERVICE), name="load-service")
    before = fabric.executions(node)
    with memory_of_children(but=fabric.pid) as memory:
        cost = runner.measured(*_names(ENROLLMENT), name="load")
    hosts = fabric.tell("status")["hosts"]
    failed = [host["name"] for host in hosts if host["status"] != "Passed"]
    if failed:
        raise BenchError(f"{len(failed)} hosts do not attest, {failed[0]} first")
    return Load(
        hosts=len(hosts),
        wall=cost.wall,
        cpu=cost.cpu,
        lab_cpu=cost.lab_cpu,
        executions=cost.executions,
        executions_at_hgs=fabric.executions(node) - before,
        ansible_memory=memory.most,
        ansible_processes=memory.processes,
        lab_memory=largest_resident(fabric.pid),
        lab_started=fabric.started,
    )
