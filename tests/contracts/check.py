# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks calls, in the form in which they travel to invoke_cmdlets, against the published syntax."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ansible_collections.guarded.fabric.lab.cmdlets.binder import BindError, bind
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import (
    COMMON,
    RISK,
    Contract,
    Parameter,
    UnknownCmdletError,
    Version,
    contract,
)
from ansible_collections.guarded.fabric.lab.cmdlets.registry import Credential, PSObject, SecureString

SUPPORTED: Final[tuple[Version, ...]] = ("2019", "2022", "2025")
"""The versions of Windows Server that the collection is for."""

_ABOUT_A_VALUE: Final = frozenset({"CannotConvertArgumentNoMessage", "ParameterArgumentValidationError"})
_SUFFIX: Final = re.compile(r"(\.[A-Za-z0-9]{1,16})?")


@dataclass(frozen=True)
class Finding:
    """What is wrong with a call; `about_value`: only with a value, and another text in its place might do."""

    text: str
    about_value: bool = False


def check_call(call: Mapping[str, object], versions: Sequence[Version] = SUPPORTED) -> list[Finding]:
    """Return what is wrong with a call, by version; nothing where every version publishes it like this.

    What only the host will know (a result of an earlier call) is taken to be of the right type.
    """
    return [
        replace(finding, text=f"{call['cmdlet']} on {version}: {finding.text}")
        for version in versions
        for finding in _findings(call, version)
    ]


def check_batch(calls: Sequence[Mapping[str, object]], versions: Sequence[Version] = SUPPORTED) -> list[Finding]:
    """Return what is wrong with the calls of one execution: with each, and with how they refer to each other."""
    findings: list[Finding] = []
    seen: set[str] = set()
    for call in calls:
        findings += check_call(call, versions)
        findings += [
            Finding(f"{call['cmdlet']}: no earlier call is {name!r}") for name in _references(call) if name not in seen
        ]
        seen.add(str(call["id"]))
    return findings


def _findings(call: Mapping[str, object], version: Version) -> Iterator[Finding]:
    try:
        known = contract(str(call["cmdlet"]), version)
    except UnknownCmdletError:
        yield Finding("not published")
        return
    if call["cmdlet"] != known.name:
        yield Finding(f"published as {known.name}")
    parameters = _mapping(call.get("parameters", {}))
    names = {name for item in known.sets for name in item.places} | COMMON | (RISK if known.should_process else set())
    yield from (Finding(f"-{name} is not how a parameter is published") for name in parameters if name not in names)
    try:
        bind(known.name, {name: resolved(known, name, value) for name, value in parameters.items()}, version)
    except BindError as error:
        yield Finding(str(error), error.error_id.split(",")[0] in _ABOUT_A_VALUE)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no mapping")
    return value


def resolved(known: Contract, name: str, value: object) -> object:
    """Return a value of a call as the lab would resolve it; one that is no tagged value stays."""
    if isinstance(value, list):
        return [resolved(known, name, item) for item in value]
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((tag, content),) = value.items()
    found: object = value
    match tag:
        case "$ref":
            found = placeholder(known.parameters.get(name))
        case "$secret":
            found = SecureString(str(content))
        case "$credential":
            named = _mapping(content)
            found = Credential(str(named["username"]), SecureString(str(named["password"])))
        case "$bytes":
            found = b"content"
        case "$file" if _SUFFIX.fullmatch(str(_mapping(content).get("suffix", ""))):
            found = "path"
    return found


def placeholder(parameter: Parameter | None) -> object:
    """Return a value that fits: what an earlier call gives is not published well enough to judge it."""
    element = "" if parameter is None else parameter.type.removesuffix("[]")
    fitting = {"String": "text", "Byte": b"content", "Boolean": True, "XmlDocument": "<a />"}
    return fitting.get(element, PSObject(element, {}))


def _references(call: Mapping[str, object]) -> Iterator[str]:
    waiting: list[object] = list(_mapping(call.get("parameters", {})).values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if set(value) == {"$ref"}:
                yield str(value["$ref"]).split(".")[0]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
