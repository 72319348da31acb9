# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine: observe, plan, apply and observe again, the same for every resource.

It does no I/O itself. `reconcile` is a generator that yields what it needs done on the host and is sent the answer; an
action plugin drives it over a connection, a test drives it against anything it likes. One execution when nothing
changes, two when something does, whatever the number of items.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TypeAlias

from .calls import Call, CallError, Restart, Results, Step, prefixed
from .disclosure import Disclosure, disclosure
from .plan import COMPARED, Plan, plan, visible
from .problems import FabricError, Kind, Owner, Problem
from .rendering import render
from .resource import Item, Reading, Resource, Role, State
from .texts import check_texts
from .wire import AnswerError, from_wire, to_wire

BATCH_BYTES = 700_000
"""Size of one execution's calls. Windows PowerShell's JSON reader has failed above about 2 MB of text."""

POLL_SECONDS = 5.0
"""Pause between two looks at something that is still settling."""

MAXIMUM_STAGES = 8
"""More restarts in one task than any resource needs: a plan that never ends is a fault."""

MAXIMUM_CONTESTS = 3
"""How often a task plans anew because somebody else's change came in between."""

_OBSERVED = "observe-"

CALL_FAILED = Kind(
    "GF-RUN-001",
    Owner.CONTROLLER,
    "a cmdlet failed in the middle of the change",
    "read the message, put right what it names, and run again: what was done before it is kept",
)
UNREADABLE = Kind(
    "GF-RUN-002",
    Owner.CONTROLLER,
    "its state could not be read",
    "read the message; nothing was changed",
)
BAD_ANSWER = Kind(
    "GF-RUN-003",
    Owner.CONTROLLER,
    "the host answered something that is no answer to the calls sent",
    "run again with -vvv, and compare invoke_cmdlets.ps1 with the one of the release",
)
NOT_REACHED = Kind(
    "GF-RUN-004",
    Owner.CONTROLLER,
    "every cmdlet succeeded, yet the state is not the one asked for",
    "compare the values; another tool or a policy may own this setting",
)
UNSETTLED = Kind(
    "GF-RUN-005",
    Owner.CONTROLLER,
    "did not become ready in time",
    "look at the machine; run again with a longer settle_timeout if it only needs time",
)
FAULT = Kind(
    "GF-RUN-007",
    Owner.CONTROLLER,
    "met a fault of this collection",
    "report the fault with this message; what was done before it is kept",
)

CONTESTED = Kind(
    "GF-RUN-008",
    Owner.CONTROLLER,
    "keeps being changed by somebody else while this run changes it",
    "find the other run and let it come to its end, then run again: what was done before is kept",
)


@dataclass(frozen=True)
class Execute:
    """Run these calls on the host, in this order; the answer is the module's result."""

    calls: tuple[Call, ...]

    @property
    def arguments(self) -> dict[str, object]:
        """The arguments of the module `invoke_cmdlets`."""
        return {"calls": [to_wire(call) for call in self.calls]}


@dataclass(frozen=True)
class Reboot:
    """Restart the host and wait until it answers again."""

    reason: str


@dataclass(frozen=True)
class Sleep:
    """Wait on the controller."""

    seconds: float


Need: TypeAlias = Execute | Reboot | Sleep
Answer = Mapping[str, object]
"""The module's result for Execute; an empty mapping for the others."""

Work = Generator[Need, Answer, "Report"]


@dataclass(frozen=True)
class Request:
    """What a task asks for. `settle_seconds` bounds the wait for something that is still starting."""

    state: str
    config: Sequence[Item]
    thing: str
    check_mode: bool = False
    reboot: bool = False
    settle_seconds: float = 600.0


@dataclass(frozen=True)
class Report:
    """What a task did, or would do."""

    before: list[dict[str, object]] = field(default_factory=list)
    after: list[dict[str, object]] = field(default_factory=list)
    commands: tuple[str, ...] = ()
    changed: bool = False
    warnings: tuple[str, ...] = ()
    reboot_required: bool = False

    def shown(self, disclosure: Disclosure) -> Report:
        """Return the report without the secrets of its request."""
        return replace(
            self,
            before=disclosure.items(self.before),
            after=disclosure.items(self.after),
            commands=tuple(disclosure.text(line) for line in self.commands),
            warnings=tuple(disclosure.message(line) for line in self.warnings),
        )


class InterruptedChangeError(FabricError):
    """A change that failed half way; `commands` are those that were carried out."""

    def __init__(self, commands: Sequence[str], *problems: Problem) -> None:
        super().__init__(*problems)
        self.commands = tuple(commands)

    def reworded(self, change: Callable[[str], str]) -> InterruptedChangeError:
        """Return the same with `change` made to whatever is not the collection's own words."""
        return InterruptedChangeError([change(line) for line in self.commands], *self.reworded_problems(change))


def results_of(answer: Answer, calls: Sequence[Call], thing: str) -> Results:
    """Read a host's answer to these calls. Raises FabricError for one that is none."""
    detail = str(answer.get("msg", ""))
    try:
        results = from_wire(answer, calls)
    except AnswerError as error:
        raise FabricError(Problem(BAD_ANSWER, thing, detail or str(error))) from error
    if answer.get("failed") and not any(_unaccepted(results, call) for call in results):
        raise FabricError(Problem(BAD_ANSWER, thing, detail or "it failed and names no call that did"))
    return results


def _unaccepted(results: Results, call: str) -> CallError | None:
    error = results.error(call)
    return None if error is None or error.accepted else error


def _observing(resource: Resource, config: Sequence[Item]) -> tuple[Call, ...]:
    return tuple(prefixed(call, _OBSERVED) for call in resource.observe(config))


def failure_of(calls: Sequence[Call], results: Results) -> str | None:
    """Return what the first call that failed says, or None where all came to their end."""
    for call in calls:
        error = _unaccepted(results, call.id)
        if error is not None:
            return f"{call.cmdlet}: {error.message} [{error.id}]"
        if call.id not in results:
            return f"{call.cmdlet}: the host says nothing about it"
    return None


MISLED = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What code raises that reads values which make no sense: text where a number has to be, or a list for a name."""


def nonsense(error: Exception, thing: str) -> FabricError:
    """Return what to raise where reading an answer ended with one of MISLED: that is the host's fault."""
    return FabricError(Problem(BAD_ANSWER, thing, f"it makes no sense: {type(error).__name__}: {error}"))


def fault(error: Exception, thing: str) -> FabricError:
    """Return what to raise in place of an error that nobody foresaw, whose text and trace may hold anything."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{PurePath(where.filename).name}:{where.lineno}"
    return FabricError(Problem(FAULT, thing, f"{type(error).__name__} in {place}: {error}"))


class _Engine:
    """One task's work; keeps what was done so far for the report."""

    def __init__(self, resource: Resource, request: Request) -> None:
        self.resource = resource
        self.request = request
        self.warnings: list[str] = []
        self.commands: list[str] = []
        self.obstacles: Mapping[str, Sequence[Problem]] = {}

    def _execute(self, calls: Sequence[Call]) -> Generator[Need, Answer, Results]:
        answer = yield Execute(tuple(calls))
        return results_of(answer, calls, self.request.thing)

    def _settled(self, results: Results) -> Generator[Need, Answer, State]:
        """Read the state from results; look again while the resource says that it is still settling."""
        calls = _observing(self.resource, self.request.config)
        waited = 0.0
        while True:
            failed = failure_of(calls, results)
            if failed is not None:
                raise FabricError(Problem(UNREADABLE, f"{self.resource.name} on {self.request.thing}", failed))
            reading = self._reading(results.part(_OBSERVED))
            self.obstacles = reading.obstacles
            if reading.missing is not None:
                missing = self._here(reading.missing)
                if not self.request.check_mode:
                    raise FabricError(missing)
                self.warnings.append(_ahead(missing))
                return reading.state
            if not reading.settling or self.request.check_mode:
                return reading.state
            if waited >= self.request.settle_seconds:
                thing = f"{self.resource.name} on {self.request.thing}"
                raise FabricError(Problem(UNSETTLED, thing, reading.settling))
            yield Sleep(POLL_SECONDS)
            waited += POLL_SECONDS
            results = yield from self._execute(calls)

    def _reading(self, results: Results) -> Reading:
        try:
            return self.resource.read(results, self.request.config)
        except MISLED as error:
            raise nonsense(error, self.request.thing) from error

    def _planned(self, state: State) -> Plan:
        try:
            return plan(self.resource, self.request.state, state, self.request.config, self.obstacles)
        except MISLED as error:
            raise nonsense(error, self.request.thing) from error

    def _observe(self) -> Generator[Need, Answer, State]:
        results = yield from self._execute(_observing(self.resource, self.request.config))
        return (yield from self._settled(results))

    def _apply(self, calls: Sequence[Call], following: Sequence[Call]) -> Generator[Need, Answer, Results]:
        """Carry out calls in as few executions as their size allows; `following` rides with the last one."""
        results = Results()
        for batch in batches(calls, following):
            results = yield from self._execute(batch)
            for name in results:
                self.warnings.extend(results.outcome(name).warnings)
            done = [call for call in batch if call.changes and call.id in results and not results.error(call.id)]
            self.commands.extend(render(done))
            failed = failure_of([call for call in batch if not call.id.startswith(_OBSERVED)], results)
            if failed is not None:
                raise FabricError(Problem(CALL_FAILED, f"{self.resource.name} on {self.request.thing}", failed))
        return results

    def _stage(self, planned: Plan) -> Generator[Need, Answer, State | None]:
        """Carry out a plan up to its first restart. Returns the new state, or None if a restart is left to the user."""
        stage, restart = _until_restart(planned.steps)
        if restart is None:
            results = yield from self._apply(stage, _observing(self.resource, self.request.config))
            return (yield from self._settled(results))
        yield from self._apply(stage, ())
        if not self.request.reboot:
            return None
        yield Reboot(restart.reason)
        self.commands.extend(render([restart]))
        return (yield from self._observe())

    def _report(self, before: State, after: State, **more: bool) -> Report:
        return Report(
            before=visible(self.resource, before),
            after=visible(self.resource, after),
            commands=tuple(self.commands),
            warnings=tuple(self.warnings),
            **more,
        )

    def work(self) -> Work:
        """Do the task."""
        request = self.request
        before = {} if request.state == "rendered" else (yield from self._observe())
        planned = self._planned(before)
        if request.check_mode or request.state == "rendered":
            self.warnings.extend(_ahead(problem) for problem in planned.unmet)
            self.commands.extend(render(planned.steps))
            changed = planned.changed and request.state != "rendered"
            return self._report(before, planned.after, changed=changed)
        try:
            return (yield from self._carry_out(planned))
        except Exception as error:
            reason = error if isinstance(error, FabricError) else fault(error, request.thing)
            if not self.commands:
                raise reason from error
            raise InterruptedChangeError(self.commands, *reason.problems) from error

    def _carry_out(self, first: Plan) -> Work:
        """Carry out a plan, stage by stage; what is left is planned anew from what is there after each of them."""
        planned, state = first, first.before
        done: list[object] = []
        contests = 0
        for _stage in range(MAXIMUM_STAGES):
            if planned.unmet:
                raise FabricError(*planned.unmet)
            following = _deeds(planned)
            # The same deeds would lead to the same state once more.
            if not planned.changed or all(deed in done for deed in following):
                break
            try:
                reached = yield from self._stage(planned)
            except FabricError as error:
                contests += 1
                state = yield from self._changed_meanwhile(planned, error, contests)
                planned = self._planned(state)
                continue
            if reached is None:
                return self._report(first.before, state, changed=True, reboot_required=True)
            done, state = following, reached
            planned = self._planned(state)
        if planned.changed:
            raise FabricError(*self._reasons(planned))
        return self._report(first.before, state, changed=first.changed and (not contests or bool(self.commands)))

    def _changed_meanwhile(self, planned: Plan, error: FabricError, contests: int) -> Generator[Need, Answer, State]:
        """Return what is there after a change failed, if it is not what was planned from; else raise the error again.

        Somebody else may have made the same change a moment before: then it is there, and nothing failed.
        """
        (problem, *_) = error.problems
        if problem.kind is not CALL_FAILED:
            raise error
        try:
            state = yield from self._observe()
        except FabricError:
            raise error from None
        if _lasting(self.resource, state) == _lasting(self.resource, planned.before):
            raise error
        if contests > MAXIMUM_CONTESTS:
            raise FabricError(replace(problem, kind=CONTESTED))
        self.warnings.append(
            f"{problem.thing}: planned anew from what is there after a change failed: {problem.detail}"
        )
        return state

    def _here(self, problem: Problem) -> Problem:
        """Name the machine where a resource, which does not know its name, left the thing open."""
        return problem if problem.thing else replace(problem, thing=self.request.thing)

    def _reasons(self, planned: Plan) -> list[Problem]:
        reasons = [
            self._here(problem) for before, after in planned.targets for problem in self.resource.explain(before, after)
        ]
        thing = f"{self.resource.name} on {self.request.thing}"
        return reasons or [Problem(NOT_REACHED, thing, _difference(self.resource, planned))]


def _lasting(resource: Resource, state: State) -> dict[str, object]:
    """Return of a state what is compared: the rest may differ from one look to the next, such as the host's clock."""
    names = {option.name for option in resource.options if option.role in (Role.KEY, *COMPARED)}
    return {key: {name: value for name, value in item.items() if name in names} for key, item in state.items()}


def _ahead(problem: Problem) -> str:
    return f"{problem} (check mode goes on: an earlier task may see to it)"


def _difference(resource: Resource, planned: Plan) -> str:
    before, after = visible(resource, planned.before), visible(resource, planned.after)
    return f"it is {json.dumps(before, default=str)}, and should be {json.dumps(after, default=str)}"


def _deeds(planned: Plan) -> list[object]:
    """Return what the next stage of a plan does, in a form that compares: the ids of calls differ from plan to plan."""
    calls, restart = _until_restart(planned.steps)
    return [*((call.cmdlet, call.parameters) for call in calls), *([restart] if restart else [])]


def _until_restart(steps: Sequence[Step]) -> tuple[tuple[Call, ...], Restart | None]:
    calls: list[Call] = []
    for step in steps:
        if isinstance(step, Restart):
            return tuple(calls), step
        calls.append(step)
    return tuple(calls), None


def batches(calls: Sequence[Call], following: Sequence[Call]) -> Iterator[tuple[Call, ...]]:
    """Cut calls into executions of bounded size; calls of one item (one id prefix) stay together."""
    batch: list[Call] = []
    size = 0
    items: dict[str, list[Call]] = {}
    for call in calls:
        items.setdefault(call.id.partition("-")[0], []).append(call)
    for item in items.values():
        weight = sum(len(json.dumps(to_wire(call))) for call in item)
        if batch and size + weight > BATCH_BYTES:
            yield tuple(batch)
            batch, size = [], 0
        batch.extend(item)
        size += weight
    if batch or following:
        yield (*batch, *following)


def reconcile(resource: Resource, request: Request) -> Work:
    """Bring what `resource` describes to what `request` asks for.

    Yields Execute, Reboot and Sleep; is sent the module's result, or an empty mapping. Returns a Report. Raises
    FabricError for whatever stops it; nothing was changed then, unless it is an InterruptedChangeError.
    """
    shown = disclosure(resource.options, request.config)
    try:
        check_texts(resource.name, resource.options, request.config)
        prepared = replace(request, config=resource.prepare(request.config))
        return (yield from _Engine(resource, prepared).work()).shown(shown)
    except FabricError as error:
        raise error.reworded(shown.message) from None
    except Exception as error:  # noqa: BLE001 - its text and its trace may hold a secret
        raise fault(error, request.thing).reworded(shown.message) from None
