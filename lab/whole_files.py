# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of which nobody ever reads half, whatever ends the process that writes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file at once; `mode` is there from the start, so that nobody finds a key that others may read.

    One process at a time: what it writes first has a name that the next one uses again.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    temporary.replace(path)
