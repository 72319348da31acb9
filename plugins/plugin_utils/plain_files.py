# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files in folders that others write to: read and made without following a link, waiting for a pipe, or without end."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NotPlainError(OSError):
    """What lies there is a link, a device, a pipe, or lies in a folder that is a link."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ELOOP, "it is a link, a device or a pipe, or lies in a folder that is one", str(path))


def read(path: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a file. Raises OSError, NotPlainError for what is no file."""
    if path.parent.is_symlink() or path.is_symlink():
        raise NotPlainError(path)
    # A pipe that nobody writes to is opened at once with O_NONBLOCK, and then seen to be none.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotPlainError(path)
        return file.read(limit)


def make(path: Path, content: bytes) -> None:
    """Write a file that is new, in the place of whatever lies there, to the disk. Raises OSError."""
    if path.parent.is_symlink():
        raise NotPlainError(path)
    path.unlink(missing_ok=True)
    # O_EXCL follows no link, and fails where somebody was quicker to put something there again.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o644)
        file.write(content)
        file.flush()
        os.fsync(handle)
