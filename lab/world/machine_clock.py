# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine takes for the time: the world's, unless its clock is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from .clock import Clock
    from .model import Machine


def time_of(machine: Machine, clock: Clock) -> datetime:
    """Return the time that a machine's own clock shows, aware, UTC."""
    return clock.now() + timedelta(seconds=machine.clock_offset)
