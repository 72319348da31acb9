# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as JSON has them: bytes in hex, times in ISO 8601, dataclasses and mappings as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import singledispatch
from uuid import UUID


@singledispatch
def plain(value: object) -> object:
    """Return a value as JSON data."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


@plain.register
def _(value: bytes) -> str:
    return value.hex()


@plain.register
def _(value: datetime) -> str:
    return value.isoformat()


@plain.register
def _(value: UUID) -> str:
    return str(value)


@plain.register(Mapping)
def _(value: Mapping[object, object]) -> dict[str, object]:
    return {str(name): plain(item) for name, item in value.items()}


@plain.register(list)
@plain.register(tuple)
def _(value: list[object] | tuple[object, ...]) -> list[object]:
    return [plain(item) for item in value]
