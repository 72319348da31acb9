# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module costs on the host: PowerShell 7 runs it in Ansible's own wrapper, over a local connection.

Windows PowerShell 5.1 is another program, with another C# compiler; the ratio is what to look at.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from .fabric import BUILD
from .process_cost import BenchError, run

CALLS = [
    {"id": "process", "cmdlet": "Get-Process", "parameters": {"Id": 1}, "select": ["Id", "ProcessName"]},
    {"id": "item", "cmdlet": "Get-Item", "parameters": {"LiteralPath": "/"}, "select": ["FullName"]},
    {"id": "hash", "cmdlet": "Get-FileHash", "parameters": {"LiteralPath": "/etc/hostname"}, "select": ["Hash"]},
]
"""The same for both modules, and possible on a machine that is no Windows."""
FLOOR, OURS, USUAL = "nothing", "guarded.fabric.invoke_cmdlets", "basic_calls"
_STARTS = 2
"""On a local connection: to make a folder for the module, which is not measured, and to run it."""
_LIBRARY = Path(__file__).resolve().parent / "library"


@dataclass(frozen=True)
class HostSide:
    """Medians in milliseconds by module, and ratios of invoke_cmdlets to a module with Ansible.Basic.

    The net ratios leave out what the module that does nothing costs: PowerShell's start and Ansible's wrapper.
    """

    wall: Mapping[str, float]
    cpu: Mapping[str, float]
    wall_ratio: float
    cpu_ratio: float
    net_wall_ratio: float
    net_cpu_ratio: float


def ansible_with_local_powershell() -> Path | None:
    """Return an ansible-playbook of 2.21 or later: earlier ones run PowerShell modules on no local connection."""
    found = BUILD / "venv-2.21" / "bin" / "ansible-playbook"
    return found if found.exists() else None


def powershell() -> Path | None:
    """Return PowerShell 7: $PWSH, or what PATH has."""
    named = os.environ.get("PWSH") or shutil.which("pwsh")
    return Path(named) if named else None


def _stand_in(folder: Path) -> Path:
    path = folder / "timed-pwsh"
    program = Path(__file__).with_name("timed_pwsh.py")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{program}" "$@"\n', encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def _once(folder: Path, program: Path, pwsh: Path, module: str) -> Mapping[str, float]:
    """Run a module once; return what PowerShell spent."""
    times, playbook = folder / "times.jsonl", folder / "host-side.yml"
    times.unlink(missing_ok=True)
    task = {module: {} if module == FLOOR else {"calls": CALLS}}
    checked = {"name": "Run it", "register": "done", "failed_when": "done is changed", **task}
    playbook.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [checked]}]), encoding="utf-8")
    variables = {
        "ansible_connection": "local",
        "ansible_pwsh_interpreter": str(_stand_in(folder)),
        "ansible_python_interpreter": sys.executable,
    }
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "BENCH_PWSH": str(pwsh),
        "BENCH_TIMES": str(times),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "temporary"),
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD),
        "ANSIBLE_LIBRARY": str(_LIBRARY),
        "ANSIBLE_NOCOLOR": "1",
    }
    run([program, "-i", "localhost,", "-e", json.dumps(variables), playbook], environment, folder, f"host-{module}")
    lines = times.read_text(encoding="utf-8").splitlines() if times.exists() else []
    if len(lines) != _STARTS:
        raise BenchError(f"{module}: PowerShell was started {len(lines)} times instead of {_STARTS}")
    spent: Mapping[str, float] = json.loads(lines[-1])
    return spent


def compare(folder: Path, program: Path, pwsh: Path, passes: int) -> HostSide:
    """Run the modules in turn."""
    spent: dict[str, list[Mapping[str, float]]] = {name: [] for name in (FLOOR, OURS, USUAL)}
    for module in spent:
        _once(folder, program, pwsh, module)  # what is read for the first time is in memory afterwards
    for _pass in range(passes):
        for module, found in spent.items():
            found.append(_once(folder, program, pwsh, module))
    wall = {name: 1000 * median(item["wall"] for item in found) for name, found in spent.items()}
    cpu = {name: 1000 * median(item["cpu"] for item in found) for name, found in spent.items()}
    return HostSide(
        wall=wall,
        cpu=cpu,
        wall_ratio=wall[OURS] / wall[USUAL],
        cpu_ratio=cpu[OURS] / cpu[USUAL],
        net_wall_ratio=(wall[OURS] - wall[FLOOR]) / (wall[USUAL] - wall[FLOOR]),
        net_cpu_ratio=(cpu[OURS] - cpu[FLOOR]) / (cpu[USUAL] - cpu[FLOOR]),
    )
