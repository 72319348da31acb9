# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An object of AWX as data: by which module it is made, what it is found by, what it is to be, what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Key = tuple[str, str]
"""The kind of an object and its name, which no other object of that kind has."""


@dataclass(frozen=True)
class Item:
    """An object of AWX.

    kind: the module of awx.awx. identity: the arguments that find it; settings: those that say what it is to be.
    finds: the items without which its module could not even look for it. needs: those that its settings refer to.
    secret: AWX does not give back all of the settings.
    """

    kind: str
    name: str
    identity: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)
    finds: tuple[Key, ...] = ()
    needs: tuple[Key, ...] = ()
    secret: bool = False

    @property
    def key(self) -> Key:
        """What other items refer to it by."""
        return (self.kind, self.name)
