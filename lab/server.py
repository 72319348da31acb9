# SPDX-License-Identifier: GPL-3.0-or-later
"""A running lab: listeners that follow the machines' power, HGS's HTTP interface, the control socket, saved state."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .control import ControlSocket, Verbs
from .directory import LifetimeError
from .host import Host, known_module
from .reading import Reader
from .service import routes
from .topology import Topology
from .wire.endpoint import Endpoint
from .wire.http import Capacity, Handler, HttpListener, HttpRequest, HttpResponse
from .wire.ntlm import CredentialFile
from .world import hgs_clusters, power, reach, restarts
from .world.clock import Clock
from .world.model import World
from .world.store import Store

if TYPE_CHECKING:
    from .world.model import Machine

_LOG = logging.getLogger(__name__)

_SWEEP: Final = 0.05
"""Real seconds between two looks at which machines should listen."""

_IDLE_SHARE: Final = 0.1
"""Part of a processor that these looks may take at most: a fabric of thousands is looked at less often."""


class AddressError(LifetimeError):
    """An address or port that the lab needs cannot be had."""


@dataclass
class _Listeners:
    """The listeners of one machine."""

    winrm: Endpoint
    http: HttpListener
    winrm_open: bool = False
    http_open: bool = False


@dataclass
class LabServer:
    """Everything that listens. `run` returns when `stop` is called or the control socket is told to."""

    world: World
    clock: Clock
    store: Store
    topology: Topology
    directory: Path
    tls: ssl.SSLContext
    machines_changed: Callable[[], None]
    capacity: Capacity
    reader: Reader = field(init=False)
    _listeners: dict[str, _Listeners] = field(default_factory=dict, init=False)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        """Prepare what runs the calls."""
        self.reader = Reader(self.world, self.clock)

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopped.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Listen until stopped; `ready` is called once every machine that runs can be reached. Raises AddressError."""
        control = ControlSocket(self.directory / "control", Verbs(self))
        try:
            self.add_listeners()
            await self._sweep()
            await control.open()
            ready()
            # Who removes the directory of a lab wants no lab; nobody could stop it any more.
            while not self._stopped.is_set() and self.directory.exists():
                begun = time.monotonic()
                await self._sweep()
                took = time.monotonic() - begun
                try:
                    await asyncio.wait_for(self._stopped.wait(), max(_SWEEP, took / _IDLE_SHARE))
                except TimeoutError:
                    continue
        finally:
            await control.close()
            await asyncio.gather(*(self._close(item) for item in self._listeners.values()))
            self.save()

    def add_listeners(self) -> None:
        """Prepare listeners for machines that have none yet."""
        new = [machine for machine in self.world.machines.values() if machine.name not in self._listeners]
        module = known_module()
        credentials = CredentialFile(self.directory / "ntlm")
        for machine in new:
            host = Host(self.reader, machine, module, self._changed)
            self._listeners[machine.name] = _Listeners(
                Endpoint(
                    host, machine.address, self.topology.winrm_port, credentials, self.tls, capacity=self.capacity
                ),
                HttpListener(machine.address, self.topology.http_port, self._http(machine), capacity=self.capacity),
            )
        if new:
            self.machines_changed()

    def save(self) -> None:
        """Save all that changed."""
        self.store.save(self.world, self.clock.now())

    def _changed(self, machine: Machine) -> None:
        self.store.save(self.world, self.clock.now(), reach.machines_changed_on(self.world, machine))

    async def _sweep(self) -> None:
        now = self.clock.now()
        nodes = {node for cluster in self.world.clusters.values() for node in cluster.nodes}
        # A copy, because a machine may be added while a listener closes.
        for machine in list(self.world.machines.values()):
            if machine.shutdown_at is not None and now >= machine.shutdown_at:
                _LOG.info("%s restarts", machine.name)
                restarts.restart(self.world, machine, now)
                self._changed(machine)
            up = power.is_up(self.world, machine, now)
            serves = up and machine.name in nodes
            listeners = self._listeners[machine.name]
            if (up, serves) != (listeners.winrm_open, listeners.http_open):
                await self._follow(machine, listeners, up=up, serves=serves)

    async def _follow(self, machine: Machine, listeners: _Listeners, *, up: bool, serves: bool) -> None:
        """Open or close a machine's listeners as its power and roles ask for."""
        try:
            if up and not listeners.winrm_open:
                await listeners.winrm.come_up()
                listeners.winrm_open = True
            if serves and not listeners.http_open:
                await listeners.http.open()
                listeners.http_open = True
        except OSError as error:
            port = listeners.http.port if listeners.winrm_open else listeners.winrm.port
            raise AddressError(f"{machine.name}: {machine.address}:{port}: {error.strerror}") from error
        if not up and listeners.winrm_open:
            listeners.winrm_open = False
            await listeners.winrm.go_down()
        if not serves and listeners.http_open:
            listeners.http_open = False
            await listeners.http.close()

    async def _close(self, listeners: _Listeners) -> None:
        if listeners.winrm_open:
            await listeners.winrm.go_down()
        if listeners.http_open:
            await listeners.http.close()

    def _http(self, machine: Machine) -> Callable[[], Handler]:
        async def answer(request: HttpRequest) -> HttpResponse:
            cluster = hgs_clusters.cluster_of(self.world, machine)
            if cluster is None:
                return HttpResponse(HTTPStatus.SERVICE_UNAVAILABLE)
            path = request.target.partition("?")[0]
            node = routes.Node(self.world, self.clock, cluster, machine)
            reply = routes.answer(node, request.method, path, request.body)
            self._changed(machine)
            return HttpResponse(reply.status, (("Content-Type", reply.content_type),), reply.body)

        return lambda: answer
