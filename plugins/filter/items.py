# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn names into items of config, alone or with the file that belongs to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def named_items(names: Iterable[str]) -> list[dict[str, str]]:
    """Return for each name an item with that name."""
    if isinstance(names, str):
        raise AnsibleFilterError("a list of names is needed, not a text")
    return [{"name": name} for name in names]


def items_with_file(
    names: Iterable[str], option: str, directory: str, suffix: str, key: str = "name"
) -> list[dict[str, str]]:
    """Return for each name an item with that name in `key` and the path of its file below `directory` in `option`."""
    return [{key: item["name"], option: f"{directory}/{item['name']}{suffix}"} for item in named_items(names)]


def items_with_settings(
    items: Iterable[Mapping[str, object]], settings: Mapping[str, Mapping[str, object]], key: str = "name"
) -> list[dict[str, object]]:
    """Return each item with the settings that its name has, if it has any; names as Windows compares them."""
    by_name = {name.casefold(): values for name, values in settings.items()}
    return [{**item, **by_name.get(str(item[key]).casefold(), {})} for item in items]


class FilterModule:
    """The collection's filters of items."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {
            "items_with_file": items_with_file,
            "items_with_settings": items_with_settings,
            "named_items": named_items,
        }
