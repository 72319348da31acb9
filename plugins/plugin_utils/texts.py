# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Texts that users set: what cannot be meant is refused before anything is sent, everything else arrives as it is.

Nothing on the way evaluates a text. Two things could still go wrong with one: a character that nobody sees makes it
another text than the one on the screen, and a cmdlet that matches names as patterns finds more than one thing by it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from .problems import FabricError, Kind, Owner, Problem

if TYPE_CHECKING:
    from .resource import Item, Option

WILDCARDS: Final = frozenset("*?[]`")
"""What PowerShell's wildcard patterns are made of, and the character that escapes one (about_Wildcards)."""

_INVISIBLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, lone surrogates, and line and paragraph separators."""
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")
"""They show a text in another order than it is in, or are no characters at all."""

_SHOWN: Final = 60
_LONGEST_PATH: Final = 4095
"""Of the controller's files (PATH_MAX of Linux's limits.h)."""

INVISIBLE = Kind(
    "GF-TXT-001",
    Owner.CONTROLLER,
    "has a character that cannot be seen: a line break, a control character or one that reorders the text",
    "write it without; a password out of a file often brings the line break at the file's end",
)
TOO_LONG = Kind(
    "GF-TXT-002",
    Owner.CONTROLLER,
    "is longer than anything of its kind",
    "shorten it",
)
WILDCARD = Kind(
    "GF-TXT-003",
    Owner.CONTROLLER,
    "has a wildcard character (*, ?, [, ] or `), by which Windows would find other things than the one named so",
    "write the whole name; what really has such a name has to be renamed first",
)
EMPTY = Kind(
    "GF-TXT-004",
    Owner.CONTROLLER,
    "is empty",
    "set it, or leave the item out",
)


def check_texts(name: str, options: Sequence[Option], config: Sequence[Item]) -> None:
    """Raise FabricError with every text of `config` that cannot be meant; `name` is the module's."""
    found = [problem for item in config for problem in _of_item(name, options, item)]
    if found:
        raise FabricError(*found)


def _of_item(where: str, options: Sequence[Option], item: Item) -> Iterator[Problem]:
    for option in options:
        yield from _of_value(f"{where}: {option.name}", option, item.get(option.name))


def _of_value(where: str, option: Option, value: object) -> Iterator[Problem]:
    if isinstance(value, str):
        yield from _of_text(where, option, value)
    elif isinstance(value, Mapping):
        yield from _of_item(where, option.suboptions, value)
    elif isinstance(value, (list, tuple)):
        for number, element in enumerate(value):
            yield from _of_value(f"{where}[{number}]", option, element)


def _of_text(where: str, option: Option, text: str) -> Iterator[Problem]:
    # A secret is never shown, and what is said of it says nothing about it.
    thing = where if option.secret else f"{where} {_short(text)}"
    strange = next((character for character in text if _is_strange(character)), None)
    if strange is not None:
        yield Problem(INVISIBLE, thing, f"U+{ord(strange):04X}")
    longest = _LONGEST_PATH if option.type == "path" else option.longest
    if not option.secret and len(text) > longest:
        yield Problem(TOO_LONG, thing, f"{len(text)} characters; {longest} at most")
    if option.literal and WILDCARDS & set(text):
        yield Problem(WILDCARD, thing)
    if option.required and not text.strip():
        yield Problem(EMPTY, where)


def _is_strange(character: str) -> bool:
    return character in _REORDERING or unicodedata.category(character) in _INVISIBLE


def _short(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
