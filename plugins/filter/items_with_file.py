# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that turns names into items of config, each with the file that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def items_with_file(names: Iterable[str], option: str, directory: str, suffix: str) -> list[dict[str, str]]:
    """Return for each name an item with that name and the path of its file below `directory` in `option`."""
    if isinstance(names, str):
        raise AnsibleFilterError("items_with_file takes a list of names")
    return [{"name": name, option: f"{directory}/{name}{suffix}"} for name in names]


class FilterModule:
    """The collection's filters of items."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"items_with_file": items_with_file}
