# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerShell's wildcard patterns (about_Wildcards): *, ?, [abc], [a-z]; a backtick takes what follows literally."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SPECIAL: Final = frozenset("*?[")


def has_wildcards(text: str) -> bool:
    """Whether a text stands for more than the one that is spelled so."""
    return bool(_SPECIAL & set(re.sub("`.", "", text, flags=re.DOTALL)))


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern, without regard to case."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        character, position = pattern[position], position + 1
        closing = pattern.find("]", position + 1) if character == "[" else -1
        if character == "`" and position < len(pattern):
            parts.append(re.escape(pattern[position]))
            position += 1
        elif closing > 0:
            parts.append(_set(pattern[position:closing]))
            position = closing + 1
        else:
            parts.append({"*": ".*", "?": "."}.get(character, re.escape(character)))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _set(members: str) -> str:
    """Return a set of characters: between two of them a hyphen makes a range, and nothing else has a meaning."""
    parts: list[str] = []
    position = 0
    while position < len(members):
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            first, last = sorted((members[position], members[position + 2]))
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
            position += 3
        else:
            parts.append(re.escape(members[position]))
            position += 1
    return f"[{''.join(parts)}]"
