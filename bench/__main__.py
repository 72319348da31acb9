# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what the collection costs on the embedded lab: `make bench`, or with BENCH_HOSTS=50 a small one."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import event_logs, fabric, growth, host_side, report, tables
from .ansible_runs import CONNECTIONS, Runner
from .cells import cells
from .comparison import compare, sizes_up_to
from .load import enroll
from .night import night
from .payload import payloads
from .process_cost import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

WORK = fabric.BUILD / "bench"


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'=' * len(text)}", flush=True)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--hosts", type=int, default=int(os.environ.get("BENCH_HOSTS") or 1000))
    parser.add_argument("--passes", type=int, default=3, help="how often each cell runs")
    parser.add_argument(
        "--forks", type=int, default=20, help="of Ansible; with fewer, hosts wait for others to restart"
    )
    parser.add_argument("--connection", choices=sorted(CONNECTIONS), action="append", help="all, where none is named")
    parser.add_argument("--directory", type=Path, default=WORK, help="is emptied first, and gets results.json")
    return parser.parse_args(arguments)


def _cells(runner: Runner, options: argparse.Namespace) -> dict[str, object]:
    results: dict[str, object] = {}
    sizes, made = sizes_up_to(options.hosts), cells(runner.fabric.exchange)
    for connection in options.connection or list(CONNECTIONS):
        runs = {size: compare(runner, connection, size, options.passes, made) for size in sizes}
        shown = {size: growth.per_host(found, size) for size, found in runs.items()}
        steps = {cell: growth.steps(runs, cell) for cell in runs[sizes[0]]}
        for size, found in shown.items():
            heading(f"{connection}, {size} hosts: per host, the start of ansible-playbook included")
            print(tables.per_host(found))
        if len(sizes) > 1:
            heading(f"{connection}: what one more host costs")
            print(tables.growth(steps))
        sent = payloads(runner, connection, made)
        heading(f"{connection}: payload")
        print(tables.payloads(sent), flush=True)
        results[connection] = {
            "runs": {
                size: {cell: [asdict(cost) for cost in costs] for cell, costs in found.items()}
                for size, found in runs.items()
            },
            "per_host": {size: {cell: asdict(item) for cell, item in found.items()} for size, found in shown.items()},
            "one_more_host": {cell: [asdict(step) for step in found] for cell, found in steps.items()},
            "payload": sent,
        }
    return results


def _host_side(folder: Path, passes: int) -> dict[str, object] | None:
    pwsh = host_side.powershell()
    heading("What a module costs on the host")
    if pwsh is None:
        print("Not measured: it needs PowerShell 7, as $PWSH or pwsh on PATH.")
        return None
    found = host_side.compare(folder, pwsh, passes)
    print(tables.host_side(found), flush=True)
    return asdict(found)


def _night(runner: Runner, options: argparse.Namespace) -> dict[str, object]:
    heading("One night: the playbook drift, and the no-op on each host")
    found = night(runner, options.passes)
    if found.virtual_machines != options.hosts * fabric.MACHINES_PER_HOST:
        raise BenchError(f"the drift check saw {found.virtual_machines} virtual machines")
    shown = growth.per_host(found.costs, options.hosts)
    print(tables.per_host(shown))
    print(tables.night(found), flush=True)
    return {**asdict(found), "per_host": {cell: asdict(item) for cell, item in shown.items()}}


def _report(hosts: int) -> dict[str, object]:
    heading("What the report of the drift check costs")
    found = report.measure(hosts)
    print(tables.report(found), flush=True)
    return asdict(found)


def bench(options: argparse.Namespace) -> dict[str, object]:
    """Measure everything; return what results.json gets. Raises BenchError."""
    folder: Path = options.directory
    with fabric.running(folder, options.hosts) as lab:
        runner = Runner(lab, folder, options.forks, _say)
        runner.say(f"{options.hosts} hosts enroll and attest")
        load = enroll(runner)
        heading("Load: all hosts enroll and attest in one run")
        print(tables.load(load), flush=True)
        checked = _night(runner, options)
        compared = _cells(runner, options)
    return {
        "hosts": options.hosts,
        "passes": options.passes,
        "forks": options.forks,
        "load": asdict(load),
        "night": checked,
        "connections": compared,
        "report": _report(options.hosts),
        "host_side": _host_side(folder, options.passes),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _arguments(arguments)
    options.directory = options.directory.resolve()
    shutil.rmtree(options.directory, ignore_errors=True)
    options.directory.mkdir(parents=True)
    # A terminated run stops its lab just as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = bench(options)
    except KeyboardInterrupt:
        return 130
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    path = options.directory / "results.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\n{path}")
    heading("Boot logs: parsed in process, beside tpm2_eventlog as a command")
    return event_logs.main()


if __name__ == "__main__":
    sys.exit(main())
