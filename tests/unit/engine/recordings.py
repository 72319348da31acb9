# SPDX-License-Identifier: GPL-3.0-or-later
"""A task, and what its host answered to it once: to be played again with something else in one place."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Answer, Need
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError

if TYPE_CHECKING:
    from .lab_driver import Lab

Work = Generator[Need, Answer, object]


@dataclass(frozen=True)
class Replay:
    """How many answers it took, and its report or error; neither where it asked for something else than before."""

    answers: int
    report: object | None
    error: FabricError | None


@dataclass
class Recording:
    """What `begin` starts, the needs it had, and the answers it got."""

    begin: Callable[[], Work]
    needs: list[Need] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def record(self, lab: Lab, machine: str) -> Recording:
        """Have a machine of the lab answer."""
        work = self.begin()
        need = next(work)
        while True:
            self.needs.append(need)
            self.answers.append(lab.answer(lab.machine(machine), need, check_mode=False))
            try:
                need = work.send(self.answers[-1])
            except StopIteration:
                return self

    def replay(self, number: int, answer: Answer) -> Replay:
        """Play the task again, with another answer in one place; the same needs are answered as before."""
        answers = [*self.answers[:number], answer, *self.answers[number + 1 :]]
        work = self.begin()
        need, count = next(work), 0
        while count < len(answers) and need == self.needs[count]:
            try:
                count += 1
                need = work.send(answers[count - 1])
            except StopIteration as finished:
                return Replay(count, finished.value, None)
            except FabricError as error:
                return Replay(count, None, error)
        work.close()
        return Replay(count, None, None)
