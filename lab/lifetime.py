# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a lab's process: up until told otherwise, then gone without a trace of itself."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import secrets
import signal
import string
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from . import inventory, topology, whole_files
from .directory import LifetimeError, topology_to_run
from .loading import load_everything
from .server import LabServer
from .wire import certificates
from .wire.http import Capacity
from .world.clock import Clock
from .world.factory import Passwords, make_world
from .world.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .directory import Directory, Options
    from .world.model import World

_PASSWORD_LENGTH: Final = 20
_NODE_LISTENERS: Final = 2
"""Of an HGS node: WinRM and the service."""
_OTHER_FILES: Final = 100
"""The state, the log, machines that come later, and some to spare."""
_FEWEST_CONNECTIONS: Final = 100
"""With fewer, a run of Ansible with many forks would meet closed doors."""


def _new_password() -> str:
    """Make a password that meets Windows' complexity rules."""
    alphabet = string.ascii_letters + string.digits
    return "Lab-" + "".join(secrets.choice(alphabet) for _ in range(_PASSWORD_LENGTH)) + "-1a"


def _passwords(directory: Directory) -> Passwords:
    try:
        return Passwords(**json.loads(directory.passwords.read_text(encoding="utf-8")))
    except FileNotFoundError:
        made = Passwords(_new_password(), _new_password(), _new_password())
    whole_files.write(directory.passwords, json.dumps(asdict(made)).encode(), 0o600)
    return made


def _write_tpm_roots(directory: Directory, world: World) -> tuple[Path, ...]:
    """Write the roots of the TPM vendors, which an HGS administrator would get from TrustedTpm.cab."""
    folder = directory.path / "tpm-vendors"
    folder.mkdir(exist_ok=True)
    paths = []
    for vendor, root in world.tpm_vendors.items():
        path = folder / f"{vendor.lower().replace(' ', '-')}.cer"
        whole_files.write(path, root.der, 0o644)
        paths.append(path.resolve())
    return tuple(paths)


def run(directory: Directory, options: Options, tell: Callable[[str], None]) -> None:
    """Run a lab until it is stopped by a signal or over its control socket; `tell` hears when it is ready.

    Raises LifetimeError, TopologyError.
    """
    load_everything()
    with directory.held():
        try:
            with closing(Store(directory.world)) as store:
                _run(directory, options, store, tell)
        except StoreError as error:
            raise LifetimeError(str(error)) from error


def _run(directory: Directory, options: Options, store: Store, tell: Callable[[str], None]) -> None:
    wanted = topology_to_run(directory, options)
    passwords = _passwords(directory)
    now = datetime.now(UTC)
    clock = Clock(store.world_time(now), options.time_scale or wanted.time_scale)
    if store.is_empty():
        world = make_world(wanted, passwords, clock.now())
        whole_files.write(directory.topology, topology.text(wanted).encode(), 0o644)
        store.save(world, clock.now())
    else:
        world = store.load()
    names = [*wanted.addresses(), *world.machines]
    certificate = certificates.ensure(directory.path / "certificates", names, now)
    trust = inventory.Trust(certificate.authority.resolve(), _write_tpm_roots(directory, world))

    def write_inventory() -> None:
        content = inventory.inventory(world, wanted, trust, options.connection)
        inventory.write(directory.inventory, content, passwords)

    write_inventory()
    capacity = _capacity(world)
    server = LabServer(world, clock, store, wanted, directory.path, certificate.context(), write_inventory, capacity)
    asyncio.run(_serve(server, lambda: tell(f"{len(world.machines)} machines are ready")))


def _capacity(world: World) -> Capacity:
    """Raise the limit of open files as far as this user may, and leave to clients what the listeners do not need.

    Raises LifetimeError where that is next to nothing.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listeners = sum(_NODE_LISTENERS if machine.kind == "hgs" else 1 for machine in world.machines.values())
    needed = listeners + _OTHER_FILES + _FEWEST_CONNECTIONS
    if hard < needed:
        raise LifetimeError(
            f"{len(world.machines)} machines need {needed} open files, and this user may have {hard} (`ulimit -Hn`)"
        )
    return Capacity(min(Capacity.connections, hard - listeners - _OTHER_FILES))


async def _serve(server: LabServer, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, server.stop)
    logging.getLogger(__name__).info("process %s", os.getpid())
    await server.run(ready)
