# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of stock `ansible-playbook`, shown as phases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .lab import BUILD


@dataclass
class Playbooks:
    """Playbooks of the collection, run with these inventories."""

    inventories: Sequence[Path]
    work: Path

    def _argv(self, playbook: str, *arguments: str) -> list[str]:
        return [*self._program("ansible-playbook"), *arguments, f"guarded.fabric.{playbook.removesuffix('.yml')}"]

    def _program(self, name: str) -> list[str]:
        inventories = [argument for path in self.inventories for argument in ("-i", str(path))]
        return [str(Path(sys.executable).parent / name), *inventories]

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(BUILD),
            "ANSIBLE_HOME": str(self.work / "ansible"),
            "ANSIBLE_STDOUT_CALLBACK": "guarded.fabric.rollout",
            "ANSIBLE_FORKS": "6",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "GUARDED_FABRIC_ROLLOUT_SUMMARY": str(self._summary),
        }

    @property
    def _summary(self) -> Path:
        return self.work / "last-run.json"

    def command(self, playbook: str) -> str:
        """Return a command line that a person may type."""
        return " ".join([f"ANSIBLE_COLLECTIONS_PATH={BUILD}", *self._argv(playbook)])

    def run(self, playbook: str, *arguments: str) -> int:
        """Run a playbook; return its exit code."""
        return subprocess.run(self._argv(playbook, *arguments), env=self._environment, check=False).returncode  # noqa: S603

    def call(self, hosts: str, cmdlet: str, parameters: Mapping[str, object]) -> int:
        """Call a cmdlet on hosts as an administrator does who does not care for playbooks; return the exit code."""
        calls = [{"id": "call", "cmdlet": cmdlet, "parameters": parameters, "changes": True}]
        module = ["-m", "guarded.fabric.invoke_cmdlets", "-a", json.dumps({"calls": calls})]
        argv = [*self._program("ansible"), hosts, *module]
        environment = {**self._environment, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "True"}
        return subprocess.run(argv, env=environment, check=False).returncode  # noqa: S603

    def changed(self) -> int:
        """Return how many results of the last run changed something."""
        summary: dict[str, int] = json.loads(self._summary.read_text(encoding="utf-8"))
        return summary["changed"]
