# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What leaves the engine for people to read: without the secrets of its request, and what a host says made legible.

A host knows the secrets that it was sent. A clumsy cmdlet puts one into its error message, a hostile one into a name;
so nothing that is shown is trusted to be free of them, whatever it was made from.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .calls import File, Secret
from .rendering import quote

if TYPE_CHECKING:
    from .resource import Item, Option

MASK = "********"
"""As Ansible masks what is not to be logged."""

SHORTEST = 4
"""Characters. A shorter secret keeps nobody out, and to mask it would tear holes into every text."""

LONGEST_TEXT = 4000
"""Characters of a message. More is not for reading, and ends in every log."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of what steers a terminal or the order of a line instead of being seen."""


def legible(text: str) -> str:
    """Return text in which every character is seen: a terminal obeys some of the others."""
    seen = "".join(_seen(character) for character in text[: LONGEST_TEXT + 1])
    return seen if len(seen) <= LONGEST_TEXT else seen[:LONGEST_TEXT] + " [...]"


def _seen(character: str) -> str:
    hidden = character not in "\n\t" and unicodedata.category(character) in _UNSEEN
    return "\N{REPLACEMENT CHARACTER}" if hidden else character


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Secret):
        yield str(value.text)
    elif isinstance(value, str):
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


def _secrets(options: Sequence[Option], config: Iterable[Item]) -> Iterator[str]:
    for item in config:
        for option in options:
            value = item.get(option.name)
            if option.secret:
                yield from _texts(value)
            elif isinstance(value, File):
                # A PFX file has a private key in it; on the wire it is this text.
                yield base64.b64encode(value.content).decode()
            elif option.suboptions:
                nested = [value] if isinstance(value, Mapping) else value
                if isinstance(nested, (list, tuple)):
                    yield from _secrets(option.suboptions, nested)


def _forms(secret: str) -> set[str]:
    """Return how a secret looks in a text that was made from it: as it is, quoted for JSON, Python or PowerShell."""
    quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), quote(secret))
    return {secret, *(form[1:-1] for form in quoted)}


@dataclass(frozen=True)
class Disclosure:
    """Shows texts and values without `forms`."""

    forms: tuple[str, ...] = field(default=(), repr=False)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for form in self.forms:
            text = text.replace(form, MASK)
        return text

    def message(self, text: str) -> str:
        """Return a text for people to read, without secrets."""
        return legible(self.text(text))

    def value(self, value: object) -> object:
        """Return plain data without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.value(name): self.value(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def items(self, items: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
        """Return items of a state without secrets."""
        return [{name: self.value(value) for name, value in item.items()} for item in items]


def disclosure(options: Sequence[Option], config: Iterable[Item]) -> Disclosure:
    """Return what keeps the secrets of `config`, which `options` describe, out of what is shown."""
    return disclosure_of(_secrets(options, config))


def disclosure_of(secrets: Iterable[str]) -> Disclosure:
    """Return what keeps secrets out of what is shown."""
    found = {secret for secret in secrets if len(secret) >= SHORTEST}
    # The longest first: one secret may be a part of another.
    return Disclosure(tuple(sorted({form for secret in found for form in _forms(secret)}, key=len, reverse=True)))
