# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's binder and PowerShell's own, given the same published syntax and the same calls, must say the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract, ParameterSet, contracts
from ansible_collections.guarded.fabric.tests.powershell.judges import (
    ANOTHER_TYPE,
    Attempt,
    Given,
    as_calls,
    is_open,
    is_stricter,
    lab_says,
    plain,
    powershell_says,
    sample,
)

from .conftest import STUBBED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.powershell.shell import Shell

Parameters = dict[str, Given]


def fitting(known: Contract, chosen: ParameterSet, pick: random.Random) -> Parameters | None:
    """Return parameters of a set: all the mandatory ones, and some of the others."""
    parameters: Parameters = {}
    for name, place in chosen.places.items():
        given = sample(known.parameters[name])
        if place.mandatory and given is None:
            return None
        if given is not None and (place.mandatory or pick.random() < 0.3):
            parameters[name] = given
    return parameters


def mutated(known: Contract, parameters: Parameters, mutation: str, pick: random.Random) -> Parameters:
    """Return the parameters with a change that often, and not always, makes them wrong."""
    changed: Parameters = {}
    match mutation:
        case "without one":
            return {name: parameters[name] for name in list(parameters)[1:]}
        case "with a stranger":
            changed = {"NoSuchParameter": plain(1)}
        case "with one of another set":
            others = {name: sample(known.parameters[name]) for item in known.sets for name in item.places}
            found = [(name, given) for name, given in sorted(others.items()) if given and name not in parameters]
            changed = dict(pick.sample(found, min(1, len(found))))
        case "with another type":
            value = pick.choice(ANOTHER_TYPE)
            judged = [known.parameters[name] for name in parameters]
            names = [item.name for item in judged if not is_open(item) and not is_stricter(item, value)]
            changed = {name: plain(value) for name in pick.sample(names, min(1, len(names)))}
        case "with a common parameter":
            name, common = pick.choice(sorted(COMMON_PARAMETERS.items()))
            changed = {name: plain(common)}
        case "spelled otherwise":
            return respelled(known, parameters, pick)
    return {**parameters, **changed}


COMMON_PARAMETERS: Final[Mapping[str, object]] = {
    "ErrorAction": "Stop",
    "WhatIf": True,
    "Verbose": False,
    "OutVariable": "x",
    "wa": "Ignore",
    "OutBuffer": "no",
}
MUTATIONS: Final = (
    *("none", "without one", "with a stranger", "with one of another set", "with another type", "spelled otherwise"),
    "with a common parameter",
)


def respelled(known: Contract, parameters: Parameters, pick: random.Random) -> Parameters:
    def spelling(name: str) -> str:
        begun = name[: pick.randint(2, len(name))]
        exact = {other.lower() for other in known.parameters} - {name.lower()}
        return pick.choice([name, *known.parameters[name].aliases, name if begun.lower() in exact else begun])

    # JSON with two keys that differ in case only never reaches a host: Ansible's wrapper cannot read it.
    spelled = {spelling(name).lower(): given for name, given in parameters.items()}
    return {pick.choice([name, name.upper()]): given for name, given in spelled.items()}


def attempts() -> Iterator[Attempt]:
    pick = random.Random(20261124)  # noqa: S311 - the same calls in every run
    for known in contracts("2022"):
        if known.module not in STUBBED:
            continue
        for chosen in known.sets:
            parameters = fitting(known, chosen, pick)
            if parameters is None:
                continue
            # All of what this collection is about, and a part of what it uses besides.
            share = 1 if known.module.startswith(("Hgs", "PlatformIdentifier")) else 0.15
            for mutation in MUTATIONS:
                if pick.random() < share:
                    yield Attempt(known.name, mutated(known, parameters, mutation, pick))


def test_both_binders_say_the_same(shell: Shell, stubs: list[Path]) -> None:
    known = list(attempts())
    an_object = {"id": "object", "cmdlet": "Get-HgsServer"}
    answer = shell.invoke([an_object, *as_calls(known)], modules=stubs)
    said = [powershell_says(entry) for entry in answer["results"][1:]]
    differences = [
        (
            attempt.cmdlet,
            {name: given.lab for name, given in attempt.parameters.items()},
            lab_says(attempt, "2022"),
            theirs,
        )
        for attempt, theirs in zip(known, said, strict=True)
        if lab_says(attempt, "2022") != theirs
    ]
    assert differences == []
    # The comparison would prove little if the calls all went the same way.
    assert {"conversion", "AmbiguousParameterSet", "MissingMandatoryParameter", "NamedParameterNotFound"} <= {
        theirs.error for theirs in said
    }
    assert sum(not theirs.error for theirs in said) > len(said) / 3


@pytest.mark.parametrize(
    ("cmdlet", "name", "value"),
    [
        ("Add-HgsAttestationTpmHost", "PolicyVersion", 1),
        ("Add-HgsAttestationTpmHost", "Path", {"a": 1}),
        ("Add-HgsAttestationTpmHost", "Xml", ""),
    ],
)
def test_where_the_lab_is_stricter_it_refuses(cmdlet: str, name: str, value: object) -> None:
    assert lab_says(Attempt(cmdlet, {name: plain(value)}), "2022").error == "conversion"
