# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as the demonstration uses it: a program of its own, driven over its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MODULE = "ansible_collections.guarded.fabric.lab"


@dataclass
class Lab:
    """A lab in a directory of its own."""

    directory: Path
    _running: bool = field(default=False, init=False)

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", MODULE, "--state", str(self.directory), *arguments]

    def command(self, *arguments: str) -> str:
        """Return a command line that a person may type."""
        return " ".join(["PYTHONPATH=.build", *self._argv(*arguments)])

    def tell(self, *arguments: str) -> str:
        """Run a verb; return what it says. Raises CalledProcessError where it fails."""
        build = str(self.directory.parent.parent)
        done = subprocess.run(  # noqa: S603 - the project's own program
            self._argv(*arguments), check=True, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": build}
        )
        return done.stdout

    def start(self, topology: str, connection: str) -> None:
        """Start the lab and wait until it is ready."""
        self._running = True
        print(self.tell("up", "--detach", "--topology", topology, "--connection", connection), end="", flush=True)

    def stop(self) -> None:
        """Stop the lab, if it was started."""
        if self._running:
            subprocess.run(self._argv("down"), check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - as above

    def status(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """Return nodes, hosts and virtual machines as the lab sees them from above."""
        status: Mapping[str, Sequence[Mapping[str, str]]] = json.loads(self.tell("status", "--json"))
        return status

    @property
    def inventory(self) -> Path:
        """The inventory of the lab's machines."""
        return self.directory / "inventory" / "hosts.yml"

    def vendor_certificates(self) -> list[Path]:
        """Return the root certificates of the TPM vendors, as a guardian gets them from the vendors."""
        return sorted((self.directory / "tpm-vendors").glob("*.cer"))
