# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the cells, interleaved, with one number of hosts after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ansible_runs import Cost, Runner, write_play
from .cells import Cells, play

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZES = (10, 100, 1000)


def sizes_up_to(hosts: int) -> list[int]:
    """Return the numbers of hosts to compare: the round ones that are smaller, and all of them."""
    return [*(size for size in SIZES if size < hosts), hosts]


def compare(runner: Runner, connection: str, size: int, passes: int, cells: Cells) -> Mapping[str, list[Cost]]:
    """Run every cell once in each pass, so that a machine whose speed drifts does so for all of them alike."""
    made = {name: write_play(runner.folder, name, play(tasks)) for name, tasks in cells.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in made}
    for number in range(1, passes + 1):
        for name, path in made.items():
            runner.say(f"{connection}, {size} hosts, pass {number} of {passes}: {name}")
            limit = f"guarded_hosts[0:{size - 1}]"
            chosen = runner.connection(connection)
            costs[name].append(
                runner.measured(*chosen, "--limit", limit, path, name=f"{connection}-{size}-{path.stem}")
            )
    return costs
