# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as the demonstration uses it: a program of its own, driven over its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
MODULE = "ansible_collections.guarded.fabric.lab"


@dataclass
class Lab:
    """A lab in a directory of its own."""

    directory: Path
    _running: bool = field(default=False, init=False)

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", MODULE, "--state", str(self.directory), *arguments]

    def _run(self, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the project's own program
            self._argv(*arguments),
            check=check,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(BUILD)},
        )

    def command(self, *arguments: str) -> str:
        """Return a command line that a person may type."""
        return " ".join(["PYTHONPATH=.build", *self._argv(*arguments)])

    def tell(self, *arguments: str) -> str:
        """Run a verb; return what it says. Raises CalledProcessError where it fails."""
        return self._run(*arguments, check=True).stdout

    def start(self, topology: str, connection: str) -> None:
        """Start the lab and wait until it is ready."""
        self._running = True
        print(self.tell("up", "--detach", "--topology", topology, "--connection", connection), end="", flush=True)

    def stop(self) -> None:
        """Stop the lab, if it was started."""
        if self._running:
            self._run("down", check=False)

    def status(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """Return nodes, hosts and virtual machines as the lab sees them from above."""
        status: Mapping[str, Sequence[Mapping[str, str]]] = json.loads(self.tell("status", "--json"))
        return status

    @property
    def inventory(self) -> Path:
        """The inventory of the lab's machines."""
        return self.directory / "inventory" / "hosts.yml"
