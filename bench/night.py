# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift check of a whole fabric as users run it every night, beside the no-op on each of its hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .ansible_runs import Cost, write_play
from .cells import NO_OP, cells, play, resources
from .process_cost import BenchError, apart, memory_of_children

if TYPE_CHECKING:
    from .ansible_runs import Runner

DRIFT = "the playbook drift"


@dataclass(frozen=True)
class Night:
    """Runs of the playbook and of the no-op, pass by pass; what the last one found; bytes of memory at the worst."""

    machines: int
    virtual_machines: int
    findings: int
    costs: Mapping[str, Sequence[Cost]]
    ansible_memory: int
    ansible_processes: int


def night(runner: Runner, passes: int) -> Night:
    """Check the whole fabric for drift, and run the no-op, in turns. Raises BenchError where a machine was not seen."""
    fabric = runner.fabric
    # No tenant has shielded the machines of this fabric: they are read, as in the cells, and compared with nothing.
    machines = {"shielded_vms": resources(fabric.exchange)["shielded_vms"]}
    variables = json.dumps({"drift_fail_at": [{"severity": "never"}], "shielded_vm_declared": machines})
    no_op = write_play(runner.folder, NO_OP, play(cells(fabric.exchange)[NO_OP]))
    costs: dict[str, list[Cost]] = {NO_OP: [], DRIFT: []}
    # The lab stands for machines that do not take their time from the controller.
    with apart(fabric.pid), memory_of_children(but=fabric.pid) as memory:
        for number in range(1, passes + 1):
            runner.say(f"night, pass {number} of {passes}: {NO_OP}")
            costs[NO_OP].append(runner.measured(no_op, name="night-no-op"))
            runner.say(f"night, pass {number} of {passes}: {DRIFT}")
            costs[DRIFT].append(runner.measured("guarded.fabric.drift", "-e", variables, name="night-drift"))
    written = json.loads((runner.folder / "drift" / "latest" / "findings.json").read_text(encoding="utf-8"))
    if unseen := [machine["name"] for machine in written["machines"] if not machine["seen"]]:
        raise BenchError(f"{len(unseen)} machines were not seen, {unseen[0]} first")
    return Night(
        machines=len(written["machines"]),
        virtual_machines=len(written["virtual_machines"]),
        findings=len(written["findings"]),
        costs=costs,
        ansible_memory=memory.most,
        ansible_processes=memory.processes,
    )
