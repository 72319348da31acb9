# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Text that came from a machine, as files may carry it: a name can hold any character, a file cannot."""

from __future__ import annotations

_FORBIDDEN = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"
)
"""What neither XML 1.0 (2.2) nor HTML's text takes, or both advise against."""


def plain(text: str) -> str:
    """Return a text with the replacement character in place of what XML and HTML do not take, lone surrogates too."""
    return text.translate(_FORBIDDEN).encode("utf-8", "replace").decode()
