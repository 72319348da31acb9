# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for tests: a process of its own, on addresses that no other lab of this machine has."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.lab.control_client import NotRunningError, ask
from ansible_collections.guarded.fabric.lab.world.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.lab.world.model import World

TIME_SCALE = 120.0
"""World seconds per second: a restart takes 0.3 s, a health certificate of eight hours lasts four minutes."""
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


@contextmanager
def free_network() -> Iterator[str]:
    """Claim a network within 127.0.0.0/8 for as long as the context lasts.

    Labs leave the first ten addresses of their network alone, so that one of them can be the claim.
    """
    for second, third in product(range(200, 250), range(1, 250)):
        with closing(socket.socket()) as claim:
            try:
                claim.bind((f"127.{second}.{third}.1", 15986))
            except OSError:
                continue
            yield f"127.{second}.{third}.0/24"
            return
    raise AssertionError("no network is free")


@dataclass
class TestLab:
    """A lab in a directory of its own."""

    __test__ = False

    directory: Path
    network: str
    connection: str = "winrm"
    time_scale: float = TIME_SCALE
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, topology: str | None = None) -> None:
        """Start it and wait until it is ready; without a topology, go on with the world that is there."""
        command = [sys.executable, "-m", "ansible_collections.guarded.fabric.lab", "--state", str(self.directory)]
        command += ["up", "--time-scale", str(self.time_scale), "--connection", self.connection]
        if topology is not None:
            command += ["--network", self.network, "--topology", topology]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log.read_text(encoding="utf-8")
            with suppress(NotRunningError):
                self.tell("status")
                return
            time.sleep(0.05)
        raise AssertionError(f"the lab is not ready: {self.log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End its process at once, as a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    @property
    def process(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """What it says."""
        self.directory.mkdir(exist_ok=True)
        return self.directory / "lab.log"

    @property
    def inventory(self) -> Path:
        """The directory of its inventory."""
        return self.directory / "inventory"

    def tell(self, verb: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Run a verb. Raises ControlError."""
        return ask(self.directory / "control", verb, **arguments)

    def changes(self) -> dict[str, int]:
        """Return how often each cmdlet that changes something was called so far."""
        counted: dict[str, int] = self.tell("statistics")["changes"]
        return counted

    def executions(self) -> dict[str, int]:
        """Return how many remote executions each machine has had so far."""
        counted: dict[str, int] = self.tell("statistics")["executions"]
        return counted

    def world(self) -> World:
        """Return the world as it was saved last."""
        with closing(Store(self.directory / "world.sqlite")) as store:
            return store.load()
