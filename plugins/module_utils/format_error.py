# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that the format parsers of this directory raise."""

from __future__ import annotations


class FormatError(ValueError):
    """Bytes are not what they should be.

    `what` names the thing being read ("TCG event log"), `expected` says what should have been there, `offset` is the
    byte offset in the bytes given to the parser (None where the format has no useful one, such as XML).
    """

    def __init__(self, what: str, expected: str, offset: int | None = None) -> None:
        # All three go to the base class so that the error survives pickling and copying.
        super().__init__(what, expected, offset)
        self.what = what
        self.expected = expected
        self.offset = offset

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at offset {self.offset} (0x{self.offset:x})"
        return f"{self.what}: expected {self.expected}{place}"
