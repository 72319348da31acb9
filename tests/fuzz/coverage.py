# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells which lines of the plugins an input is the first to reach.

Only functions that have lines left to reach are traced, so that little is paid once most were.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence import model

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from _typeshed import TraceFunction

_FOLDER: Final = str(Path(str(model.__file__)).parents[2])


class NewLines:
    """While entered, notes lines of the plugins that were never reached before."""

    def __init__(self) -> None:
        self.found = 0
        self._left: dict[CodeType, set[int]] = {}

    def __enter__(self) -> Self:
        """Start noting."""
        self.found = 0
        sys.settrace(self._called)
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop noting."""
        sys.settrace(None)

    @property
    def reached(self) -> float:
        """The share of the lines reached, of the functions that were ever called."""
        every = sum(len(_lines(code)) for code in self._left)
        return 1 - sum(map(len, self._left.values())) / every if every else 0

    def _called(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        code = frame.f_code
        if code not in self._left:
            self._left[code] = _lines(code) if code.co_filename.startswith(_FOLDER) else set()
        return self._ran if self._left[code] else None

    def _ran(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        left = self._left[frame.f_code]
        if frame.f_lineno in left:
            left.remove(frame.f_lineno)
            self.found += 1
        return self._ran if left else None


def _lines(code: CodeType) -> set[int]:
    return {line for _start, _end, line in code.co_lines() if line}
