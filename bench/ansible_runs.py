# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of stock ansible-playbook in an environment that is the same on every machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from .fabric import BUILD, Fabric
from .process_cost import Spent, cpu_seconds, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cells import Task

CONNECTIONS: Mapping[str, Mapping[str, object]] = {
    "winrm": {},
    "psrp": {"ansible_connection": "psrp", "ansible_psrp_protocol": "https", "ansible_psrp_auth": "ntlm"},
}
"""What each needs beyond the lab's inventory, which is one for winrm."""


@dataclass(frozen=True)
class Cost:
    """What a run cost: seconds on the controller and in the lab, and remote executions."""

    wall: float
    cpu: float
    lab_cpu: float
    executions: int


@dataclass(frozen=True)
class Runner:
    """Runs playbooks against a lab; what they say is left in `folder`."""

    fabric: Fabric
    folder: Path
    forks: int
    say: Callable[[str], None]
    """Tells how far it has come."""

    @property
    def environment(self) -> dict[str, str]:
        """Return an environment without the user's settings: looking for proxies, each request reads all of it."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPYCACHEPREFIX": str(BUILD / "pycache"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "temporary"),
            "ANSIBLE_COLLECTIONS_PATH": str(BUILD),
            "ANSIBLE_STDOUT_CALLBACK": "guarded.fabric.rollout",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": str(self.forks),
        }

    def playbook(self, *arguments: str | Path, name: str) -> Spent:
        """Run ansible-playbook. Raises BenchError where it fails."""
        inventories = [argument for path in self.fabric.inventories for argument in ("-i", str(path))]
        program = Path(sys.executable).parent / "ansible-playbook"
        return run([program, *inventories, *arguments], self.environment, self.folder, name)

    def measured(self, *arguments: str | Path, name: str) -> Cost:
        """Run ansible-playbook, and count what it does to the lab."""
        executions, lab_cpu = self.fabric.executions(), cpu_seconds(self.fabric.pid)
        spent = self.playbook(*arguments, name=name)
        return Cost(
            wall=spent.wall,
            cpu=spent.cpu,
            lab_cpu=cpu_seconds(self.fabric.pid) - lab_cpu,
            executions=self.fabric.executions() - executions,
        )

    def connection(self, name: str, **more: object) -> list[str]:
        """Return arguments that choose a connection plugin."""
        variables = {**CONNECTIONS[name], **more}
        if name == "psrp":
            variables.setdefault("ansible_psrp_ca_cert", str(self.fabric.authority))
        return ["-e", yaml.safe_dump(variables, default_flow_style=True, width=10_000).strip()] if variables else []


def write_play(folder: Path, name: str, play: Sequence[Task]) -> Path:
    """Write a playbook; return its path."""
    path = folder / (name.replace(",", "").replace(" ", "-") + ".yml")
    path.write_text(yaml.safe_dump(list(play), sort_keys=False), encoding="utf-8")
    return path
