# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench measures what it says it does: two hosts, two cells, and bytes that a relay has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.bench import fabric, growth
from ansible_collections.guarded.fabric.bench.ansible_runs import CONNECTIONS, Runner
from ansible_collections.guarded.fabric.bench.cells import NO_OP, cells
from ansible_collections.guarded.fabric.bench.comparison import compare
from ansible_collections.guarded.fabric.bench.night import DRIFT, night
from ansible_collections.guarded.fabric.bench.payload import payloads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = 2
CALL = "invoke_cmdlets, one call"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder: Path = tmp_path_factory.mktemp("bench")
    with fabric.running(folder, HOSTS) as lab:
        yield Runner(lab, folder, forks=5, say=lambda _text: None)


@pytest.mark.parametrize("connection", sorted(CONNECTIONS))
def test_cells_are_compared_per_host(runner: Runner, connection: str) -> None:
    known = cells(runner.fabric.exchange)
    chosen = {name: known[name] for name in (NO_OP, CALL)}
    found = growth.per_host(compare(runner, connection, HOSTS, 1, chosen), HOSTS)
    assert [item.executions for item in found.values()] == [0, 1]
    assert found[NO_OP].cpu_ratio == 1
    assert all(item.cpu > 0 for item in found.values())
    sent = payloads(runner, connection, chosen)
    assert set(sent) == {CALL}
    assert sent[CALL]["connections"] == 1
    # The module alone has 14 KB, which travel as base64 in base64.
    assert 20_000 < sent[CALL]["up"] < 200_000
    assert 1_000 < sent[CALL]["down"] < sent[CALL]["up"]


def test_a_night_looks_at_every_machine_once(runner: Runner) -> None:
    found = night(runner, 1)
    assert {cell: [cost.executions for cost in costs] for cell, costs in found.costs.items()} == {
        NO_OP: [0],
        DRIFT: [found.machines],
    }
    assert found.machines == HOSTS + 3
    assert found.findings >= found.machines - 1  # every machine but the DNS server is as it left the factory
    assert found.ansible_memory > 0
