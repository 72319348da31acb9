# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters that name a file: its content, or the error PowerShell gives where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.world import files

from .registry import CmdletError

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine


def content(machine: Machine, path: str) -> bytes:
    """Return the content of the file a parameter names."""
    try:
        return files.read(machine, path)
    except files.BadPathError as error:
        raise CmdletError(str(error), "InvalidPath", "InvalidArgument") from error
    except FileNotFoundError as error:
        raise CmdletError(
            f"Cannot find path '{path}' because it does not exist.", "PathNotFound", "ObjectNotFound"
        ) from error


def save(machine: Machine, path: str, data: bytes) -> None:
    """Write the file a parameter names."""
    try:
        files.write(machine, path, data)
    except files.BadPathError as error:
        raise CmdletError(str(error), "InvalidPath", "InvalidArgument") from error


def is_there(machine: Machine, path: str) -> bool:
    """Whether the file a parameter names exists."""
    try:
        return files.exists(machine, path)
    except files.BadPathError as error:
        raise CmdletError(str(error), "InvalidPath", "InvalidArgument") from error
