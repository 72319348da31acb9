# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter that gathers what the machines of a fabric showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def shown_machines(
    parts: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, Any]], variable: str
) -> list[dict[str, Any]]:
    """Return each machine with its part of the fabric and what was registered for it, None where nothing was."""
    return _machines(parts, lambda name: hostvars[name].get(variable))


def batched_machines(
    parts: Mapping[str, Sequence[str]], readers: Sequence[Mapping[str, Any]], variable: str, batch: str
) -> list[dict[str, Any]]:
    """Return the same of machines that a few readers looked at in a loop each, from the variables of the readers.

    A loop that ended without results says of its whole batch why.
    """
    results: dict[str, Any] = {}
    for reader in readers:
        registered = reader.get(variable)
        if registered is not None:
            results |= dict.fromkeys(reader[batch], registered)
            results |= {one[one["ansible_loop_var"]]: one for one in registered.get("results", ())}
    return _machines(parts, results.get)


def _machines(parts: Mapping[str, Sequence[str]], shown: Callable[[str], object]) -> list[dict[str, Any]]:
    return [{"name": name, "part": part, "result": shown(name)} for part, names in parts.items() for name in names]


def merged_machines(slices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the machines of several slices: one that two of them had is as the one shows it that saw it."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for machine in (machine for one in slices for machine in one["machines"]):
        key = (machine["part"], machine["name"])
        if key not in merged or not _saw(merged[key]["result"]):
            merged[key] = dict(machine)
    return list(merged.values())


def _saw(result: Mapping[str, Any] | None) -> bool:
    return result is not None and not (result.get("failed") or result.get("unreachable"))


class FilterModule:
    """The collection's filters of the drift check."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {
            "shown_machines": shown_machines,
            "batched_machines": batched_machines,
            "merged_machines": merged_machines,
        }
