# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's directory: what is kept where, for one process at a time, and which topology it has or gets."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import topology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .topology import Topology


CONNECTIONS: Final = ("winrm", "psrp")


class LifetimeError(Exception):
    """The lab cannot be started, or not like this; also what came between while it ran."""


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
    listen_beyond_loopback: bool = False


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


def topology_to_run(directory: Directory, options: Options) -> Topology:
    """Return `topology_of`; LifetimeError also where others could reach it and nobody said that they may."""
    wanted = topology_of(directory, options)
    if not wanted.is_on_loopback() and not options.listen_beyond_loopback:
        raise LifetimeError(
            f"others can reach {wanted.network}, which is not within 127.0.0.0/8; if they may, say so with "
            "--listen-beyond-loopback"
        )
    return wanted
