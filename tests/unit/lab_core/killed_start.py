# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that lets a lab be killed in each step of its first start, each time in a directory of its own.

    python killed_start.py DIRECTORY

makes DIRECTORY/1, DIRECTORY/2, ... and starts a lab in each that kills itself just before the first, the second, ...
time that it opens a file there for writing, or renames one, until one is ready. Then it starts each of them once more.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Final, cast

from ansible_collections.guarded.fabric.lab.directory import Directory, Options
from ansible_collections.guarded.fabric.lab.lifetime import run

_WRITING: Final = os.O_WRONLY | os.O_RDWR


def _kill_at(step: int, directory: Path) -> None:
    left = step

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        written = event == "os.rename" or (event == "open" and cast("int", arguments[2]) & _WRITING)
        if written and str(arguments[0]).startswith(str(directory)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def _start(directory: Path, options: Options, step: int) -> bool:
    """Start a lab that is killed in this step, and ends when it is ready; return whether it got so far."""
    child = os.fork()
    if child == 0:
        _kill_at(step, directory)
        run(Directory(directory), options, lambda _what: os._exit(0))
        os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{directory} cannot be started")
    return os.WIFEXITED(status)


def main(directory: Path, options: Options) -> None:
    """Do what the program is for."""
    never = sys.maxsize
    # Every third: a file is opened, then renamed, so that both are met.
    for step in count(1, 3):
        if _start(directory / str(step), options, step):
            break
    for path in directory.iterdir():
        _start(path, options, never)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Options(topology=sys.argv[2], network=sys.argv[3]))
