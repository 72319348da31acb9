# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a whole machine is from what was declared for it, resource by resource, in one execution.

A task of its own for each resource would cost a worker process, a connection and a module run each. Here the calls that
observe share one batch, in which no error stops what follows: one that its resource does not take for an answer is
judged afterwards and leaves that resource unknown, and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from .calls import ANY_ERROR, Call, Outcome, Results, prefixed
from .disclosure import Disclosure, disclosure
from .engine import MISLED, UNREADABLE, Answer, Execute, Need, batches, failure_of, fault, nonsense, results_of
from .plan import departures, differing, visible
from .problems import FabricError, Problem
from .resource import Item, Reading, Resource
from .texts import check_texts
from .wire import accepts

T = TypeVar("T")

_OTHERS = "others-"
"""Prefix of the calls that belong to no resource; no module has this name."""


@dataclass(frozen=True)
class Declaration:
    """What a resource is declared to be: files are in the place of their paths, as for a Request."""

    resource: Resource
    state: str
    config: Sequence[Item]


@dataclass(frozen=True)
class Difference:
    """A property that is not as declared. `thing` is empty for the only item of a resource.

    Without a property the whole item is meant, and what it is declared to be, or is, is None where it is not to be, or
    is not.
    """

    thing: str
    option: str
    expected: object
    actual: object


@dataclass(frozen=True)
class Verdict:
    """What a look at a resource came to.

    unknown: why its state could not be read. missing: what has to be installed or done before it can be. With one of
    them, nothing else is known. settling: why the state is not final yet. problems: what stands in the way of the
    declared state, or has led away from it.
    """

    before: list[dict[str, object]] = field(default_factory=list)
    differences: tuple[Difference, ...] = ()
    missing: Problem | None = None
    settling: str = ""
    problems: tuple[Problem, ...] = ()
    unknown: tuple[Problem, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is a state to speak of."""
        return not self.unknown and self.missing is None

    def shown(self, disclosure: Disclosure, thing: str) -> Verdict:
        """Return the verdict without secrets; a problem that names no thing gets `thing`, the machine."""

        def told(problem: Problem) -> Problem:
            named = problem.thing or thing
            return replace(problem, thing=disclosure.message(named), detail=disclosure.message(problem.detail))

        return Verdict(
            before=disclosure.items(self.before),
            differences=tuple(
                replace(item, expected=disclosure.value(item.expected), actual=disclosure.value(item.actual))
                for item in self.differences
            ),
            missing=None if self.missing is None else told(self.missing),
            settling=disclosure.message(self.settling),
            problems=tuple(told(problem) for problem in self.problems),
            unknown=tuple(told(problem) for problem in self.unknown),
        )


@dataclass(frozen=True)
class _Look:
    """A declaration completed by what follows from it, and the calls that observe it."""

    declaration: Declaration
    prefix: str
    calls: tuple[Call, ...]


def _look(name: str, declaration: Declaration) -> _Look:
    resource, prefix = declaration.resource, f"{name}-"
    check_texts(resource.name, resource.options, declaration.config)
    prepared = replace(declaration, config=resource.prepare(declaration.config))
    return _Look(prepared, prefix, tuple(prefixed(call, prefix) for call in resource.observe(prepared.config)))


def _looking(calls: Sequence[Call], thing: str) -> Generator[Need, Answer, Results]:
    """Run calls that observe. Those of one resource are in one execution; a resource that stops one is not run again.

    The module stops at a call that is wrong in itself, such as one that refers to a result that an earlier call of its
    resource failed to give.
    """
    outcomes: dict[str, Outcome] = {}
    waiting = tuple(calls)
    while waiting:
        batch = next(batches(waiting, ()))
        sent = tuple(replace(call, accept=(ANY_ERROR,)) for call in batch)
        results = results_of((yield Execute(sent)), sent, thing)
        outcomes.update(results.outcomes)
        failed = [call.id for call in sent if (error := results.error(call.id)) is not None and not error.accepted]
        # Up to the one that stopped the batch; what is not there of them is not there.
        last = max(number for number, call in enumerate(batch) if not failed or call.id == failed[0])
        looked_at = {_resource_of(call) for call in batch[: last + 1]}
        waiting = tuple(call for call in waiting if _resource_of(call) not in looked_at)
    return Results(outcomes)


def _resource_of(call: Call) -> str:
    return call.id.partition("-")[0]


def _judged(call: Call, outcome: Outcome) -> Outcome:
    """Return an outcome in which an error is accepted where the resource itself takes it for an answer."""
    error = outcome.error
    if error is None:
        return outcome
    return replace(outcome, error=replace(error, accepted=error.accepted and accepts(call, error.id)))


def _read(look: _Look, results: Results, thing: str) -> Reading:
    resource = look.declaration.resource
    judged = Results({call.id: _judged(call, results.outcome(call.id)) for call in look.calls if call.id in results})
    failed = failure_of(look.calls, judged)
    if failed is not None:
        raise FabricError(Problem(UNREADABLE, f"{resource.name} on {thing}", failed))
    return resource.read(judged.part(look.prefix), look.declaration.config)


def _differences(resource: Resource, before: Item | None, after: Item | None) -> Iterator[Difference]:
    named = next(item for item in (before, after) if item is not None)
    thing = str(named[resource.key]) if resource.key else ""
    if before is None or after is None:
        (expected,) = visible(resource, {"": after}) if after is not None else (None,)
        (actual,) = visible(resource, {"": before}) if before is not None else (None,)
        yield Difference(thing, "", expected, actual)
        return
    for option in differing(resource, before, after):
        values = (None, None) if option.secret else (after.get(option.name), before.get(option.name))
        yield Difference(thing, option.name, *values)


def _verdict(look: _Look, results: Results, thing: str) -> Verdict:
    declaration, resource = look.declaration, look.declaration.resource
    reading = _read(look, results, thing)
    if reading.missing is not None:
        # Of a service that does not answer, nobody can say that its hosts are gone.
        return Verdict(missing=reading.missing, settling=reading.settling)
    differences: list[Difference] = []
    problems: list[Problem] = []
    for key, before, after in departures(resource, declaration.state, reading.state, declaration.config):
        differences.extend(_differences(resource, before, after))
        for ask in (resource.refuse, resource.require, resource.explain):
            problems.extend(ask(before, after))
        problems.extend(() if after is None else reading.obstacles.get(key, ()))
    return Verdict(
        before=visible(resource, reading.state),
        differences=tuple(differences),
        settling=reading.settling,
        problems=tuple(dict.fromkeys(problems)),
    )


def unknown(error: Exception, thing: str) -> Verdict:
    """Return the verdict on a resource that could not be looked at because of an error."""
    if isinstance(error, FabricError):
        return Verdict(unknown=error.problems)
    turned = nonsense(error, thing) if isinstance(error, MISLED) else fault(error, thing)
    return Verdict(unknown=turned.problems)


def _attempt(work: Callable[[], T], thing: str) -> T | Verdict:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one resource must not hide the others
        return unknown(error, thing)


def _all_secrets(declarations: Mapping[str, Declaration]) -> Disclosure:
    shown = [disclosure(item.resource.options, item.config) for item in declarations.values()]
    return Disclosure(tuple(sorted({form for one in shown for form in one.forms}, key=len, reverse=True)))


@dataclass(frozen=True)
class Sight:
    """What a look at a machine came to: verdicts by name of the resource, and the outcomes of the other calls."""

    verdicts: Mapping[str, Verdict]
    others: Results


def drifting(
    declarations: Mapping[str, Declaration], thing: str, others: Sequence[Call] = ()
) -> Generator[Need, Answer, Sight]:
    """Look at everything that is declared for the machine `thing`, and run the `others` with it. Changes nothing.

    Raises FabricError where the machine's answer is none.
    """
    shown = _all_secrets(declarations)
    looks = {name: _attempt(partial(_look, name, item), thing) for name, item in declarations.items()}
    calls = [call for look in looks.values() if isinstance(look, _Look) for call in look.calls]
    calls += [prefixed(call, _OTHERS) for call in others]
    try:
        results = yield from _looking(calls, thing)
    except FabricError as error:
        raise error.reworded(shown.message) from None
    verdicts = {
        name: _attempt(partial(_verdict, look, results, thing), thing) if isinstance(look, _Look) else look
        for name, look in looks.items()
    }
    return Sight({name: verdict.shown(shown, thing) for name, verdict in verdicts.items()}, results.part(_OTHERS))
