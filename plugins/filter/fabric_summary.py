# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that shows a fabric's state as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.plugin_utils.fabric_summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def fabric_summary(state: Mapping[str, Any]) -> list[str]:
    """Return the summary of a fabric's gathered state: its `nodes`, `hosts`, `policies`, `machines` and `guardians`."""
    missing = {"nodes", "hosts", "policies", "machines", "guardians"} - set(state)
    if missing:
        raise AnsibleFilterError(f"fabric_summary lacks {', '.join(sorted(missing))}")
    return summary(state["nodes"], state["hosts"], state["policies"], state["machines"], state["guardians"])


class FilterModule:
    """The collection's filters of state."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"fabric_summary": fabric_summary}
