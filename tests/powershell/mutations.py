# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call of the collection with every single mistake: what is dropped, misspelt, of another type, or mixed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from ansible_collections.guarded.fabric.lab.cmdlets.contracts import contract

from .judges import ANOTHER_TYPE, Attempt, Given, is_open, is_stricter, lab_says, plain, sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract, Version

Mistake: TypeAlias = Literal["none", "dropped", "misspelt", "another type", "sets mixed"]


@dataclass(frozen=True)
class Mutation:
    """A call with one mistake; `parameter` is where it is."""

    mistake: Mistake
    parameter: str
    attempt: Attempt

    def __str__(self) -> str:
        """Return it for a person to read."""
        values = {name: given.lab for name, given in self.attempt.parameters.items()}
        return f"{self.mistake} {self.parameter}: {self.attempt.cmdlet} {values}"


def mutations(attempts: Iterable[Attempt], version: Version) -> Iterator[Mutation]:
    """Yield each call as it is, and then with each mistake at each place; another type once for each parameter."""
    tried: set[tuple[str, str]] = set()
    for made in attempts:
        known = contract(made.cmdlet, version)
        attempt = _fitting(known, made, version)
        yield Mutation("none", "", attempt)
        for name in attempt.parameters:
            yield Mutation("dropped", name, replace(attempt, parameters=_without(attempt, name)))
            yield Mutation("misspelt", name, replace(attempt, parameters=_misspelt(attempt, name)))
            if (known.name, name) not in tried:
                tried.add((known.name, name))
                yield from _of_another_type(known, attempt, name)
        yield from _mixed(known, attempt)


def _fitting(known: Contract, made: Attempt, version: Version) -> Attempt:
    """Return a call with values that fit where its own are made up and do not: one mistake is enough."""
    if not lab_says(made, version).error:
        return made
    samples = {name: sample(known.parameters[name]) for name in made.parameters if name in known.parameters}
    return replace(made, parameters={name: samples.get(name) or given for name, given in made.parameters.items()})


def _without(attempt: Attempt, name: str) -> dict[str, Given]:
    return {other: given for other, given in attempt.parameters.items() if other != name}


def _misspelt(attempt: Attempt, name: str) -> dict[str, Given]:
    """Double a letter in the middle: a beginning of the name would still be the name."""
    middle = len(name) // 2
    wrong = name[:middle] + name[middle - 1] + name[middle:]
    return {wrong if other == name else other: given for other, given in attempt.parameters.items()}


def _of_another_type(known: Contract, attempt: Attempt, name: str) -> Iterator[Mutation]:
    parameter = known.parameters.get(name)
    # Those that every cmdlet has are not in its contract.
    if parameter is None or is_open(parameter):
        return
    for value in ANOTHER_TYPE:
        if not is_stricter(parameter, value):
            changed = {**attempt.parameters, name: plain(value)}
            yield Mutation("another type", name, replace(attempt, parameters=changed))


def _mixed(known: Contract, attempt: Attempt) -> Iterator[Mutation]:
    """Add, one at a time, each parameter that is in no set to which all of the call's belong."""
    own = [name for name in attempt.parameters if name in known.parameters]
    possible = [item.places for item in known.sets if all(name in item.places for name in own)]
    for name, parameter in known.parameters.items():
        given = sample(parameter)
        is_elsewhere = any(name in item.places for item in known.sets)
        if given is None or not is_elsewhere or any(name in places for places in possible):
            continue
        yield Mutation("sets mixed", name, replace(attempt, parameters={**attempt.parameters, name: given}))
