# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab that is measured: one HGS node, one DNS server, many hosts of one hardware class with virtual machines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.demo import fabric
from ansible_collections.guarded.fabric.lab.control_client import NotRunningError, ask

from .process_cost import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
HARDWARE_CLASS = "Contoso R740"
SOFTWARE_CLASS = "Contoso-R740-software"
MACHINES_PER_HOST = 5
"""Virtual machines; they are looked at and never started."""
_PORT = 15986
_START_SECONDS = 900.0
_STOP_SECONDS = 60.0
_TIME_SCALE = "10"
"""A restart takes seconds, and a health certificate, which lasts eight hours, outlives the comparison."""


def _topology(hosts: int, network: str) -> str:
    return f"""\
network: {network}
hardware:
  - {{name: {HARDWARE_CLASS}, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}}
machines:
  - {{kind: hgs, name: "hgs{{:02}}", edition: Standard}}
  - {{kind: dns, name: "dns{{:02}}", edition: Standard}}
  - {{kind: host, name: "host{{:04}}", hardware: {HARDWARE_CLASS}, count: {hosts}}}
  - {{kind: tenant, name: "tenant{{:02}}"}}
virtual_machines:
  - {{name: "vm{{:05}}", count: {hosts * MACHINES_PER_HOST}}}
"""


@contextmanager
def _free_network() -> Iterator[str]:
    """Claim a network within 127.0.0.0/8 for as long as the context lasts; labs leave its first address alone."""
    for second in range(150, 200):
        with closing(socket.socket()) as claim:
            try:
                claim.bind((f"127.{second}.0.1", _PORT))
            except OSError:
                continue
            yield f"127.{second}.0.0/16"
            return
    raise BenchError("no network is free for a lab")


@dataclass(frozen=True)
class Fabric:
    """A lab that runs, and the inventories of its machines and of its administrators' decisions."""

    pid: int
    directory: Path
    inventories: tuple[Path, ...]
    exchange: Path
    started: float
    """Seconds that it took to start."""

    def tell(self, verb: str) -> Any:  # noqa: ANN401 - JSON
        """Run a verb of the lab. Raises ControlError."""
        return ask(self.directory / "control", verb)

    def executions(self, machine: str = "") -> int:
        """Return how many remote executions a machine has had so far; all machines together without a name."""
        counted: dict[str, int] = self.tell("statistics")["executions"]
        return counted.get(machine, 0) if machine else sum(counted.values())

    @property
    def authority(self) -> Path:
        """Certificate of the authority that the lab's machines have theirs from."""
        return self.directory / "certificates" / "ca.pem"


def _ready(process: subprocess.Popen[bytes], directory: Path) -> Any:  # noqa: ANN401 - JSON
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(NotRunningError):
            return ask(directory / "control", "status")
        time.sleep(0.1)
    raise BenchError(f"the lab did not start: {directory / 'lab.log'}")


@contextmanager
def running(work: Path, hosts: int) -> Iterator[Fabric]:
    """Start a lab with so many hosts; it is stopped when the context ends."""
    directory = work / "lab"
    directory.mkdir(mode=0o700)
    with _free_network() as network:
        topology = work / "topology.yml"
        topology.write_text(_topology(hosts, network), encoding="utf-8")
        command = [sys.executable, "-m", "ansible_collections.guarded.fabric.lab", "--state", str(directory), "up"]
        command += ["--time-scale", _TIME_SCALE, "--topology", str(topology)]
        begun = time.monotonic()
        with (directory / "lab.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the project's own program
                command,
                env={**os.environ, "PYTHONPATH": str(BUILD)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            status = _ready(process, directory)
            started = time.monotonic() - begun
            exchange = work / "exchange"
            decisions = fabric.write(work / "decisions", exchange, fabric.machines(status))
            yield Fabric(process.pid, directory, (directory / "inventory", decisions), exchange, started)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            process.kill()
            process.wait()
