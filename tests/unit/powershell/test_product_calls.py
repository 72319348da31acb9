# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerShell's own binder takes every call that a resource can make and that is published."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Version, contract
from ansible_collections.guarded.fabric.tests.contracts.check import SUPPORTED, check_call, placeholder
from ansible_collections.guarded.fabric.tests.contracts.enumeration import distinct, enumerations
from ansible_collections.guarded.fabric.tests.powershell.generate_stubs import write_module

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract
    from ansible_collections.guarded.fabric.tests.powershell.shell import Shell


def stub_name(cmdlet: str) -> str:
    """Return a name that no cmdlet has, so that a stub stands beside the cmdlets that PowerShell really has."""
    return cmdlet.replace("-", "-Stub", 1)


def resolved(known: Contract, parameters: object) -> dict[str, object]:
    """Return parameters with what an earlier call would have given."""
    assert isinstance(parameters, dict)
    return {name: placed(known, name, value) for name, value in parameters.items()}


def placed(known: Contract, name: str, value: object) -> object:
    if isinstance(value, list):
        return [placed(known, name, item) for item in value]
    if not isinstance(value, dict) or set(value) != {"$ref"}:
        return value
    fitting = placeholder(known.parameters[name])
    if isinstance(fitting, bytes):
        return {"$bytes": "AQID"}
    return fitting if isinstance(fitting, str | bool) else {"$ref": "an object"}


@pytest.mark.parametrize("version", SUPPORTED)
def test_powershell_binds_every_call(shell: Shell, tmp_path: Path, version: Version) -> None:
    calls = [call for found in enumerations() for item in distinct(found.made) for call in item.calls]
    known = {str(call["cmdlet"]): contract(str(call["cmdlet"]), version) for call in calls}
    module = write_module(tmp_path, "Published", [replace(item, name=stub_name(name)) for name, item in known.items()])
    wire = [
        {
            "id": str(number),
            "cmdlet": stub_name(str(call["cmdlet"])),
            "parameters": resolved(known[str(call["cmdlet"])], call["parameters"]),
            "accept": ["*"],
        }
        for number, call in enumerate(calls)
    ]
    an_object = {"id": "an object", "cmdlet": "Get-Command"}
    answer = shell.invoke([an_object, *wire], modules=[module])
    assert len(calls) == len(answer["results"]) - 1
    # A call that is not published is tests/unit/contracts' to find; here the two judges have to agree.
    disagreed = {
        (str(call["cmdlet"]), str(entry.get("error", {}).get("message")))
        for call, entry in zip(calls, answer["results"][1:], strict=True)
        if ("error" in entry) != bool(check_call(call, [version]))
    }
    assert disagreed == set()
