# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options as plain data, without the tags that ansible-core 2.19 and later hang on each value.

To copy a tagged value costs more than ten times what a plain one does, and whoever validates options copies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCALARS: tuple[type[Any], ...] = (str, int, float, bytes)


def plain(value: object) -> object:
    """Return a value of the same content; one that is no data of Python's own as it is."""
    if value is None or isinstance(value, bool):
        return value
    for kind in SCALARS:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
