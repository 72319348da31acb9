# SPDX-License-Identifier: GPL-3.0-or-later
"""What cells cost per host, as ratios to the no-op, and how that grows with the number of hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from .cells import NO_OP

if TYPE_CHECKING:
    from .ansible_runs import Cost

STRAIGHT = 1.25
"""By how much the cost of one more host may rise from the first step to the last and still be called a straight line:
the noise of a few runs is of that size."""


@dataclass(frozen=True)
class PerHost:
    """Medians of some runs, per host: milliseconds of wall and processor time, executions; ratios to the no-op."""

    wall: float
    cpu: float
    lab_cpu: float
    executions: float
    wall_ratio: float
    cpu_ratio: float


Runs = Mapping[str, Sequence["Cost"]]
"""By cell."""


def _medians(runs: Sequence[Cost]) -> tuple[float, float, float, float]:
    return (
        median(run.wall for run in runs),
        median(run.cpu for run in runs),
        median(run.lab_cpu for run in runs),
        median(run.executions for run in runs),
    )


def _ratio(runs: Sequence[Cost], others: Sequence[Cost], name: str) -> float:
    """Return the median of ratios pair by pair: runs of one pass share the machine's mood."""
    ratios: list[float] = [getattr(run, name) / getattr(other, name) for run, other in zip(runs, others, strict=True)]
    return median(ratios)


def per_host(runs: Runs, hosts: int) -> dict[str, PerHost]:
    """Return what each cell costs per host, the start of ansible-playbook included."""
    found = {}
    for cell, costs in runs.items():
        wall, cpu, lab_cpu, executions = _medians(costs)
        found[cell] = PerHost(
            wall=1000 * wall / hosts,
            cpu=1000 * cpu / hosts,
            lab_cpu=1000 * lab_cpu / hosts,
            executions=executions / hosts,
            wall_ratio=_ratio(costs, runs[NO_OP], "wall"),
            cpu_ratio=_ratio(costs, runs[NO_OP], "cpu"),
        )
    return found


@dataclass(frozen=True)
class Step:
    """What one more host costs between two sizes, in milliseconds; ratios to the no-op."""

    fewer: int
    more: int
    wall: float
    cpu: float
    wall_ratio: float
    cpu_ratio: float


def steps(sizes: Mapping[int, Runs], cell: str) -> list[Step]:
    """Return what one more host costs between each two neighbouring sizes: what the start costs is not in it."""
    ordered = sorted(sizes)
    found = []
    for fewer, more in pairwise(ordered):
        wall, cpu = _marginal(sizes, fewer, more, cell)
        no_op_wall, no_op_cpu = _marginal(sizes, fewer, more, NO_OP)
        found.append(Step(fewer, more, wall, cpu, wall / no_op_wall, cpu / no_op_cpu))
    return found


def _marginal(sizes: Mapping[int, Runs], fewer: int, more: int, cell: str) -> tuple[float, float]:
    low, high = _medians(sizes[fewer][cell]), _medians(sizes[more][cell])
    return tuple(1000 * (after - before) / (more - fewer) for before, after in zip(low[:2], high[:2], strict=True))  # type: ignore[return-value]


def is_straight(found: Sequence[Step]) -> bool:
    """Whether one more host costs at the end about what it did at the beginning, or less, in processor time."""
    return not found or found[-1].cpu <= STRAIGHT * found[0].cpu
