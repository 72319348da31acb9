# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that shows code integrity policies of hosts, and what they blocked, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.plugin_utils.code_integrity_summary import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def code_integrity_summary(told: Mapping[str, Any]) -> list[str]:
    """Return the lines of the tables of `policies` and `events`, each by host."""
    missing = {"policies", "events"} - set(told)
    if missing:
        raise AnsibleFilterError(f"code_integrity_summary lacks {' and '.join(sorted(missing))}")
    return summary(told["policies"], told["events"])


class FilterModule:
    """The collection's filters of code integrity."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"code_integrity_summary": code_integrity_summary}
