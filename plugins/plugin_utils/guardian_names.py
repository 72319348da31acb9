# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people call the guardian behind a thumbprint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHORT = 8
"""Digits of a thumbprint that tell guardians of one fabric apart."""


def guardian_names(guardians: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return names by signing thumbprint (upper-case hex) of what the module guardians gathered."""
    return {
        str(item["signing_thumbprint"]).upper(): str(item.get("name", ""))
        for item in guardians
        if item.get("signing_thumbprint")
    }


def named(thumbprint: object, names: Mapping[str, str]) -> str:
    """Return the name behind a thumbprint, else the thumbprint shortened; empty where there is none."""
    text = str(thumbprint or "")
    return names.get(text.upper(), text[:SHORT])
