# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a machine, by full path; paths are compared as NTFS does, without regard to case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from . import shipped_files

if TYPE_CHECKING:
    from .model import Machine

_FULL_PATH: Final = re.compile(r"[a-z]:\\[^<>:\"|?*\0]+")


class BadPathError(ValueError):
    """Not a full path of a file: a drive, folders and a name."""


def key(path: str) -> str:
    """Return the key of a path in `Machine.files`; BadPathError where it is no full path."""
    plain = path.replace("/", "\\").lower()
    if not _FULL_PATH.fullmatch(plain) or plain.endswith("\\"):
        raise BadPathError(f"The path '{path}' is not the full path of a file.")
    return plain


def read(machine: Machine, path: str) -> bytes:
    """Return a file's content; FileNotFoundError where there is none."""
    try:
        return (machine.files if key(path) in machine.files else shipped_files.content())[key(path)]
    except KeyError:
        raise FileNotFoundError(path) from None


def write(machine: Machine, path: str, content: bytes) -> None:
    """Create a file or replace its content."""
    machine.files[key(path)] = content


def exists(machine: Machine, path: str) -> bool:
    """Whether there is a file at the path."""
    return key(path) in machine.files or key(path) in shipped_files.content()


def stem(path: str) -> str:
    """Return the file's name without its last extension."""
    name = path.replace("/", "\\").rpartition("\\")[2]
    return name.rpartition(".")[0] or name
