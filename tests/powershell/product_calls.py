# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of the collection, made ready to be bound by stubs of the cmdlets they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract, Version, contract
from ansible_collections.guarded.fabric.tests.contracts.check import check_call, placeholder, resolved
from ansible_collections.guarded.fabric.tests.contracts.enumeration import distinct_calls, enumerations

from .judges import Attempt, Given

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ProductCalls:
    """Calls of every shape that resources make; `stubs` are contracts under names that no cmdlet has.

    So that a stub stands beside the cmdlet of that name that PowerShell really has, and which must not run.
    """

    version: Version
    stubs: tuple[Contract, ...]
    calls: tuple[Mapping[str, object], ...]
    published: tuple[bool, ...]

    @property
    def wire(self) -> list[dict[str, object]]:
        """The calls as a batch, behind one that gives an object to refer to."""
        first: dict[str, object] = {"id": "object", "cmdlet": "Get-Command"}
        return [first, *(self._stubbed(number, call) for number, call in enumerate(self.calls))]

    @property
    def attempts(self) -> list[Attempt]:
        """The calls, to be put before both judges; `object` is the id of a call before them."""
        found = []
        for call in self.calls:
            known = contract(str(call["cmdlet"]), self.version)
            wire = _placed(known, call["parameters"])
            given = {name: Given(value, resolved(known, name, value)) for name, value in wire.items()}
            found.append(Attempt(known.name, given))
        return found

    def _stubbed(self, number: int, call: Mapping[str, object]) -> dict[str, object]:
        name = str(call["cmdlet"])
        parameters = _placed(contract(name, self.version), call["parameters"])
        return {"id": str(number), "cmdlet": stub_name(name), "parameters": parameters, "accept": ["*"]}

    def disagreements(self, results: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
        """Return the calls that PowerShell refused and the lab takes, or the other way, with PowerShell's words."""
        return {
            (str(call["cmdlet"]), str(entry.get("error", {}).get("message")))
            for call, published, entry in zip(self.calls, self.published, results[1:], strict=True)
            if published == ("error" in entry)
        }


def product_calls(version: Version) -> ProductCalls:
    """Enumerate the calls, for a Windows version."""
    calls = distinct_calls(made for found in enumerations() for made in found.made)
    names = sorted({str(call["cmdlet"]) for call in calls})
    return ProductCalls(
        version,
        tuple(replace(contract(name, version), name=stub_name(name)) for name in names),
        tuple(calls),
        tuple(not check_call(call, [version]) for call in calls),
    )


def stub_name(cmdlet: str) -> str:
    """Return the name under which a stub stands for a cmdlet."""
    return cmdlet.replace("-", "-Stub", 1)


def _placed(known: Contract, parameters: object) -> dict[str, object]:
    """Return parameters with what an earlier call would have given."""
    assert isinstance(parameters, dict)
    return {name: _value(known, name, value) for name, value in parameters.items()}


def _value(known: Contract, name: str, value: object) -> object:
    if isinstance(value, list):
        return [_value(known, name, item) for item in value]
    if not isinstance(value, dict) or set(value) != {"$ref"}:
        return value
    fitting = placeholder(known.parameters[name])
    if isinstance(fitting, bytes):
        return {"$bytes": "AQID"}
    return fitting if isinstance(fitting, str | bool) else {"$ref": "object"}
