# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module CimCmdlets: Get-CimInstance over the classes that files of this package register.

Queries are equality comparisons joined by AND; whatever else WQL has is refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

Instances = Callable[["Session"], Sequence[Mapping[str, object]]]
"""Returns the properties of each instance of a class on the session's machine."""

_CLASSES: Final[dict[tuple[str, str], tuple[str, Instances]]] = {}
_DEFAULT_NAMESPACE: Final = "root/cimv2"
_COMPARISON: Final = re.compile(r"""\s*(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|(\d+)|(true|false))\s*""", re.IGNORECASE)
_CIM_EXCEPTION: Final = "Microsoft.Management.Infrastructure.CimException"
_COMMAND: Final = "Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand"


def cim_class(namespace: str, name: str) -> Callable[[Instances], Instances]:
    """Register the decorated function as the instances of a CIM class."""

    def register(function: Instances) -> Instances:
        _CLASSES[namespace.lower(), name.lower()] = (name, function)
        return function

    return register


@cmdlet("CimCmdlets", "Get-CimInstance")
def get_cim_instance(session: Session, p: Bound) -> object:
    """Return the instances of a class."""
    unknown = [name for name in p if name not in {"ClassName", "Namespace", "Filter", "Property", "ErrorAction"}]
    if unknown:
        raise NotEmulatedError(f"the lab does not emulate Get-CimInstance -{unknown[0]}")
    namespace = p.text("Namespace", _DEFAULT_NAMESPACE).replace("\\", "/").strip("/").lower()
    if namespace not in {known for known, _name in _CLASSES}:
        raise _error("Invalid namespace", "0x8004100e", "MetadataError")
    found = _CLASSES.get((namespace, p.text("ClassName").lower()))
    if found is None:
        raise _error("Invalid class", "0x80041010", "MetadataError")
    name, instances = found
    wanted = _conditions(p.text("Filter"))
    return [_instance(namespace, name, item) for item in instances(session) if _matches(item, wanted)]


def _error(message: str, code: str, category: str) -> CmdletError:
    return CmdletError(message, f"HRESULT {code},{_COMMAND}", category, _CIM_EXCEPTION)


def _conditions(text: str) -> dict[str, str]:
    conditions: dict[str, str] = {}
    for term in re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text.strip() else []:
        match = _COMPARISON.fullmatch(term)
        if match is None:
            raise _error("Invalid query", "0x80041017", "InvalidArgument")
        conditions[match[1].lower()] = next(value for value in match.groups()[1:] if value is not None).lower()
    return conditions


def _matches(properties: Mapping[str, object], conditions: Mapping[str, str]) -> bool:
    values = {name.lower(): str(value).lower() for name, value in properties.items()}
    missing = [name for name in conditions if name not in values]
    if missing:
        raise _error("Invalid query", "0x80041017", "InvalidArgument")
    return all(values[name] == value for name, value in conditions.items())


def _instance(namespace: str, name: str, properties: Mapping[str, object]) -> PSObject:
    return PSObject(f"Microsoft.Management.Infrastructure.CimInstance#{namespace}/{name}", properties)
