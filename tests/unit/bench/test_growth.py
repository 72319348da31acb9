# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.bench import growth, tables
from ansible_collections.guarded.fabric.bench.ansible_runs import Cost
from ansible_collections.guarded.fabric.bench.cells import NO_OP
from ansible_collections.guarded.fabric.bench.comparison import sizes_up_to

CELL = "cell"


def runs(start: float, each: float, hosts: int) -> list[Cost]:
    """Make runs of one size whose second pass fell into a slow moment of the machine."""
    seconds = start + each * hosts
    return [Cost(seconds * mood, 2 * seconds * mood, 0.5, 3 * hosts) for mood in (1, 9, 1)]


def sizes(each: float = 0.5) -> dict[int, growth.Runs]:
    return {hosts: {NO_OP: runs(1, 0.25, hosts), CELL: runs(1, each, hosts)} for hosts in (10, 100)}


def test_what_a_host_costs_has_the_start_in_it() -> None:
    found = growth.per_host(sizes()[10], 10)[CELL]
    assert (found.wall, found.cpu, found.executions) == (600, 1200, 3)
    assert found.wall_ratio == pytest.approx(6 / 3.5)
    assert found.cpu_ratio == pytest.approx(6 / 3.5)


def test_a_slow_moment_of_the_machine_is_not_in_a_ratio() -> None:
    quiet = {name: costs[:1] for name, costs in sizes()[10].items()}
    assert growth.per_host(sizes()[10], 10)[CELL].wall_ratio == pytest.approx(
        growth.per_host(quiet, 10)[CELL].wall_ratio
    )


def test_what_one_more_host_costs_has_no_start_in_it() -> None:
    (step,) = growth.steps(sizes(), CELL)
    assert (step.fewer, step.more) == (10, 100)
    assert step.wall == pytest.approx(500)
    assert step.wall_ratio == pytest.approx(2)
    assert step.cpu_ratio == pytest.approx(2)


def test_a_cost_that_rises_is_no_straight_line() -> None:
    rising = {10: {NO_OP: runs(1, 1, 10), CELL: runs(1, 1, 10)}}
    rising[100] = {NO_OP: runs(1, 1, 100), CELL: runs(1, 1, 100)}
    assert growth.is_straight(growth.steps(rising, CELL))
    for each, straight in ((1.0, True), (1.4, False), (0.5, True)):
        rising[1000] = {NO_OP: runs(1, 1, 1000), CELL: runs(1, each, 1000)}
        assert growth.is_straight(growth.steps(rising, CELL)) is straight, each


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(3, [3]), (10, [10]), (50, [10, 50]), (1000, [10, 100, 1000]), (1200, [10, 100, 1000, 1200])],
)
def test_sizes_end_with_all_hosts(hosts: int, expected: list[int]) -> None:
    assert sizes_up_to(hosts) == expected


def test_numbers_stand_in_columns() -> None:
    shown = tables.growth({CELL: growth.steps(sizes(), CELL)}).splitlines()
    assert shown[1].split() == [CELL, "10", "to", "100", "500.0", "1000.0", "2.00", "2.00", "straight"]
    shown = tables.per_host(growth.per_host(sizes()[10], 10)).splitlines()
    assert {len(line) for line in shown} == {len(shown[0])}
