# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code integrity policies of hosts, and what they blocked, as tables that a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fabric_summary import table

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNKNOWN = "unknown"
_SHORT = 12
"""Digits of a hash that tell policies of one fabric apart."""


def _yes(value: object) -> str:
    return "yes" if value is True else "no" if value is False else _UNKNOWN


def _blocked(told: Mapping[str, Any] | None) -> str:
    """Return how many files would be or were blocked; a host that was not asked is unknown, and never none."""
    if not told or "events" not in told:
        return _UNKNOWN
    return f"{len(told['events'])}{' or more' if told.get('truncated') else ''}"


def _policy(name: str, policy: Mapping[str, Any] | None, told: Mapping[str, Any] | None) -> list[str]:
    state = policy or {}
    digest = str(state.get("sha256") or "")[:_SHORT] if policy else _UNKNOWN
    return [
        name,
        str(state.get("kernel_enforcement") or _UNKNOWN),
        str(state.get("user_enforcement") or _UNKNOWN),
        digest or "none",
        _yes(state.get("restart_pending")),
        _blocked(told),
    ]


def summary(
    policies: Mapping[str, Mapping[str, Any] | None], events: Mapping[str, Mapping[str, Any] | None]
) -> list[str]:
    """Return the lines. policies: what code_integrity_policy gathered; events: what code_integrity_events told."""
    names = sorted({*policies, *events})
    lines = table(
        "Code integrity policies",
        ["host", "kernel", "programs", "policy", "restart pending", "files blocked since the start"],
        [_policy(name, policies.get(name), events.get(name)) for name in names],
    )
    rows = [
        [
            name,
            "blocked" if item["blocked"] else "would be blocked",
            str(item["count"]),
            item["file"] or _UNKNOWN,
            item["process"] or _UNKNOWN,
        ]
        for name in names
        for item in (events.get(name) or {}).get("events", ())
    ]
    return lines + table("Files without a rule", ["host", "", "times", "file", "loaded by"], rows) if rows else lines
