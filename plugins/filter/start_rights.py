# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that shows who can start which virtual machine as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.start_rights import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def who_can_start_summary(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table."""
    return summary(found)


class FilterModule:
    """The collection's filters of who can start what."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"who_can_start_summary": who_can_start_summary}
