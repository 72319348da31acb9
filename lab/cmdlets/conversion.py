# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversion of a value to the published type of a parameter, as PowerShell's binder does it.

Stricter than PowerShell in places where it would accept what is always a mistake: an object does not turn into text,
and a number, also one in a text, does not stand for an enum's name or an address.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from lxml import etree

from .registry import Credential, PSObject, SecureString

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class ConversionError(ValueError):
    """A value does not convert to the type of a parameter."""


_INTEGERS: Final[Mapping[str, tuple[int, int]]] = {
    "SByte": (-(1 << 7), (1 << 7) - 1),
    "Byte": (0, (1 << 8) - 1),
    "Int16": (-(1 << 15), (1 << 15) - 1),
    "UInt16": (0, (1 << 16) - 1),
    "Int32": (-(1 << 31), (1 << 31) - 1),
    "UInt32": (0, (1 << 32) - 1),
    "Int64": (-(1 << 63), (1 << 63) - 1),
    "UInt64": (0, (1 << 64) - 1),
}

# Classes with a conversion from text of their own; those of ActiveDirectory (AD...) all have one.
_FROM_TEXT: Final = frozenset({"AppxPackage", "Certificate", "CimSession", "CultureInfo", "Feature", "MailAddress"})

# A parameter of the type on the left takes objects of those on the right.
_BASES: Final[Mapping[str, frozenset[str]]] = {
    "VirtualMachineBase": frozenset({"VirtualMachine", "VMSnapshot"}),
    "VMNetworkAdapterBase": frozenset({"VMNetworkAdapter", "VMInternalNetworkAdapter"}),
    "Certificate": frozenset({"X509Certificate2"}),
    "PSObject": frozenset(),
}
_ANY_OBJECT: Final = frozenset({"Object", "PSObject", "CimInstance"})

_TIME_SPAN: Final = re.compile(
    r"(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{2})(?::(?P<seconds>\d{2}(?:\.\d+)?))?"
)


def convert(value: object, type_name: str, accepted: Sequence[str], object_types: frozenset[str]) -> object:
    """Return the value as the type; raises ConversionError.

    `accepted` are the published names of an enum; `object_types` the short names of classes whose objects only a cmdlet
    can make.
    """
    if type_name.startswith("Nullable["):
        return None if value is None else convert(value, type_name[9:-1], accepted, object_types)
    if type_name == "StringCollection":
        # PowerShell fills any collection that has a constructor and Add.
        return convert(value, "String[]", accepted, object_types)
    if type_name == "Byte[]":
        return _bytes(value)
    if type_name.endswith("[]"):
        if value is None:
            return None
        items = value if isinstance(value, list | tuple) else [value]
        return [convert(item, type_name[:-2], accepted, object_types) for item in items]
    return _scalar(value, type_name, accepted, object_types)


def _scalar(value: object, type_name: str, accepted: Sequence[str], object_types: frozenset[str]) -> object:
    if type_name in _CONVERTERS:
        return _CONVERTERS[type_name](value)
    if type_name in _INTEGERS:
        return _integer(value, *_INTEGERS[type_name])
    if accepted:
        return _enum(value, accepted)
    return _object(value, type_name, object_types)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return str(value)
        case bool():
            return "True" if value else "False"
        case int() | float():
            return str(value)
        case uuid.UUID():
            return str(value)
    raise ConversionError("it is not text")


def _switch(value: object) -> bool:
    # A function takes no number here; a compiled cmdlet would.
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ConversionError("only Booleans stand for on or off")


def _boolean(value: object) -> bool:
    if isinstance(value, bool | int | float):
        return bool(value)
    raise ConversionError("only Booleans and numbers stand for true or false")


def _integer(value: object, low: int, high: int) -> int:
    number: int
    match value:
        case None:
            number = 0
        case bool() | int():
            number = int(value)
        case float():
            number = round(value)
        case str() if re.fullmatch(r"\s*[+-]?\d+\s*", value):
            number = int(value)
        case str() if value == "":
            number = 0
        case _:
            raise ConversionError("it is not a whole number")
    if not low <= number <= high:
        raise ConversionError(f"it is not between {low} and {high}")
    return number


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    items: Iterable[object] = value if isinstance(value, list | tuple) else [value]
    return bytes(_integer(item, *_INTEGERS["Byte"]) for item in items)


def _enum(value: object, accepted: Sequence[str]) -> str:
    if not isinstance(value, str):
        raise ConversionError("it is not the name of a value")
    names = []
    for part in value.split(","):
        wanted = part.strip().lower()
        exact = [name for name in accepted if name.lower() == wanted]
        # PowerShell completes the beginning of an enum's name where only one name has it.
        begun = exact or [name for name in accepted if wanted and name.lower().startswith(wanted)]
        if len(begun) != 1:
            raise ConversionError(f"the names are {', '.join(accepted)}")
        names.extend(begun)
    return ", ".join(names)


def _uri(value: object) -> str | None:
    if isinstance(value, bool):
        raise ConversionError("it is not a URI")
    return None if value is None else _text(value)


def _credential(value: object) -> object:
    # PowerShell asks a person for the missing credential, and nobody is there.
    if isinstance(value, Credential):
        return value
    raise ConversionError("it is not a PSCredential")


def _address(value: object) -> str:
    if isinstance(value, str):
        try:
            return str(ipaddress.ip_address(value))
        except ValueError as error:
            raise ConversionError("it is not an IP address") from error
    raise ConversionError("it is not an IP address")


def _guid(value: object) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    if isinstance(value, str):
        try:
            return uuid.UUID(value)
        except ValueError as error:
            raise ConversionError("it is not a GUID") from error
    raise ConversionError("it is not a GUID")


def _date(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise ConversionError("it is not an ISO 8601 date") from error
    raise ConversionError("it is not a date")


def _time_span(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and value.isdecimal():
        return timedelta(days=int(value))
    if isinstance(value, str) and (match := _TIME_SPAN.fullmatch(value)):
        return timedelta(**{unit: float(amount) for unit, amount in match.groupdict(default="0").items()})
    raise ConversionError("it is not a time span")


def _exactly(kind: type | tuple[type, ...], name: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if value is None or isinstance(value, kind):
            return value
        raise ConversionError(f"it is not a {name}")

    return check


def _xml(value: object) -> object:
    if isinstance(value, PSObject) and value.type_name.endswith("XmlDocument"):
        return value
    if isinstance(value, str):
        try:
            etree.fromstring(value.encode())
        except etree.XMLSyntaxError as error:
            raise ConversionError("it is not XML") from error
        return value
    raise ConversionError("it is not XML")


def _character(value: object) -> str:
    text = _text(value)
    if len(text) != 1:
        raise ConversionError("it is not one character")
    return text


def _object(value: object, type_name: str, object_types: frozenset[str]) -> object:
    if value is None or type_name in _ANY_OBJECT - {"CimInstance"}:
        return value
    if isinstance(value, PSObject):
        short = value.type_name.rsplit(".", 1)[-1]
        if type_name in _ANY_OBJECT or short == type_name or short in _BASES.get(type_name, ()):
            return value
        raise ConversionError(f"it is a {short}")
    takes_text = type_name in _FROM_TEXT or type_name.startswith("AD") or type_name not in object_types
    if isinstance(value, str) and takes_text:
        return value
    raise ConversionError(f"it is not a {type_name}")


_CONVERTERS: Final[Mapping[str, Callable[[object], object]]] = {
    "String": _text,
    "Boolean": _boolean,
    "SwitchParameter": _switch,
    "Char": _character,
    "Guid": _guid,
    "IPAddress": _address,
    "DateTime": _date,
    "TimeSpan": _time_span,
    "Uri": _uri,
    "Version": _text,
    "SecureString": _exactly(SecureString, "SecureString"),
    "PSCredential": _credential,
    "Hashtable": _exactly(dict, "Hashtable"),
    "IDictionary": _exactly(dict, "Hashtable"),
    "ScriptBlock": _exactly((), "ScriptBlock"),
    "XmlDocument": _xml,
}
