# SPDX-License-Identifier: GPL-3.0-or-later
"""A call put before both judges: the lab's binder and PowerShell's own, and what each says of it in the same words."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ansible_collections.guarded.fabric.lab.cmdlets.binder import BindError, bind
from ansible_collections.guarded.fabric.lab.cmdlets.registry import Bound, Credential, PSObject, SecureString

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Parameter, Version

# PowerShell has one id for a failed conversion where a compiled cmdlet is called and another where a function is.
CONVERSION: Final = {"CannotConvertArgumentNoMessage", "CannotConvertArgument", "ParameterArgumentTransformationError"}


@dataclass(frozen=True)
class Given:
    """A value as it goes to PowerShell, and as the lab has resolved it."""

    wire: object
    lab: object


@dataclass(frozen=True)
class Attempt:
    """A call to judge."""

    cmdlet: str
    parameters: Mapping[str, Given]


def plain(value: object) -> Given:
    """Return a value that needs no resolving."""
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

ANOTHER_TYPE: Final[Sequence[object]] = (
    *("text", "", None, 7, -1, 300, 70_000, 1.5, True, "7", "true", [], [1, 2], ["a", "b"], {"a": 1}),
)
"""Values, each of which most types refuse."""


def sample(parameter: Parameter) -> Given | None:
    """Return a value that fits, or None where only a program can make one; `object` is the id of a call before it."""
    element = parameter.type.removesuffix("[]")
    if parameter.type.startswith("Nullable") or element in {"ScriptBlock", "X509Certificate2"}:
        return None
    if parameter.accepted_values:
        return plain(parameter.accepted_values[-1])
    if element == "StringCollection":
        return plain(["text"])
    known = SAMPLES.get(parameter.type) or SAMPLES.get(element)
    return known or Given({"$ref": "object"}, PSObject(element, {}))


def is_open(parameter: Parameter) -> bool:
    """Whether the stub takes anything, because the type is one that only Windows has."""
    return not parameter.accepted_values and parameter.type.removesuffix("[]") not in SAMPLES


def is_stricter(parameter: Parameter, value: object) -> bool:
    """Whether the lab refuses what PowerShell takes, as lab/cmdlets/conversion.py says."""
    element = parameter.type.removesuffix("[]")
    if isinstance(value, list):
        return any(is_stricter(parameter, item) for item in value)
    if parameter.accepted_values and element != "String":
        return not isinstance(value, str) or value.isdigit()
    if element == "IPAddress":
        return isinstance(value, float | int) or (isinstance(value, str) and value.isdigit())
    return (element == "String" and isinstance(value, dict)) or (element == "XmlDocument" and value == "")


@dataclass(frozen=True)
class Verdict:
    """The code of an error, or the parameter set and the parameters bound."""

    error: str = ""
    parameter_set: str = ""
    bound: tuple[str, ...] = ()


def lab_says(attempt: Attempt, version: Version) -> Verdict:
    """Return the lab's verdict."""
    try:
        bound: Bound = bind(attempt.cmdlet, {name: given.lab for name, given in attempt.parameters.items()}, version)
    except BindError as error:
        return Verdict(_code(error.error_id))
    return Verdict("", bound.parameter_set, tuple(sorted(bound.values)))


def powershell_says(entry: Mapping[str, Any]) -> Verdict:
    """Return PowerShell's verdict, from what invoke_cmdlets.ps1 answers for a stub that tells what was bound."""
    if "error" in entry:
        return Verdict(_code(entry["error"]["id"]))
    (item,) = entry["output"]
    return Verdict("", item["Set"], tuple(sorted(item["Names"].split())))


def _code(error_id: str) -> str:
    code = error_id.split(",", maxsplit=1)[0]
    return "conversion" if code in CONVERSION else code


def as_calls(attempts: Sequence[Attempt]) -> list[dict[str, object]]:
    """Return the attempts as calls of a batch."""
    return [
        {
            "id": str(number),
            "cmdlet": attempt.cmdlet,
            "parameters": {name: given.wire for name, given in attempt.parameters.items()},
            "select": ["Set", "Names"],
            "accept": ["*"],
        }
        for number, attempt in enumerate(attempts)
    ]
