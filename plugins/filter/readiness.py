# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over what host_readiness told of several hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.plugin_utils import readiness_summary as readiness
from ansible_collections.guarded.fabric.plugins.plugin_utils.requirement import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def readiness_summary(answers: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Return the lines of the tables."""
    return readiness.summary(answers)


def not_ready(answers: Mapping[str, Mapping[str, Any] | None], mode: str) -> list[str]:
    """Return the hosts that are blocked or unknown for a mode."""
    try:
        return readiness.not_ready(answers, Mode(mode))
    except ValueError as error:
        modes = " or ".join(item.value for item in Mode)
        raise AnsibleFilterError(f"{mode} is no mode of attestation: {modes} is needed") from error


class FilterModule:
    """The collection's filters of readiness."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {"not_ready": not_ready, "readiness_summary": readiness_summary}
