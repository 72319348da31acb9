# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that is killed in each step of a piece of work on files, each time in a directory of its own.

    python killed_writer.py WORK DIRECTORY

makes DIRECTORY/1, DIRECTORY/2, ... as `before` WORK, and lets a process that does WORK there kill itself just before
the first, the second, ... time that it opens, renames, removes or changes a file, until one comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import PLATFORM_IDENTIFIER
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval, held, load, save

if TYPE_CHECKING:
    from collections.abc import Callable

NAMESPACE: Final = "http://microsoft.com/windows/ptp/platformidentifier/2016/04"
WHEN: Final = "2026-11-24T19:00:00Z"
ADA: Final = Approval("ada", WHEN, "compared")
NAME: Final = "host01.xml"
CANDIDATE: Final = "host01.candidate.xml"
_STEPS: Final = frozenset({"open", "os.rename", "os.remove", "os.chmod", "os.mkdir"})


def document(number: int) -> bytes:
    """Return a platform identifier; each number is another machine."""
    return f"<PlatformIdentifiers xmlns='{NAMESPACE}'><Number>{number}</Number></PlatformIdentifiers>".encode()


def _write(name: str, number: int) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        with held(folder):
            save(folder / name, PLATFORM_IDENTIFIER, document(number), "host01", WHEN)

    return work


def _approve(name: str) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        judge(folder / name, ADA, check_mode=False)

    return work


def _nothing(_folder: Path) -> None:
    pass


def _all(*works: Callable[[Path], None]) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        for item in works:
            item(folder)

    return work


WORKS: Final = {
    "write the first": (_nothing, _write(NAME, 1)),
    "write another": (_write(NAME, 0), _write(NAME, 1)),
    "approve": (_write(NAME, 0), _approve(NAME)),
    "approve a candidate": (_all(_write(NAME, 0), _approve(NAME), _write(CANDIDATE, 1)), _approve(CANDIDATE)),
}
"""What is there before, and what is done, by name."""


def _kill_at(step: int) -> None:
    """Let this process kill itself before its next `step`th step on a file."""
    left = step

    def look(event: str, _arguments: object) -> None:
        nonlocal left
        if event in _STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def main(name: str, directory: Path) -> None:
    """Do what the program is for."""
    before, work = WORKS[name]
    for step in count(1):
        folder = directory / str(step) / PLATFORM_IDENTIFIER.folder
        before(folder)
        child = os.fork()
        if child == 0:
            _kill_at(step)
            work(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            load(folder / NAME, PLATFORM_IDENTIFIER)
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
