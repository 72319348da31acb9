# SPDX-License-Identifier: GPL-3.0-or-later
"""What a parser may do with an input, at little cost: take it, or raise FormatError that says what is wrong where."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from .targets import Target

_SECONDS: Final = 0.25
_SECONDS_PER_BYTE: Final = 50e-6
_BYTES: Final = 2 << 20
_BYTES_PER_BYTE: Final = 400
"""Limits of processor time and memory: so much for any input, and so much for each byte of it."""


class MisbehaviourError(AssertionError):
    """A parser did with an input what it must not."""


@dataclass(frozen=True)
class Cost:
    """What an input cost: seconds of processor time, and bytes at the peak where they were counted."""

    taken: bool
    seconds: float
    peak: int = 0


def judge(target: Target, data: bytes, *, is_memory_counted: bool) -> Cost:
    """Give an input to a parser. Raises MisbehaviourError."""
    if is_memory_counted:
        tracemalloc.start()
    try:
        start = time.thread_time()
        taken = _is_taken(target, data)
        seconds = time.thread_time() - start
        peak = tracemalloc.get_traced_memory()[1] if is_memory_counted else 0
    finally:
        if is_memory_counted:
            tracemalloc.stop()
    # Counting memory takes time of its own.
    if not is_memory_counted and seconds > _SECONDS + _SECONDS_PER_BYTE * len(data):
        raise MisbehaviourError(f"{len(data)} bytes took {seconds:.2f} s")
    if peak > _BYTES + _BYTES_PER_BYTE * len(data):
        raise MisbehaviourError(f"{len(data)} bytes took {peak >> 10} KiB of memory")
    return Cost(taken, seconds, peak)


def _is_taken(target: Target, data: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            target.parse(data)
    except FormatError as error:
        if not error.what or not error.expected:
            raise MisbehaviourError(f"an error that does not say what was expected: {error}") from error
        if error.offset is not None and not 0 <= error.offset <= len(data):
            raise MisbehaviourError(f"offset {error.offset} of an input of {len(data)} bytes") from error
        return False
    except Exception as error:
        raise MisbehaviourError(f"{type(error).__name__}: {error}") from error
    return True
