# SPDX-License-Identifier: GPL-3.0-or-later
"""Binds parameters to the published syntax of a cmdlet, as PowerShell's binder would, or raises the error it would."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from .contracts import ALL_SETS, COMMON, RISK, Contract, Parameter, ParameterSet, Version, contract, contracts
from .conversion import ConversionError, convert
from .registry import Bound, CmdletError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# about_CommonParameters, Windows PowerShell 5.1.
_ACTIONS: Final = ("SilentlyContinue", "Stop", "Continue", "Inquire", "Ignore", "Suspend")
_COMMON: Final[tuple[Parameter, ...]] = (
    Parameter("Verbose", "SwitchParameter", ("vb",)),
    Parameter("Debug", "SwitchParameter", ("db",)),
    Parameter("ErrorAction", "ActionPreference", ("ea",), _ACTIONS),
    Parameter("WarningAction", "ActionPreference", ("wa",), _ACTIONS),
    Parameter("InformationAction", "ActionPreference", ("infa",), _ACTIONS),
    Parameter("ErrorVariable", "String", ("ev",)),
    Parameter("WarningVariable", "String", ("wv",)),
    Parameter("InformationVariable", "String", ("iv",)),
    Parameter("OutVariable", "String", ("ov",)),
    Parameter("OutBuffer", "Int32", ("ob",)),
    Parameter("PipelineVariable", "String", ("pv",)),
)
_RISK: Final[tuple[Parameter, ...]] = (
    Parameter("WhatIf", "SwitchParameter", ("wi",)),
    Parameter("Confirm", "SwitchParameter", ("cf",)),
)


class BindError(CmdletError):
    """The parameters do not fit the cmdlet; nothing ran."""


def bind(cmdlet: str, parameters: Mapping[str, object], version: Version) -> Bound:
    """Return the parameters, canonically named and converted to their types, and the parameter set they choose.

    Values are None, bool, int, float, str, bytes, list, dict, and the registry's SecureString, Credential and PSObject.
    Raises BindError; UnknownCmdletError where the version publishes no such cmdlet.
    """
    known = contract(cmdlet, version)
    named = {name: _named(known, name) for name in parameters}
    values: dict[str, object] = {}
    for name, parameter in named.items():
        if parameter is None:
            continue
        if parameter.name in values:
            raise _error(
                known,
                "ParameterAlreadyBound",
                f"Cannot bind parameter because parameter '{parameter.name}' is specified more than once.",
            )
        values[parameter.name] = _converted(known, parameter, parameters[name], version)
    stray = [name for name, parameter in named.items() if parameter is None]
    chosen = _choose(known, values, stray)
    missing = [name for name, place in chosen.places.items() if place.mandatory and name not in values]
    if missing:
        raise _error(
            known,
            "MissingMandatoryParameter",
            f"Cannot process command because of one or more missing mandatory parameters: {' '.join(missing)}.",
        )
    return Bound(chosen.name, values)


def _error(known: Contract, error_id: str, message: str, category: str = "InvalidArgument") -> BindError:
    return BindError(message, f"{error_id},{known.name}", category)


def _bindable(known: Contract) -> list[Parameter]:
    members = {name for item in known.sets for name in item.places}
    return [parameter for name, parameter in known.parameters.items() if name in members]


def _named(known: Contract, name: str) -> Parameter | None:
    """Return the parameter of this name, alias, or beginning of one; the cmdlet's own come before the common ones."""
    common = [*_COMMON, *_RISK] if known.should_process else _COMMON
    own, begun = _matches(_bindable(known), name), _matches(common, name)
    for exact, _begun in (own, begun):
        if exact:
            return exact[0]
    found = own[1] or begun[1]
    if len(found) > 1:
        choices = " ".join(f"-{parameter.name}" for parameter in found)
        raise _error(
            known,
            "AmbiguousParameter",
            f"Parameter cannot be processed because the parameter name '{name}' is ambiguous. "
            f"Possible matches include: {choices}.",
        )
    return found[0] if found else None


def _matches(parameters: Iterable[Parameter], name: str) -> tuple[list[Parameter], list[Parameter]]:
    """Return the parameters that are called so, and those whose name or alias begins so."""
    wanted = name.lower()
    spelled = [(item, [text.lower() for text in (item.name, *item.aliases)]) for item in parameters]
    return (
        [item for item, spellings in spelled if wanted in spellings],
        [item for item, spellings in spelled if any(text.startswith(wanted) for text in spellings)],
    )


@cache
def _object_types(version: Version) -> frozenset[str]:
    """Return the short names of the classes that some cmdlet is published to return."""
    return frozenset(name for known in contracts(version) for name in known.outputs)


def _is_enum(parameter: Parameter) -> bool:
    """Tell an enum from a ValidateSet: pages publish the values of both in the same place."""
    return parameter.type.removesuffix("[]") != "String" and bool(parameter.accepted_values)


def _converted(known: Contract, parameter: Parameter, value: object, version: Version) -> object:
    names = parameter.accepted_values if _is_enum(parameter) else ()
    try:
        converted = convert(value, parameter.type, names, _object_types(version))
    except ConversionError as reason:
        raise _error(
            known,
            "CannotConvertArgumentNoMessage",
            f"Cannot bind parameter '{parameter.name}'. "
            f'Cannot convert the value to type "{parameter.type}": {reason}.',
        ) from reason
    _check_mandatory(known, parameter, converted)
    if not _is_enum(parameter):
        _check_set(known, parameter, converted)
    return converted


def _check_mandatory(known: Contract, parameter: Parameter, value: object) -> None:
    """Refuse what a mandatory parameter does not take unless it says so: null, empty text, an empty collection."""
    places = [item.places[parameter.name] for item in known.sets if parameter.name in item.places]
    if not any(place.mandatory for place in places):
        return
    kind = ""
    if value is None:
        kind = "Null"
    elif value == "" and parameter.type == "String":
        kind = "EmptyString"
    elif isinstance(value, list | bytes) and not value:
        kind = "EmptyArray"
    elif isinstance(value, list) and "" in value:
        kind = "EmptyString"
    elif isinstance(value, list) and None in value:
        kind = "Null"
    if kind:
        raise _error(
            known,
            f"ParameterArgumentValidationError{kind}NotAllowed",
            f"Cannot bind argument to parameter '{parameter.name}' because it is empty or null.",
            "InvalidData",
        )


def _check_set(known: Contract, parameter: Parameter, value: object) -> None:
    accepted = {name.lower() for name in parameter.accepted_values}
    if not accepted:
        return
    for item in value if isinstance(value, list) else [value]:
        if str(item).lower() not in accepted:
            raise _error(
                known,
                "ParameterArgumentValidationError",
                f"Cannot validate argument on parameter '{parameter.name}'. "
                f'The argument "{item}" does not belong to the set "{",".join(parameter.accepted_values)}".',
                "InvalidData",
            )


def _choose(known: Contract, values: Mapping[str, object], stray: Sequence[str]) -> ParameterSet:
    """Return the set that has all the parameters given.

    Of several, the default one; where it is none of them or there is no default, the only one whose mandatory
    parameters were all given. PowerShell looks for strays before it decides among several where the pipeline could
    still decide.
    """
    given = [name for name in values if name not in COMMON | RISK]
    sets = known.sets or (ParameterSet(known.default_set or ALL_SETS, {}),)
    valid = [item for item in sets if all(name in item.places for name in given)]
    default = [item for item in valid if item.name == known.default_set]
    satisfied = [
        item for item in valid if all(name in values for name, place in item.places.items() if place.mandatory)
    ]
    pipeline = any(known.parameters[name].pipeline for item in valid for name in item.places if name not in values)
    chosen = valid if len(valid) == 1 else default or satisfied
    if len(chosen) != 1 and not (stray and valid and pipeline):
        raise _error(
            known,
            "AmbiguousParameterSet",
            "Parameter set cannot be resolved using the specified named parameters.",
        )
    if stray:
        raise _error(
            known, "NamedParameterNotFound", f"A parameter cannot be found that matches parameter name '{stray[0]}'."
        )
    return chosen[0]
