# SPDX-License-Identifier: GPL-3.0-or-later
"""IP addresses as text."""

from __future__ import annotations

import ipaddress


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
