# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a certificate is valid by the clock of the machine that will use it, which need not be the controller's."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography import x509

    from .calls import Results

_SEVEN_DIGITS: Final = re.compile(r"(\.\d{6})\d*")
"""Windows counts in 100 ns, Python in microseconds."""


def time_of(results: Results, call: str) -> datetime | None:
    """Return the time that a call of Get-Date gave, in UTC; None where it did not run. ValueError where it is none."""
    given = next(iter(results.scalars(call)), None)
    return None if given is None else as_time(str(given))


def as_time(text: str) -> datetime:
    """Return a time that a machine wrote, with its zone. Raises ValueError for another text."""
    found = datetime.fromisoformat(_SEVEN_DIGITS.sub(r"\1", text).replace("Z", "+00:00"))
    if found.tzinfo is None:
        message = f"{text!r} is no time with its zone"
        raise ValueError(message)
    return found


def why_not(certificate: x509.Certificate, now: datetime) -> str:
    """Say why a certificate is not valid now, and what the machine takes for now; nothing where it is valid."""
    if now < certificate.not_valid_before_utc:
        return f"it is not valid before {_day(certificate.not_valid_before_utc)}, and here it is {_day(now)}"
    if now >= certificate.not_valid_after_utc:
        return f"it expired {_day(certificate.not_valid_after_utc)}, and here it is {_day(now)}"
    return ""


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
