# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at a machine and telling what is seen: one execution, no change, nothing kept.

A resource can be brought to a wanted state and a capture leaves a file; an inspection only answers a question.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .calls import Call, Results
from .disclosure import disclosure
from .engine import MISLED, Answer, Execute, Need, failure_of, nonsense, results_of
from .problems import FabricError, Kind, Owner, Problem
from .resource import Item, Option

NOT_SEEN = Kind(
    "GF-INS-001",
    Owner.CONTROLLER,
    "could not be looked at",
    "read the message, put right what it names, and run again; nothing was changed",
)


@dataclass(frozen=True)
class Question:
    """What an inspection is asked: options, the machine's name in the inventory, and the controller's time (UTC)."""

    options: Item
    machine: str
    now: datetime


@dataclass(frozen=True)
class Inspection:
    """What an inspecting module is.

    observe(options): reading calls. tell(results, question): the module's results beside `changed`, as JSON data.
    """

    name: str
    owner: Owner
    options: tuple[Option, ...]
    observe: Callable[[Item], Sequence[Call]]
    tell: Callable[[Results, Question], Mapping[str, object]]


def inspecting(inspection: Inspection, question: Question) -> Generator[Need, Answer, Mapping[str, object]]:
    """Look at the machine in one execution. Raises FabricError where a call failed that had to give an answer."""
    shown = disclosure(inspection.options, [question.options])
    try:
        return (yield from _inspecting(inspection, question))
    except FabricError as error:
        raise error.reworded(shown.message) from None
    except MISLED as error:
        raise nonsense(error, question.machine).reworded(shown.message) from None


def _inspecting(inspection: Inspection, question: Question) -> Generator[Need, Answer, Mapping[str, object]]:
    calls = tuple(inspection.observe(question.options))
    answer = yield Execute(calls)
    results = results_of(answer, calls, question.machine)
    failed = failure_of(calls, results)
    if failed is not None:
        raise FabricError(Problem(NOT_SEEN, question.machine, f"{inspection.name}: {failed}"))
    return inspection.tell(results, question)
