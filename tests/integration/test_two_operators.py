# SPDX-License-Identifier: GPL-3.0-or-later
"""Two operators who start the same rollout at the same moment, on one exchange directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, describe
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.tests.integration.runs import Run
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

REFUSALS = {"GF-RUN-001", "GF-RUN-006", "GF-RUN-008", "GF-CON-005", "GF-CON-006", "GF-CON-009", "GF-EXC-008"}
"""What may be said to somebody who comes in between: a restart of the other one's is not to be told from a failure."""


def complaints(run: Run) -> list[str]:
    """Return the problems that a run names; what fails in another way is named by its message."""
    failed = [result for result in run.results if result.outcome in ("failed", "unreachable")]
    return [name for result in failed for name in (result.problems or [str(result.result.get("msg"))])]


def test_two_rollouts_at_once_make_one_fabric(small: Setup) -> None:
    operators = [small.ansible, Ansible(small.directory / "second", small.ansible.inventories)]
    running = [operator.start("site") for operator in operators]
    done = [run.wait() for run in running]
    for run in done:
        assert (run.code == 0) == (complaints(run) == []), run.output
        assert set(complaints(run)) <= REFUSALS, run.output
    again = small.ansible.succeed("site")
    assert describe(small.lab.world()) == SMALL
    if 0 in [run.code for run in done]:
        assert again.changed == []
