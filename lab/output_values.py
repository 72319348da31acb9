# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a cmdlet's result goes back, and in which form: the values that invoke_cmdlets.yml documents."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from .cmdlets.registry import PSObject, SecureString

MISSING: Final = object()
"""The part of an object that has no such part."""

_CERTIFICATE: Final = ("Thumbprint", "Subject", "Issuer", "NotBefore", "NotAfter")
_CERTIFICATE_TYPE: Final = "System.Security.Cryptography.X509Certificates.X509Certificate2"


def pipeline(returned: object) -> list[object]:
    """Return what a cmdlet wrote to the pipeline, from what its function returned."""
    if isinstance(returned, list | tuple):
        return [item for item in returned if item is not None]
    return [] if returned is None else [returned]


def part(value: object, names: Sequence[str]) -> object:
    """Return the part of a value that a dotted name walks to, MISSING where there is none. Letter case is ignored."""
    for name in names:
        value = _step(value, name)
        if value is MISSING:
            return MISSING
    return value


def _step(value: object, name: str) -> object:
    if isinstance(value, list | tuple):
        if name.isascii() and name.isdigit():
            return value[int(name)] if int(name) < len(value) else MISSING
        parts = [found for item in value if (found := _step(item, name)) is not MISSING]
        return parts if parts or not value else MISSING
    if isinstance(value, bytes):
        return value[int(name)] if name.isascii() and name.isdigit() and int(name) < len(value) else MISSING
    properties = value.properties if isinstance(value, PSObject) else value
    if not isinstance(properties, Mapping):
        return MISSING
    wanted = name.lower()
    return next((item for key, item in properties.items() if str(key).lower() == wanted), MISSING)


def output(items: Sequence[object], select: Sequence[str]) -> list[object]:
    """Return the output of a call: values as they are, of objects what `select` names, or nothing."""
    return [
        answer(selected(item, select)) if _is_object(item) else answer(item)
        for item in items
        if select or not _is_object(item)
    ]


def selected(value: object, names: Sequence[str]) -> dict[str, object]:
    """Return the parts of an object by dotted name; one it does not have is left out."""
    parts = ((name, part(value, name.split("."))) for name in names)
    return {name: found for name, found in parts if found is not MISSING}


def _is_object(value: object) -> bool:
    return isinstance(value, PSObject | Mapping | list | tuple)


def answer(value: object) -> object:  # noqa: C901, PLR0911 - one case per kind of value
    """Return a value in its JSON form."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return int(value) if value.is_integer() else value
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
        case timedelta():
            return _time_span(value)
        case UUID():
            return str(value)
        case SecureString():
            return {"$secret": True}
        case PSObject(type_name=name) if name == _CERTIFICATE_TYPE:
            return answer(selected(value, _CERTIFICATE))
        case PSObject():
            return value.type_name
        case Mapping():
            return {str(key): answer(item) for key, item in value.items()}
        case list() | tuple():
            return [answer(item) for item in value]
    raise TypeError(f"a cmdlet of the lab returned {type(value).__name__}")


def _time_span(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06}0" if value.microseconds else ""
    return f"{sign}{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"
