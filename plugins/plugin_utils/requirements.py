# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The libraries that the collection needs on the controller, beyond ansible-core's own."""

from __future__ import annotations

from importlib.util import find_spec

LIBRARIES = ("cryptography", "jmespath", "lxml")
"""Files that import one load without it: plugins must be loadable anywhere (`ansible-test sanity --test import`)."""


def missing() -> tuple[str, ...]:
    """Return those of LIBRARIES that this Python cannot import."""
    return tuple(name for name in LIBRARIES if find_spec(name) is None)
