# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of stock `ansible-playbook` and what came of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
PHASES = (
    "hgs",
    "fabric_dns",
    "prepare_hosts",
    "register",
    "attest",
    "key_protectors",
    "shield",
    "encrypt_guests",
)
"""The playbooks of site.yml that change something, in its order."""
SETTINGS = """
[defaults]
internal_poll_interval = 0.01
"""
"""Ansible looks ten times less often than by default whether a task is done: a quarter of its time, if tasks wait."""
_TIMEOUT_SECONDS = 150


@dataclass(frozen=True)
class Result:
    """What a task came to on a host."""

    outcome: str
    host: str
    task: str
    action: str
    result: Mapping[str, Any]

    @property
    def changed(self) -> bool:
        """Whether it changed something, or in check mode would."""
        return bool(self.result.get("changed"))

    @property
    def problems(self) -> list[str]:
        """The ids of the problems it names."""
        return [problem["id"] for problem in self.result.get("problems", ())]


def in_order(results: Sequence[Result]) -> list[Result]:
    """Return results by task, and of one task by host: which of two hosts ends first is chance."""
    first: dict[str, int] = {}
    for number, result in enumerate(results):
        first.setdefault(result.task, number)
    return sorted(results, key=lambda result: (first[result.task], result.host))


@dataclass(frozen=True)
class Run:
    """A finished run."""

    code: int
    output: str
    results: Sequence[Result]

    @property
    def changed(self) -> list[str]:
        """Task and host of each result that changed something."""
        return [f"{result.task} on {result.host}" for result in self.results if result.changed]

    def of(self, action: str, host: str | None = None) -> list[Result]:
        """Return the results of a module."""
        return [item for item in self.results if item.action == action and host in (None, item.host)]


@dataclass
class Running:
    """A run that goes on."""

    process: subprocess.Popen[bytes]
    directory: Path

    def kill(self) -> None:
        """Kill ansible-playbook and its workers, without a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self) -> Run:
        """Wait for its end."""
        try:
            code = self.process.wait(_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        record = self.directory / "results.jsonl"
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        output = (self.directory / "output.txt").read_text(encoding="utf-8")
        return Run(code, output, in_order([Result(**json.loads(line)) for line in lines]))


@dataclass
class Ansible:
    """Runs playbooks with these inventories; everything that Ansible writes of its own lies below `directory`."""

    directory: Path
    inventories: Sequence[Path]
    program: Path = Path(sys.executable).parent / "ansible-playbook"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its environment, beside those that every run has."""
    _count: int = field(default=0, init=False)

    def start(self, playbook: str | Path, *arguments: str) -> Running:
        """Start playbooks: a file, or one or more of the collection by name, with spaces between."""
        self._count += 1
        directory = self.directory / f"run{self._count:02}"
        for folder in (directory, self.directory / "temporary"):
            folder.mkdir(parents=True, exist_ok=True)
        (directory / "ansible.cfg").write_text(SETTINGS, encoding="utf-8")
        inventories = [argument for path in self.inventories for argument in ("-i", str(path))]
        targets = (
            [str(playbook)] if isinstance(playbook, Path) else [f"guarded.fabric.{name}" for name in playbook.split()]
        )
        with (directory / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [self.program, *inventories, *arguments, *targets],
                cwd=directory,
                env=self._environment(directory),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Running(process, directory)

    def run(self, playbook: str | Path, *arguments: str) -> Run:
        """Run playbooks as `start` does."""
        return self.start(playbook, *arguments).wait()

    def succeed(self, playbook: str | Path, *arguments: str) -> Run:
        """Run playbooks that have to succeed."""
        done = self.run(playbook, *arguments)
        assert done.code == 0, done.output
        return done

    def _environment(self, directory: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory / "temporary"),
            "LANG": "C.UTF-8",
            "PYTHONPYCACHEPREFIX": str(BUILD / "pycache"),
            "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            # Ansible asks the shell for the user's home, and not every user has one.
            "ANSIBLE_REMOTE_TEMP": str(self.directory / "temporary"),
            "ANSIBLE_COLLECTIONS_PATH": str(BUILD),
            "ANSIBLE_STDOUT_CALLBACK": "guarded.fabric.rollout",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "recording",
            "RECORDING": str(directory / "results.jsonl"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            **self.variables,
        }
