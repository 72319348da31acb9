# SPDX-License-Identifier: GPL-3.0-or-later
"""The published syntax of Windows' cmdlets (tests/contracts/README.md says where it comes from), by Windows version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

Version = Literal["2016", "2019", "2022", "2025"]
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)

ALL_SETS: Final = "__AllParameterSets"
"""PowerShell's name for the only set of a cmdlet that names none."""

FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "contracts"
_SUPPLEMENT: Final = "_supplement.json"

# about_CommonParameters, Windows PowerShell 5.1. Every cmdlet has them, so a page that lists one says nothing new.
COMMON: Final = frozenset(
    {
        *("Verbose", "Debug", "ErrorAction", "WarningAction", "InformationAction", "ErrorVariable", "WarningVariable"),
        *("InformationVariable", "OutVariable", "OutBuffer", "PipelineVariable"),
    }
)
RISK: Final = frozenset({"WhatIf", "Confirm"})

# The docset of the modules that are part of Windows PowerShell itself, the same on every Windows Server.
_WINDOWS_POWERSHELL: Final = "5.1"


class UnknownCmdletError(LookupError):
    """No published text knows a cmdlet of this name under this Windows version."""


@dataclass(frozen=True)
class Parameter:
    """A parameter, whatever the set. `type` is the short .NET name; empty `accepted_values`: none are published."""

    name: str
    type: str
    aliases: tuple[str, ...] = ()
    accepted_values: tuple[str, ...] = ()
    pipeline: str = ""


@dataclass(frozen=True)
class Place:
    """A parameter's place in a set; `position` counts from 0, None is named only."""

    mandatory: bool = False
    position: int | None = None


@dataclass(frozen=True)
class ParameterSet:
    """A parameter set: canonical parameter names to places."""

    name: str
    places: Mapping[str, Place]


@dataclass(frozen=True)
class Contract:
    """What is published about a cmdlet.

    `should_process`: -WhatIf and -Confirm exist. `outputs`: short names of the types it is published to return.
    """

    module: str
    name: str
    should_process: bool
    default_set: str | None
    sets: tuple[ParameterSet, ...]
    parameters: Mapping[str, Parameter]
    outputs: tuple[str, ...] = ()


def contract(cmdlet: str, version: Version) -> Contract:
    """Return the contract of a cmdlet, whose name is matched without regard to case.

    Raises UnknownCmdletError.
    """
    found = _contracts(version).get(cmdlet.lower())
    if found is None:
        raise UnknownCmdletError(f"{cmdlet} is not published for Windows Server {version}")
    return found


def contracts(version: Version) -> Iterable[Contract]:
    """Return every contract of a Windows version."""
    return _contracts(version).values()


@cache
def _contracts(version: Version) -> Mapping[str, Contract]:
    found: dict[str, Contract] = {}
    for path in sorted(FOLDER.glob("[!_]*.json")):
        document = _read(path.name)
        for name, records in document["cmdlets"].items():
            for record in records:
                if version in record["versions"] or _WINDOWS_POWERSHELL in record["versions"]:
                    found[name.lower()] = _from_record(document["module"], name, record)
    for name, records in _read(_SUPPLEMENT)["cmdlets"].items():
        for record in records:
            if version in record["versions"]:
                found[name.lower()] = _supplemented(found.get(name.lower()), name, record)
    return MappingProxyType(found)


@cache
def _read(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def _from_record(module: str, name: str, record: Mapping[str, Any]) -> Contract:
    return Contract(
        module=module,
        name=name,
        # Some pages list -WhatIf among the parameters instead.
        should_process=bool(record["shouldProcess"]) or "WhatIf" in record["parameters"],
        default_set=record["defaultSet"],
        sets=_distinct(_set(item) for item in record["parameterSets"]),
        parameters={
            key: _parameter(key, value) for key, value in record["parameters"].items() if key not in COMMON | RISK
        },
        outputs=tuple(name.rsplit(".", 1)[-1].removesuffix("[]") for name in record["outputs"]),
    )


def _set(record: Mapping[str, Any]) -> ParameterSet:
    return ParameterSet(
        record["name"],
        {
            item["name"]: Place(item.get("mandatory", False), item.get("position"))
            for item in record["parameters"]
            if item["name"] not in COMMON | RISK
        },
    )


def _distinct(sets: Iterable[ParameterSet]) -> tuple[ParameterSet, ...]:
    """Join the blocks that pages of provider cmdlets show once per provider under one set name.

    What one provider needs (New-Item -ConnectionURI of WSMan) the others do without.
    """
    joined: dict[str, ParameterSet] = {}
    for item in sets:
        known = joined.get(item.name)
        joined[item.name] = item if known is None else replace(item, places=_common(item.places, known.places))
    return tuple(joined.values())


def _common(some: Mapping[str, Place], others: Mapping[str, Place]) -> Mapping[str, Place]:
    both = {**some, **others}
    return {
        name: replace(place, mandatory=place.mandatory and name in some and name in others)
        for name, place in both.items()
    }


def _extended(sets: Iterable[ParameterSet], more: Iterable[ParameterSet]) -> tuple[ParameterSet, ...]:
    """Add parameters to sets by the sets' names, and sets that are new."""
    extended = {item.name: item for item in sets}
    for item in more:
        known = extended.get(item.name)
        extended[item.name] = replace(item, places={**item.places, **known.places}) if known else item
    return tuple(extended.values())


def _parameter(name: str, record: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        # Where a page contradicts itself, SYNTAX is generated from the cmdlet and the tables are typed by hand.
        type=record.get("syntaxType") or record["type"] or "Object",
        aliases=tuple(record.get("aliases", ())),
        accepted_values=tuple(record.get("acceptedValues", ())),
        pipeline=record.get("pipeline") or "",
    )


def _supplemented(known: Contract | None, name: str, record: Mapping[str, Any]) -> Contract:
    added = {key: _parameter(key, value) for key, value in record["parameters"].items()}
    sets = [_set(item) for item in record["parameterSets"]]
    if known is None:
        known = Contract(record["module"], name, should_process=False, default_set=None, sets=(), parameters={})
    parameters = dict(known.parameters)
    for key, parameter in added.items():
        old = parameters.get(key)
        parameters[key] = (
            replace(old, type=parameter.type, accepted_values=old.accepted_values + parameter.accepted_values)
            if old
            else parameter
        )
    return replace(known, parameters=parameters, sets=_extended(known.sets, sets))
