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
from .cells import NO_OP, Cells, play

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


def _pass_on(client: socket.socket, target: tuple[str, int], traffic: Traffic) -> None:
    with client, socket.create_connection(target) as server:
        down = threading.Thread(target=_copy, args=(server, client, traffic), kwargs={"is_up": False})
        down.start()
        _copy(client, server, traffic, is_up=True)
        down.join()


def _serve(listener: socket.socket, target: tuple[str, int], traffic: Traffic) -> None:
    served: list[threading.Thread] = []
    with suppress(OSError):
        while True:
            client, _address = listener.accept()
            traffic.connections += 1
            served.append(threading.Thread(target=_pass_on, args=(client, target, traffic)))
            served[-1].start()
    for thread in served:
        thread.join()


@contextmanager
def relay(address: str, port: int) -> Iterator[tuple[int, Traffic]]:
    """Listen on a free port of 127.0.0.1 and pass on what comes; yields that port and what is counted."""
    traffic = Traffic()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = threading.Thread(target=_serve, args=(listener, (address, port), traffic))
        server.start()
        try:
            yield listener.getsockname()[1], traffic
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join()


def payloads(runner: Runner, connection: str, cells: Cells) -> dict[str, dict[str, float]]:
    """Return bytes up and down, and connections, per execution of each cell's tasks on one host."""
    host = runner.fabric.tell("status")["hosts"][0]["name"]
    inventory = yaml.safe_load(runner.fabric.inventories[0].joinpath("hosts.yml").read_text(encoding="utf-8"))
    address = inventory["all"]["children"]["guarded_hosts"]["hosts"][host]["ansible_host"]
    port = inventory["all"]["vars"]["ansible_port"]
    found = {}
    for name, tasks in cells.items():
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
