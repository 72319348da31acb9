# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a lab's process: one at a time per directory, up until told otherwise, gone without a trace of itself."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import secrets
import signal
import string
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import inventory, topology
from .loading import load_everything
from .server import LabServer
from .wire import certificates
from .world.clock import Clock
from .world.factory import Passwords, make_world
from .world.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .topology import Topology
    from .world.model import World

_PASSWORD_LENGTH: Final = 20


class LifetimeError(Exception):
    """The lab cannot be started, or not like this."""


@dataclass(frozen=True)
class Directory:
    """A lab's directory; everything it keeps is in it."""

    path: Path

    @property
    def control(self) -> Path:
        """The control socket, there while a lab runs."""
        return self.path / "control"

    @property
    def log(self) -> Path:
        """What a detached lab says."""
        return self.path / "lab.log"

    @property
    def world(self) -> Path:
        """The saved world."""
        return self.path / "world.sqlite"

    @property
    def topology(self) -> Path:
        """The topology the world was made from."""
        return self.path / "topology.yml"

    @property
    def inventory(self) -> Path:
        """Directory of the inventory."""
        return self.path / "inventory"

    @property
    def passwords(self) -> Path:
        """Passwords of the trust domains."""
        return self.path / "passwords.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for this process. Raises LifetimeError where another one has it.

        The kernel lets go of the lock when its process ends, however it ends, so that nothing stale can stay.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip()
                raise LifetimeError(f"a lab runs in {self.path} already (process {holder})") from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def is_held(self) -> bool:
        """Whether a process holds the directory."""
        try:
            with self.held():
                return False
        except LifetimeError:
            return True

    def reset(self) -> None:
        """Forget the world; the certificate authority stays, so that clients that trust it can go on."""
        with self.held():
            for name in ("world.sqlite", "world.sqlite-wal", "world.sqlite-shm", "topology.yml", "passwords.json"):
                (self.path / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class Options:
    """How a lab is started. `network` and `time_scale` override the topology's; `connection` is the inventory's."""

    topology: str | None = None
    network: str | None = None
    time_scale: float | None = None
    connection: str = "winrm"


def read_topology(wanted: str) -> Topology:
    """Return the topology of a file, or the built-in one of this name. Raises TopologyError."""
    path = Path(wanted)
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else topology.source(wanted)
    except OSError as error:
        raise topology.TopologyError(f"{path}: {error.strerror}") from error
    return topology.parse(text, wanted)


def topology_of(directory: Directory, options: Options) -> Topology:
    """Return the topology of the world that is there, or the one asked for where there is none yet.

    Raises TopologyError, and LifetimeError where another one is asked for than the world has.
    """
    current = read_topology(str(directory.topology)) if directory.topology.exists() else None
    if options.topology is None and options.network is None and current is not None:
        return current
    wanted = read_topology(options.topology or topology.DEFAULT)
    if options.network is not None:
        wanted = topology.with_network(wanted, options.network)
    if current not in (None, wanted):
        raise LifetimeError(f"{directory.path} holds a lab of another topology; `reset` it first")
    return wanted


def _new_password() -> str:
    """Make a password that meets Windows' complexity rules."""
    alphabet = string.ascii_letters + string.digits
    return "Lab-" + "".join(secrets.choice(alphabet) for _ in range(_PASSWORD_LENGTH)) + "-1a"


def _passwords(directory: Directory) -> Passwords:
    try:
        return Passwords(**json.loads(directory.passwords.read_text(encoding="utf-8")))
    except FileNotFoundError:
        made = Passwords(_new_password(), _new_password(), _new_password())
    directory.passwords.touch(mode=0o600)
    directory.passwords.write_text(json.dumps(asdict(made)), encoding="utf-8")
    return made


def _write_tpm_roots(directory: Directory, world: World) -> tuple[Path, ...]:
    """Write the roots of the TPM vendors, which an HGS administrator would get from TrustedTpm.cab."""
    folder = directory.path / "tpm-vendors"
    folder.mkdir(exist_ok=True)
    paths = []
    for vendor, root in world.tpm_vendors.items():
        path = folder / f"{vendor.lower().replace(' ', '-')}.cer"
        path.write_bytes(root.der)
        paths.append(path.resolve())
    return tuple(paths)


def run(directory: Directory, options: Options, tell: Callable[[str], None]) -> None:
    """Run a lab until it is stopped by a signal or over its control socket; `tell` hears when it is ready.

    Raises LifetimeError, TopologyError, StoreError, AddressError.
    """
    load_everything()
    with directory.held():
        wanted = topology_of(directory, options)
        passwords = _passwords(directory)
        store = Store(directory.world)
        try:
            now = datetime.now(UTC)
            clock = Clock(store.world_time(now), options.time_scale or wanted.time_scale)
            if store.is_empty():
                world = make_world(wanted, passwords, clock.now())
                directory.topology.write_text(topology.text(wanted), encoding="utf-8")
                store.save(world, clock.now())
            else:
                world = store.load()
            names = [*wanted.addresses(), *world.machines]
            certificate = certificates.ensure(directory.path / "certificates", names, now)
            trust = inventory.Trust(certificate.authority.resolve(), _write_tpm_roots(directory, world))
            server = LabServer(world, clock, store, wanted, directory.path, certificate.context())

            def write_inventory() -> None:
                content = inventory.inventory(world, wanted, trust, options.connection)
                inventory.write(directory.inventory, content, passwords)

            server.on_new_machine = write_inventory
            write_inventory()
            asyncio.run(_serve(server, lambda: tell(f"{len(world.machines)} machines are ready")))
        finally:
            store.close()


async def _serve(server: LabServer, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, server.stop)
    logging.getLogger(__name__).info("process %s", os.getpid())
    await server.run(ready)


__all__ = ["Directory", "LifetimeError", "Options", "StoreError", "run", "topology_of"]
