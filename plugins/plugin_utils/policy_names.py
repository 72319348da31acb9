# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of policies at HGS that say what the policy holds: a class, and the first digits of the artifact's fingerprint.

HGS keeps what it was given under its name and cannot show it again. So the name is the only thing that tells a baseline
that was approved yesterday from one that was approved last year.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DIGITS = 8
"""Of the fingerprint in a name: enough that two artifacts of one class never meet by chance."""

MOST_OF_A_CLASS = 55
"""Characters. Which names HGS allows is not published; with the digits these keep to the 64 of a common name in Active
Directory, which is where HGS replicates its state."""

_CLASS = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MOST_OF_A_CLASS - 1}}}")
_NAME = re.compile(rf"([A-Za-z0-9][A-Za-z0-9._-]*) ([0-9a-fA-F]{{{DIGITS}}})")


@dataclass(frozen=True)
class ContentName:
    """The parts of a name: the class, and the first digits of a fingerprint in lower-case hex."""

    class_name: str
    digits: str

    def __str__(self) -> str:
        """Return the name as HGS has it."""
        return f"{self.class_name} {self.digits}"


def is_class(text: str) -> bool:
    """Whether a name can be made of it. It holds no space, so that the two parts of a name can be told apart."""
    return _CLASS.fullmatch(text) is not None


def content_name(class_name: str, fingerprint: str) -> ContentName:
    """Return the name under which an artifact of a class is registered."""
    return ContentName(class_name, fingerprint[:DIGITS].lower())


def parse(name: str) -> ContentName | None:
    """Return the parts of a registered name; None for one that somebody chose freely."""
    found = _NAME.fullmatch(name)
    return None if found is None else ContentName(found[1], found[2].lower())
