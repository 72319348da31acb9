# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab in a process of its own, with a Host Guardian Service at work, and what good clients have sent to it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.lab import topology
from ansible_collections.guarded.fabric.lab.control_client import NotRunningError, ask
from ansible_collections.guarded.fabric.lab.topology import Group, Topology
from ansible_collections.guarded.fabric.lab.world import attestation_client, network
from ansible_collections.guarded.fabric.lab.world.factory import Passwords
from ansible_collections.guarded.fabric.lab.world.model import Account, Machine, World
from ansible_collections.guarded.fabric.lab.world.store import Store

if TYPE_CHECKING:
    import pytest
    from ansible_collections.guarded.fabric.lab.service.routes import Reply
    from ansible_collections.guarded.fabric.lab.world.clock import Clock
    from ansible_collections.guarded.fabric.tests.unit.lab_protection.tenancy import Tenancy

USER, PASSWORD = "Administrator", "Passw0rd!"
HGS = "hgs1"
_START_SECONDS = 60


@dataclass(frozen=True)
class HttpCall:
    """A request that a host sent to its Host Guardian Service."""

    method: str
    path: str
    body: bytes


def record(tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> list[HttpCall]:
    """Let a host attest, in both versions, and start a shielded machine; return what the service was asked."""
    calls = [HttpCall("GET", "/KeyProtection/service/metadata/2014-07/metadata.xml", b"")]
    original = network.request

    def request(  # noqa: PLR0913, PLR0917 - as the original
        world: World, clock: Clock, machine: Machine, method: str, url: str, body: bytes = b""
    ) -> Reply:
        calls.append(HttpCall(method, "/" + url.split("/", 3)[3], body))
        return original(world, clock, machine, method, url, body)

    with monkeypatch.context() as patched:
        patched.setattr(network, "request", request)
        old = tenancy.fabric.host("host2016")
        old.version = "2016"
        tenancy.fabric.register(old, "v1")
        for host in (tenancy.host, old):
            attestation_client.attest(tenancy.fabric.world, tenancy.fabric.clock, host)
            assert host.client.status == "Passed"
        tenancy.shield(tenancy.machine(tenancy.host, "vm1"))
    return calls


@dataclass
class ServedLab:
    """The lab's process. `machines` are those that Ansible could log on to, with their addresses."""

    directory: Path
    process: subprocess.Popen[bytes]
    machines: dict[str, str]
    winrm_port: int
    http_port: int

    @property
    def authority(self) -> Path:
        """Whose certificates to trust."""
        return self.directory / "certificates" / "ca.pem"

    def open_files(self) -> int:
        """Count its open files, of which each connection is one."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def memory(self) -> float:
        """Return how much memory it has now, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def connections(self) -> int:
        """Return how many connections it has now."""
        statistics: dict[str, Any] = ask(self.directory / "control", "statistics")
        return int(statistics["connections"])

    def complaints(self) -> list[str]:
        """Return what it logged beyond what it always says."""
        lines = (self.directory / "log").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if " INFO " not in line and not line.endswith("hosts.yml")]

    def world(self) -> World:
        """Return the saved world, without what a service notes of everybody who asks."""
        with closing(Store(self.directory / "world.sqlite")) as store:
            world = store.load()
        for cluster in world.clusters.values():
            cluster.attestation = replace(cluster.attestation, events=[], sessions={})
        return world


def serve(directory: Path, net: str, tenancy: Tenancy) -> ServedLab:
    """Start a lab with the tenancy's world, and some idle hosts more."""
    world, now = tenancy.fabric.world, tenancy.fabric.clock.now()
    kinds = Topology((Group("hgs", HGS), Group("host", "host1")), network=net, time_scale=1.0)
    for number in range(7):
        name = f"idle{number}"
        world.machines[name] = Machine(name, "host", "", "2022", "Datacenter", {})
    for machine, address in zip(world.machines.values(), kinds.addresses(), strict=False):
        machine.address = address
        machine.accounts = {USER.lower(): Account(USER, PASSWORD)}
    (directory / "topology.yml").write_text(topology.text(kinds), encoding="utf-8")
    (directory / "passwords.json").write_text(json.dumps(asdict(Passwords(*[PASSWORD] * 3))), encoding="utf-8")
    with closing(Store(directory / "world.sqlite")) as store:
        store.save(world, now + timedelta(minutes=10))
    command = [sys.executable, "-m", "ansible_collections.guarded.fabric.lab", "--state", str(directory), "up"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    machines = {machine.name: machine.address for machine in world.machines.values() if machine.host is None}
    lab = ServedLab(directory, process, machines, kinds.winrm_port, kinds.http_port)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, (directory / "log").read_text(encoding="utf-8")
        try:
            lab.connections()
        except NotRunningError:
            time.sleep(0.05)
        else:
            return lab
    raise AssertionError("the lab is not ready")
