# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a boot log in process beside running tpm2_eventlog.

`python -m ansible_collections.guarded.fabric.bench.event_logs`: both read and replay each log, in turns. The logs are
published ones where GUARDED_FABRIC_SAMPLES names their directory, else those that the lab made for the fuzzer.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 5
_COMMAND: Final = "tpm2_eventlog"
_OWN: Final = Path(__file__).resolve().parents[1] / "tests" / "fuzz" / "seeds" / "tcg_log"


@dataclass(frozen=True)
class Timing:
    """Median seconds for one log; `read` says whether the command took it."""

    name: str
    size: int
    in_process: float
    command: float
    read: bool

    @property
    def ratio(self) -> float:
        """How many times faster it is in process."""
        return self.command / self.in_process


def logs() -> list[Path]:
    """Return the logs to read."""
    published = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "formats" / "tcglogs"
    return sorted(published.glob("*.bin")) or sorted(_OWN.iterdir())


def read(data: bytes) -> None:
    """Read a log and replay its banks, as far as this Python has their hashes."""
    log = tcg_log.parse(data)
    for algorithm in log.algorithms:
        try:
            tcg_log.replay(log, algorithm)
        except FormatError:
            continue


def timing(path: Path, command: str) -> Timing:
    """Time both on a log, in turns."""
    data = path.read_bytes()

    def run() -> None:
        done = subprocess.run([command, path], capture_output=True, check=False)  # noqa: S603 - found on PATH
        codes.append(done.returncode)

    codes: list[int] = []
    rounds = [(_seconds(lambda: read(data)), _seconds(run)) for _ in range(_ROUNDS)]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    return Timing(path.stem, len(data), ours, theirs, not any(codes))


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    """Print the ratios; fail where the command is faster for a log."""
    command = shutil.which(_COMMAND)
    if command is None:
        sys.stdout.write(f"{_COMMAND} is not here (package tpm2-tools): nothing is compared\n")
        return 0
    timings = [timing(path, command) for path in logs()]
    sys.stdout.write(f"{'log':40} {'bytes':>7} {'in process':>11} {'command':>9} {'ratio':>6}\n")
    for item in timings:
        note = "" if item.read else f"  {_COMMAND} refuses it"
        sys.stdout.write(
            f"{item.name[:40]:40} {item.size:7} {1000 * item.in_process:8.2f} ms {1000 * item.command:6.2f} ms"
            f" {item.ratio:6.1f}{note}\n"
        )
    ratios = [item.ratio for item in timings]
    slower = sum(ratio < 1 for ratio in ratios)
    sys.stdout.write(
        f"{len(timings)} logs: {statistics.median(ratios):.1f} times faster in process in the median,"
        f" {min(ratios):.1f} at least; the command is faster for {slower}\n"
    )
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
