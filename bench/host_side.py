# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module costs on the host: PowerShell 7 runs it, with the C# that a module with Ansible.Basic has to compile.

PowerShell's start and Ansible's wrapper, which are the same for both, are not in it. Windows PowerShell 5.1 is another
program with another compiler: the ratio is what to look at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import ansible

from .fabric import ROOT
from .process_cost import BenchError

CALLS = [
    {"id": "process", "cmdlet": "Get-Process", "parameters": {"Id": 1}, "select": ["Id", "ProcessName"]},
    {"id": "item", "cmdlet": "Get-Item", "parameters": {"LiteralPath": "/"}, "select": ["FullName"]},
    {"id": "hash", "cmdlet": "Get-FileHash", "parameters": {"LiteralPath": "/etc/hostname"}, "select": ["Hash"]},
]
"""The same for both modules, and possible on a machine that is no Windows."""
OURS, USUAL = "invoke_cmdlets", "Ansible.Basic"
_LIBRARY = Path(__file__).resolve().parent / "library"
_UTILITIES = Path(ansible.__file__).resolve().parent / "module_utils"
_MODULES: Mapping[str, tuple[str | Path, ...]] = {
    OURS: ("-Module", ROOT / "plugins" / "modules" / "invoke_cmdlets.ps1"),
    USUAL: (
        *("-Module", _LIBRARY / "basic_calls.ps1"),
        *("-AddType", _UTILITIES / "powershell" / "Ansible.ModuleUtils.AddType.psm1"),
        *("-CSharp", _UTILITIES / "csharp" / "Ansible.Basic.cs"),
    ),
}
"""Arguments of in_process.ps1."""


@dataclass(frozen=True)
class HostSide:
    """Medians in milliseconds by module, and ratios of invoke_cmdlets to a module with Ansible.Basic."""

    wall: Mapping[str, float]
    cpu: Mapping[str, float]
    wall_ratio: float
    cpu_ratio: float


def powershell() -> Path | None:
    """Return PowerShell 7: $PWSH, or what PATH has."""
    named = os.environ.get("PWSH") or shutil.which("pwsh")
    return Path(named) if named else None


def run(pwsh: Path, arguments: Path, module: str) -> Mapping[str, Any]:
    """Run a module in a process of its own; return what it said, and milliseconds. Raises BenchError."""
    command = [pwsh, "-NoProfile", "-NonInteractive", "-File", _LIBRARY / "in_process.ps1", *_MODULES[module]]
    done = subprocess.run(  # noqa: S603 - the project's own script
        [*command, "-Arguments", arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise BenchError(f"{module}: {done.stdout}{done.stderr}")
    spent: Mapping[str, Any] = json.loads(done.stdout)
    outputs = [result.get("output") for result in json.loads(spent["said"] or "{}").get("results", ())]
    if spent["errors"] or len(outputs) != len(CALLS) or not all(outputs):
        raise BenchError(f"{module} did not do the calls: {done.stdout}")
    return spent


def compare(folder: Path, pwsh: Path, passes: int) -> HostSide:
    """Run the modules in turn."""
    arguments = folder / "calls.json"
    arguments.write_text(json.dumps({"calls": CALLS}), encoding="utf-8")
    spent: dict[str, list[Mapping[str, Any]]] = {name: [] for name in _MODULES}
    for _pass in range(passes):
        for module, found in spent.items():
            found.append(run(pwsh, arguments, module))
    return HostSide(
        wall={name: median(item["wall"] for item in found) for name, found in spent.items()},
        cpu={name: median(item["cpu"] for item in found) for name, found in spent.items()},
        wall_ratio=_ratio(spent, "wall"),
        cpu_ratio=_ratio(spent, "cpu"),
    )


def _ratio(spent: Mapping[str, list[Mapping[str, Any]]], name: str) -> float:
    pairs = zip(spent[OURS], spent[USUAL], strict=True)
    return median(float(one[name]) / float(other[name]) for one, other in pairs)
