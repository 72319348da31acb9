# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that go to a host and come back in one remote execution, counted by a relay between Ansible and the lab."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from .ansible_runs import write_play
from .cells import NO_OP, cells, play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ansible_runs import Runner

_CHUNK = 65536
IGNORED = {"ansible_winrm_server_cert_validation": "ignore", "ansible_psrp_cert_validation": "ignore"}
"""The relay has another address than the machine that the certificate names."""


@dataclass
class Traffic:
    """What went through a relay: TLS and the logon are in it. One connection is one task's."""

    up: int = 0
    down: int = 0
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, up: int, down: int) -> None:
        """Count bytes."""
        with self.lock:
            self.up += up
            self.down += down


def _copy(source: socket.socket, target: socket.socket, traffic: Traffic, *, is_up: bool) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
            traffic.add(len(data) if is_up else 0, 0 if is_up else len(data))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _serve(listener: socket.socket, target: tuple[str, int], traffic: Traffic) -> None:
    with suppress(OSError):
        while True:
            client, _address = listener.accept()
            traffic.connections += 1
            server = socket.create_connection(target)
            for source, sink, is_up in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=_copy, args=(source, sink, traffic), kwargs={"is_up": is_up}, daemon=True
                ).start()


@contextmanager
def relay(address: str, port: int) -> Iterator[tuple[int, Traffic]]:
    """Listen on a free port of 127.0.0.1 and pass on what comes; yields that port and what is counted."""
    traffic = Traffic()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=_serve, args=(listener, (address, port), traffic), daemon=True).start()
        yield listener.getsockname()[1], traffic
        listener.shutdown(socket.SHUT_RDWR)


def payloads(runner: Runner, connection: str) -> dict[str, dict[str, float]]:
    """Return bytes up and down, and connections, per execution of each cell's tasks on one host."""
    host = runner.fabric.tell("status")["hosts"][0]["name"]
    inventory = yaml.safe_load(runner.fabric.inventories[0].joinpath("hosts.yml").read_text(encoding="utf-8"))
    address = inventory["all"]["children"]["guarded_hosts"]["hosts"][host]["ansible_host"]
    port = inventory["all"]["vars"]["ansible_port"]
    found = {}
    for name, tasks in cells(runner.fabric.exchange).items():
        if name == NO_OP:
            continue
        with relay(address, port) as (own, traffic):
            chosen = runner.connection(connection, ansible_host="127.0.0.1", ansible_port=own, **IGNORED)
            path = write_play(runner.folder, f"payload {name}", play(tasks))
            cost = runner.measured(*chosen, "--limit", host, path, name=f"payload-{connection}-{path.stem}")
        count = cost.executions or len(tasks)  # the lab does not count modules that are not the collection's
        found[name] = {
            "up": traffic.up / count,
            "down": traffic.down / count,
            "connections": traffic.connections / count,
        }
    return found
