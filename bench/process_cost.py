# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program and all its descendants cost: time, processor time, memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 1.0
"""To look at memory more often would itself cost a share of what is measured."""


class BenchError(Exception):
    """What was to be measured did not work."""


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time, and of processor time of a program and all processes that it waited for."""

    wall: float
    cpu: float


def run(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path, name: str) -> Spent:
    """Run a program to its end, its output in `folder`/`name`.log. Raises BenchError where it fails."""
    log = folder / f"{name}.log"
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the project's own programs
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    if process.returncode != 0:
        last = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BenchError(f"{command[0]} ended with {process.returncode} ({log}):\n{last}")
    return Spent(wall, used.ru_utime + used.ru_stime)


@contextmanager
def apart(pid: int) -> Iterator[None]:
    """Give a process the last processor, and this one and all that it starts the others: one has no share in the other.

    With a single processor they share it.
    """
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) == 1:
        yield
        return
    os.sched_setaffinity(pid, processors[-1:])
    os.sched_setaffinity(0, processors[:-1])
    try:
        yield
    finally:
        os.sched_setaffinity(pid, processors)
        os.sched_setaffinity(0, processors)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def largest_resident(pid: int) -> int:
    """Return the most memory that a process had so far, in bytes."""
    status = _PROC.joinpath(str(pid), "status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                found[int(folder.name)] = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    return found


def _descendants(root: int) -> set[int]:
    parents = _parents()
    found: set[int] = set()
    found_now = {pid for pid, parent in parents.items() if parent == root}
    while found_now:
        found |= found_now
        found_now = {pid for pid, parent in parents.items() if parent in found_now} - found
    return found


def _proportional(pid: int) -> int:
    """Return the memory of a process, what it shares divided among those that share it, in bytes; 0 if it ended."""
    with suppress(OSError, StopIteration):
        lines = _PROC.joinpath(str(pid), "smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return 0


@dataclass
class Memory:
    """The most memory that processes had together, in bytes, and how many they were then."""

    most: int = 0
    processes: int = 0


@contextmanager
def memory_of_children(but: int) -> Iterator[Memory]:
    """Watch the memory of this process' descendants, except `but` and its own."""
    seen, over = Memory(), threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            watched = _descendants(os.getpid()) - {but} - _descendants(but)
            total = sum(_proportional(pid) for pid in watched)
            if total > seen.most:
                seen.most, seen.processes = total, len(watched)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
