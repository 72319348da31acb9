# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names and addresses in a network, as far as what is none can be told before Windows is asked."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from .problems import Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LABEL: Final = r"(?!-)[\w-]{1,63}(?<!-)"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
"""RFC 1035 2.3.1, with the underscores and letters of other scripts that Windows' DNS takes."""
_LONGEST_DOMAIN: Final = 253
_COMPUTER: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,15}(?<!-)")
"""As long as a NetBIOS name, without the characters that DNS does not have (Microsoft, KB 909264)."""

NO_ADDRESS = Kind(
    "GF-NET-001",
    Owner.CONTROLLER,
    "is no IP address",
    "write an address such as 10.0.0.1; names are not looked up",
)
NO_DOMAIN = Kind(
    "GF-NET-002",
    Owner.CONTROLLER,
    "is no name of a DNS domain",
    "write letters, digits and hyphens with dots between them, and no dot at the end",
)
NO_COMPUTER = Kind(
    "GF-NET-003",
    Owner.CONTROLLER,
    "is no name for a computer or a cluster",
    "write 1 to 15 letters, digits and hyphens, without a domain",
)


def address_problems(texts: Iterable[str]) -> Iterator[Problem]:
    """Go through the texts that are no IP addresses."""
    return (Problem(NO_ADDRESS, repr(text)) for text in texts if not _is_address(text))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def domain_problems(texts: Iterable[str]) -> Iterator[Problem]:
    """Go through the texts that are no names of domains."""
    for text in texts:
        if not _DOMAIN.fullmatch(text) or len(text.encode()) > _LONGEST_DOMAIN:
            yield Problem(NO_DOMAIN, repr(text))


def computer_problems(texts: Iterable[str]) -> Iterator[Problem]:
    """Go through the texts that are no names of computers."""
    for text in texts:
        if not _COMPUTER.fullmatch(text):
            yield Problem(NO_COMPUTER, repr(text))
