# SPDX-License-Identifier: GPL-3.0-or-later
"""The world's time: real time, scaled and shifted: a restart takes a second and a certificate can expire today."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Clock:
    """Maps monotonic real seconds to world time: `scale` world seconds pass in one real second."""

    epoch: datetime
    scale: float = 1.0
    monotonic: Callable[[], float] = time.monotonic
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        """Start counting now."""
        self._started = self.monotonic()

    def now(self) -> datetime:
        """World time, aware, UTC."""
        return self.epoch + timedelta(seconds=(self.monotonic() - self._started) * self.scale)

    def move(self, seconds: float) -> None:
        """Shift world time; negative goes back."""
        self.epoch += timedelta(seconds=seconds)
