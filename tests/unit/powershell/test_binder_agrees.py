# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's binder and PowerShell's own, given the same published syntax and the same calls, must say the same."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.binder import BindError, bind
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract, Parameter, ParameterSet, contracts
from ansible_collections.guarded.fabric.lab.cmdlets.registry import Bound, Credential, PSObject, SecureString

from .conftest import STUBBED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.powershell.shell import Shell

# PowerShell has one id for a failed conversion where a compiled cmdlet is called and another where a function is.
CONVERSION: Final = {"CannotConvertArgumentNoMessage", "CannotConvertArgument", "ParameterArgumentTransformationError"}


@dataclass(frozen=True)
class Given:
    """A value as it goes to PowerShell, and as the lab has resolved it."""

    wire: object
    lab: object


def plain(value: object) -> Given:
    return Given(value, value)


SAMPLES: Final[dict[str, Given]] = {
    "Boolean": plain(True),  # noqa: FBT003 - a value
    "Byte": plain(7),
    "Byte[]": Given({"$bytes": base64.b64encode(b"\0\1").decode()}, b"\0\1"),
    "Char": plain("x"),
    "CultureInfo": plain("en-US"),
    "DateTime": plain("2026-11-24T19:00:00Z"),
    "Guid": plain("0f8fad5b-d9cb-469f-a165-70867728950e"),
    "Hashtable": plain({"a": 1}),
    "IPAddress": plain("10.0.0.1"),
    "PSCredential": Given({"$credential": {"username": "u", "password": "p"}}, Credential("u", SecureString("p"))),
    "SecureString": Given({"$secret": "s"}, SecureString("s")),
    "String": plain("text"),
    "SwitchParameter": plain(True),  # noqa: FBT003 - a value
    "TimeSpan": plain("01:30:00"),
    "Uri": plain("http://hgs.example/"),
    "Version": plain("10.0"),
    "XmlDocument": plain("<a />"),
    **{name: plain(7) for name in ("Int16", "Int32", "Int64", "UInt16", "UInt32", "UInt64")},
}


def sample(parameter: Parameter) -> Given | None:
    """Return a value that fits, or None where only a program can make one."""
    element = parameter.type.removesuffix("[]")
    if parameter.type.startswith("Nullable") or element in {"ScriptBlock", "X509Certificate2"}:
        return None
    if parameter.accepted_values:
        return plain(parameter.accepted_values[-1])
    if element == "StringCollection":
        return plain(["text"])
    known = SAMPLES.get(parameter.type) or SAMPLES.get(element)
    return known or Given({"$ref": "object"}, PSObject(element, {}))


@dataclass(frozen=True)
class Attempt:
    cmdlet: str
    parameters: Mapping[str, Given]


Parameters = dict[str, Given]

ANOTHER_TYPE: Final[Sequence[object]] = (
    *("text", "", None, 7, -1, 300, 70_000, 1.5, True, "7", "true", [], [1, 2], ["a", "b"], {"a": 1}),
)


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


def is_open(parameter: Parameter) -> bool:
    """Whether the stub takes anything, because the type is one that only Windows has."""
    return not parameter.accepted_values and parameter.type.removesuffix("[]") not in SAMPLES


def is_stricter(parameter: Parameter, value: object) -> bool:
    """Whether the lab refuses what PowerShell takes, as lab/cmdlets/conversion.py says."""
    element = parameter.type.removesuffix("[]")
    if parameter.accepted_values and element != "String":
        return not isinstance(value, str)
    return (element == "String" and isinstance(value, dict)) or (element == "XmlDocument" and value == "")


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


def lab_says(attempt: Attempt) -> tuple[str, ...]:
    try:
        bound: Bound = bind(attempt.cmdlet, {name: given.lab for name, given in attempt.parameters.items()}, "2022")
    except BindError as error:
        code = error.error_id.split(",")[0]
        return ("conversion",) if code in CONVERSION else (code,)
    return (bound.parameter_set, *sorted(bound.values))


def powershell_says(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if "error" in entry:
        code = entry["error"]["id"].split(",")[0]
        return ("conversion",) if code in CONVERSION else (code,)
    (item,) = entry["output"]
    return (item["Set"], *sorted(item["Names"].split()))


def test_both_binders_say_the_same(shell: Shell, stubs: list[Path]) -> None:
    known = list(attempts())
    calls = [
        {
            "id": str(number),
            "cmdlet": attempt.cmdlet,
            "parameters": {name: given.wire for name, given in attempt.parameters.items()},
            "select": ["Set", "Names"],
            "accept": ["*"],
        }
        for number, attempt in enumerate(known)
    ]
    an_object = {"id": "object", "cmdlet": "Get-HgsServer"}
    answer = shell.invoke([an_object, *calls], modules=stubs)
    said = [powershell_says(entry) for entry in answer["results"][1:]]
    differences = [
        (attempt.cmdlet, {name: given.lab for name, given in attempt.parameters.items()}, lab_says(attempt), theirs)
        for attempt, theirs in zip(known, said, strict=True)
        if lab_says(attempt) != theirs
    ]
    assert differences == []
    # The comparison would prove little if the calls all went the same way.
    assert {"conversion", "AmbiguousParameterSet", "MissingMandatoryParameter", "NamedParameterNotFound"} <= {
        theirs[0] for theirs in said
    }
    assert sum(len(theirs) > 1 for theirs in said) > len(said) / 3


@pytest.mark.parametrize(
    ("cmdlet", "name", "value"),
    [
        ("Add-HgsAttestationTpmHost", "PolicyVersion", 1),
        ("Add-HgsAttestationTpmHost", "Path", {"a": 1}),
        ("Add-HgsAttestationTpmHost", "Xml", ""),
    ],
)
def test_where_the_lab_is_stricter_it_refuses(cmdlet: str, name: str, value: object) -> None:
    assert lab_says(Attempt(cmdlet, {name: plain(value)})) == ("conversion",)
