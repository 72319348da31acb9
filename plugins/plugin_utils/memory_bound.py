# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bound on what one answer of a host may take of the controller's memory.

Connection plugins collect all that a host says before anybody can look at its size. Ansible runs each task in a process
of its own, so the kernel can stop that process, and nothing else, from growing without end.
"""

from __future__ import annotations

import resource
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATA = 5
"""Field of statm with the pages of data and stack (man 5 proc_pid_statm)."""


def _in_use() -> int | None:
    """Return the bytes of private memory that this process has; None where the system has no such file."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[_DATA]) * resource.getpagesize()
    return None


@contextmanager
def at_most(growth: int) -> Iterator[None]:
    """Let this process grow by so many bytes, and have a MemoryError raised where it wants more.

    On Linux; elsewhere nothing bounds it.
    """
    used = _in_use()
    if used is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, hard, used + growth) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
