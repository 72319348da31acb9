# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling XML documents apart by the name of their root, before anything else of them is read."""

from __future__ import annotations

import re

_LOOKED_AT = 4096
_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")


def is_root(data: bytes, name: str) -> bool:
    """Tell if a document's root element seems to have this local name; whether it is well formed is not looked at."""
    start = data[:_LOOKED_AT]
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if wide else "utf-8-sig", "ignore").lstrip()
    if not text.startswith("<"):
        return False
    found = _ROOT.search(re.sub(r"<\?.*?\?>|<!--.*?-->", "", text, flags=re.DOTALL))
    return found is not None and found[1] == name
