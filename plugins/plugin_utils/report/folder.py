# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder that runs are kept in: one directory for each, and `latest`, which always is a whole one.

A run is written beside the others under a name that nobody reads, then renamed, then pointed to. Whatever ends the
writer in between, `latest` is the last run that was complete.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils import plain_files
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem

from . import findings_json, html, junit, prometheus, sarif

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .model import Run

LATEST = "latest"
_UNFINISHED = ".unfinished-"
_LOCK = ".lock"
_NAME = "%Y%m%dT%H%M%SZ"

BUSY = Kind(
    "GF-WAT-006",
    Owner.CONTROLLER,
    "is being written by another drift check",
    "wait for that one to end, or give each its own folder",
)
UNWRITABLE = Kind(
    "GF-WAT-007",
    Owner.CONTROLLER,
    "cannot be written",
    "see to the rights and the space of the file system; the last complete run is untouched",
)


def files(run: Run) -> Mapping[str, bytes]:
    """Return the files of a run by name."""
    return {
        "findings.json": findings_json.render(run).encode(),
        "report.html": html.render(run).encode(),
        "junit.xml": junit.render(run),
        "guarded_fabric.prom": prometheus.render(run).encode(),
        "findings.sarif": sarif.render(run).encode(),
    }


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder against other drift checks. Raises FabricError: GF-WAT-006 where one is there, GF-WAT-007."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("a")
    except OSError as error:
        raise FabricError(Problem(UNWRITABLE, str(folder), str(error))) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FabricError(Problem(BUSY, str(folder))) from error
        yield


def last(folder: Path) -> Mapping[str, Any] | None:
    """Return the last complete run as data, or None before the first. Raises FabricError for one that is none."""
    path = folder / LATEST / "findings.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise FabricError(Problem(findings_json.UNREADABLE_RUN, str(path), str(error))) from error
    return findings_json.read(text, str(path))


def write(folder: Path, run: Run, contents: Mapping[str, bytes]) -> Path:
    """Keep a run and make it the latest; return its directory. Raises FabricError (GF-WAT-007)."""
    finished = dt.datetime.fromisoformat(run.finished).astimezone(dt.timezone.utc).strftime(_NAME)
    try:
        for leftover in folder.glob(f"{_UNFINISHED}*"):
            _remove(leftover)
        unfinished = folder / f"{_UNFINISHED}{finished}"
        unfinished.mkdir()
        for name, content in contents.items():
            plain_files.make(unfinished / name, content)
        kept = _free(folder, finished)
        unfinished.rename(kept)
        pointer = folder / f"{_UNFINISHED}{LATEST}"
        pointer.symlink_to(kept.name)
        pointer.rename(folder / LATEST)
        _sync(folder)
    except OSError as error:
        raise FabricError(Problem(UNWRITABLE, str(folder), str(error))) from error
    return kept


def prune(folder: Path, before: dt.datetime) -> list[Path]:
    """Remove runs that ended before a time, never the latest; return their directories."""
    latest = (folder / LATEST).resolve()
    old = [path for path in sorted(folder.iterdir()) if (ended := _ended(path)) is not None and ended < before]
    removed = [path for path in old if path.resolve() != latest]
    for path in removed:
        _remove(path)
    return removed


def _ended(path: Path) -> dt.datetime | None:
    """Return when the run in a directory ended, or None for what is no run of ours."""
    if path.is_symlink() or not path.is_dir():
        return None
    try:
        return dt.datetime.strptime(path.name.partition("-")[0], _NAME).replace(tzinfo=dt.timezone.utc)
    except ValueError:
        return None


def _free(folder: Path, name: str) -> Path:
    """Return a path of a name, with a number where a clock that was set back made it before."""
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(folder / candidate for candidate in names if not (folder / candidate).exists())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
