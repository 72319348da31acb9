# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it means that an execution ended in an error which is neither Ansible's nor one of the network."""

from __future__ import annotations

from .connection_problems import RESTARTED, kind_of
from .engine import BAD_ANSWER, fault
from .problems import Kind, Owner, Problem

ANSWER_TOO_LARGE = Kind(
    "GF-RUN-010",
    Owner.CONTROLLER,
    "answers more than any machine of a guarded fabric has to say, or in a deeper nesting",
    "look at what the machine runs as PowerShell, and at the machine: it may be hostile",
)

ANSWER_MEMORY = 128 * 1024 * 1024
"""Bytes that a task's process may grow by while it takes an answer in. The largest that is one has an artifact of 8
MiB; on its way through Ansible that is there several times, as text and as bytes."""


def problem_of(error: Exception, thing: str) -> Problem:
    """Return the problem: nobody knows what connection plugins raise for what is no answer."""
    if isinstance(error, (NameError, ImportError)):
        return fault(error, thing).problems[0]
    if kind_of(str(error)) is RESTARTED:
        return Problem(RESTARTED, thing, str(error))
    # Expat, which reads what WinRM sends, has an error of its own for a lack of memory.
    if isinstance(error, (MemoryError, RecursionError)) or "out of memory" in str(error):
        return Problem(ANSWER_TOO_LARGE, thing)
    return Problem(BAD_ANSWER, thing, f"{type(error).__name__}: {error}")
