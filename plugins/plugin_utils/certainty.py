# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the code is certain of and a type checker cannot see."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def certain(value: T | None, why: str) -> T:
    """Return a value that cannot be None, because `why`. Raises AssertionError where the code was wrong."""
    if value is None:
        raise AssertionError(why)
    return value


def certainly(kind: type[T], value: object, why: str) -> T:
    """Return a value that can be of no other kind, because `why`. Raises TypeError where the code was wrong."""
    if not isinstance(value, kind):
        # Not the value: it may be a secret, and this ends in a log.
        message = f"{type(value).__name__} is no {kind.__name__}: {why}"
        raise TypeError(message)
    return value
