# SPDX-License-Identifier: GPL-3.0-or-later
"""When files were last written. Lab only: a file that came with the machine is as old as 2024."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from . import files

if TYPE_CHECKING:
    from .model import Machine

_INSTALLED: Final = datetime(2024, 1, 1, tzinfo=UTC)


def written(machine: Machine, path: str) -> datetime:
    """Return when a file was last written."""
    return machine.file_times.get(files.key(path), _INSTALLED)


def stamp(machine: Machine, path: str, when: datetime) -> None:
    """Remember when a file was last written."""
    machine.file_times[files.key(path)] = when
