# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .control_client import ControlError, NotRunningError, ask
from .directory import CONNECTIONS, Directory, LifetimeError, Options, topology_of, topology_to_run
from .topology import TopologyError, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STATE: Final = Path(".build/lab")
_POLL: Final = 0.1
_START: Final = 60.0
"""Seconds a lab may take to start."""
_STOP: Final = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], None] = options.command
        command(options)
    except (ControlError, LifetimeError, TopologyError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab",
        description="A guarded fabric to play with: machines that stock Ansible connects to. It guards nothing.",
    )
    parser.add_argument("--state", type=Path, default=_STATE, help=f"directory of the lab (default {_STATE})")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    up = verbs.add_parser("up", help="start the lab and keep it running")
    up.add_argument("--topology", help="name of a built-in topology (default, small) or a file")
    up.add_argument(
        "--network", help="part of 127.0.0.0/8 for its addresses, so that several labs can run side by side"
    )
    up.add_argument(
        "--listen-beyond-loopback",
        action="store_true",
        help="allow a network that others can reach: they can try its passwords and load this computer",
    )
    up.add_argument("--time-scale", type=float, help="seconds that pass in the lab in one real second")
    up.add_argument(
        "--connection", choices=CONNECTIONS, default=CONNECTIONS[0], help="of the inventory that is written"
    )
    up.add_argument("--detach", action="store_true", help="return once it is ready, and leave it running")
    up.set_defaults(command=_up)

    verbs.add_parser("down", help="stop the lab; it keeps its state").set_defaults(command=_down)
    verbs.add_parser("reset", help="forget the state of a lab that is stopped").set_defaults(command=_reset)

    status = verbs.add_parser("status", help="show nodes, hosts and virtual machines")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(command=_status)

    inventory = verbs.add_parser("inventory", help="show the Ansible inventory")
    inventory.set_defaults(command=_inventory)
    shown = verbs.add_parser("topology", help="show the topology")
    shown.add_argument("--topology", help="name of a built-in topology or a file, instead of the lab's own")
    shown.set_defaults(command=_topology)
    verbs.add_parser("statistics", help="count executions and calls so far").set_defaults(command=_statistics)

    _add_story(verbs)
    return parser


def _add_story(verbs: Any) -> None:  # noqa: ANN401 - argparse's type is private
    tamper = verbs.add_parser("tamper-firmware", help="change a host's firmware behind its administrator's back")
    tamper.add_argument("host")
    unready = verbs.add_parser("make-unready", help="let a host lack something that a guarded host needs")
    unready.add_argument("host")
    unready.add_argument("condition", help="such as no-secure-boot; an unknown one is answered with the list")
    update = verbs.add_parser("update-host", help="let an update or another change come to a host, which restarts")
    stage = verbs.add_parser("stage-update", help="the same, taking effect when somebody restarts the host")
    for verb in (update, stage):
        verb.add_argument("host")
        verb.add_argument("update", help="such as firmware or dbx; an unknown one is answered with the list")
    copy = verbs.add_parser("copy-vm", help="copy a virtual machine's files to another host")
    copy.add_argument("vm")
    copy.add_argument("--to", required=True, metavar="HOST")
    read = verbs.add_parser("read-disk", help="read a virtual machine's disks without starting it, as a thief does")
    read.add_argument("vm")
    read.add_argument("--on", required=True, metavar="HOST")
    rogue = verbs.add_parser("add-rogue", help="add a host that nobody registered")
    rogue.add_argument("name")
    kill = verbs.add_parser("kill", help="break a machine")
    kill.add_argument("machine")
    stuck = verbs.add_parser("break-restart", help="let a machine not come back from its next restart")
    stuck.add_argument("machine")
    revive = verbs.add_parser("revive", help="repair a broken machine")
    revive.add_argument("machine")
    move = verbs.add_parser("move-clock", help="move the time of all machines")
    move.add_argument("hours", type=float)
    for verb, names in (
        (tamper, ("host",)),
        (unready, ("host", "condition")),
        (update, ("host", "update")),
        (stage, ("host", "update")),
        (copy, ("vm", "to")),
        (read, ("vm", "on")),
        (rogue, ("name",)),
        (kill, ("machine",)),
        (stuck, ("machine",)),
        (revive, ("machine",)),
        (move, ("hours",)),
    ):
        verb.set_defaults(command=_tell, verb=verb.prog.split()[-1], names=names)


def _up(options: argparse.Namespace) -> None:
    directory = Directory(options.state)
    if options.detach:
        _detach(directory, options)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    def ready(what: str) -> None:
        print(f"{what}. Inventory: {directory.inventory / 'hosts.yml'}", flush=True)

    # Here, because everything else only asks the lab that runs, and need not know how one is made.
    from .lifetime import run  # noqa: PLC0415

    run(directory, _options(options), ready)


def _options(given: argparse.Namespace) -> Options:
    return Options(given.topology, given.network, given.time_scale, given.connection, given.listen_beyond_loopback)


def _detach(directory: Directory, options: argparse.Namespace) -> None:
    """Start a lab in a session of its own, so that a Ctrl-C here does not reach it, and wait until it is ready."""
    topology_to_run(directory, _options(options))
    with directory.held():
        pass
    command = [sys.executable, "-m", __package__ or "", "--state", str(directory.path), "up"]
    command += ["--connection", options.connection]
    for name in ("topology", "network", "time_scale"):
        if getattr(options, name) is not None:
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    if options.listen_beyond_loopback:
        command.append("--listen-beyond-loopback")
    with directory.log.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - this program itself
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_ready(directory, process)
    except BaseException:
        process.terminate()
        process.wait(_STOP)
        raise
    print(f"The lab is ready (process {process.pid}). Inventory: {directory.inventory / 'hosts.yml'}")


def _wait_until_ready(directory: Directory, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            lines = directory.log.read_text(encoding="utf-8").strip().splitlines() or ["it said nothing"]
            raise LifetimeError(f"the lab did not start: {lines[-1].removeprefix('lab: ')}")
        try:
            ask(directory.control, "status")
        except NotRunningError:
            time.sleep(_POLL)
        else:
            return
    raise LifetimeError(f"the lab is not ready after {_START:.0f} seconds; see {directory.log}")


def _down(options: argparse.Namespace) -> None:
    directory = Directory(options.state)
    ask(directory.control, "stop")
    deadline = time.monotonic() + _STOP
    while directory.is_held():
        if time.monotonic() > deadline:
            raise LifetimeError(f"the lab did not stop within {_STOP:.0f} seconds; see {directory.log}")
        time.sleep(_POLL)


def _reset(options: argparse.Namespace) -> None:
    Directory(options.state).reset()


def _status(options: argparse.Namespace) -> None:
    status = ask(Directory(options.state).control, "status")
    if options.json:
        print(json.dumps(status, indent=2))
        return
    print(f"World time {status['world_time']}, {status['time_scale']:g} times as fast as real time")
    _table("HGS nodes", status["nodes"], ("name", "power", "service", "mode", "key_certificates"))
    _table("Hosts", status["hosts"], ("name", "power", "hardware_class", "firmware", "status", "substatus"))
    _table("Virtual machines", status["virtual_machines"], ("name", "host", "state", "shielded", "tpm", "encrypted"))


def _table(title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    lines = [[_cell(row[column]) for column in columns] for row in rows]
    heads = [column.replace("_", " ").capitalize() for column in columns]
    widths = [max(len(line[index]) for line in [heads, *lines]) for index in range(len(columns))]
    print(f"\n{title}")
    for line in [heads, *lines]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _inventory(options: argparse.Namespace) -> None:
    path = Directory(options.state).inventory / "hosts.yml"
    if not path.exists():
        raise LifetimeError("no lab was started here yet")
    print(path.read_text(encoding="utf-8"), end="")


def _topology(options: argparse.Namespace) -> None:
    print(text(topology_of(Directory(options.state), Options(options.topology))), end="")


def _statistics(options: argparse.Namespace) -> None:
    print(json.dumps(ask(Directory(options.state).control, "statistics"), indent=2))


def _tell(options: argparse.Namespace) -> None:
    arguments = {name: getattr(options, name) for name in options.names}
    print(ask(Directory(options.state).control, options.verb, **arguments))
