# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a machine cannot be reached: what Ansible's connections say, and what to do about it.

Told by the words of pywinrm, pypsrp, requests, OpenSSL and Kerberos libraries.
"""

from __future__ import annotations

import re
from typing import Final

from .problems import Kind, Owner

WRONG_CREDENTIALS = Kind(
    "GF-CON-001",
    Owner.CONTROLLER,
    "does not accept the account or its password",
    "check ansible_user and ansible_password for the trust domain of this machine, and whether the account is locked",
)
CLOCKS_APART = Kind(
    "GF-CON-002",
    Owner.CONTROLLER,
    "cannot be talked to because clocks differ: what it shows is not valid at this controller's time",
    "compare the clocks of controller, machine and domain controller, and set them by one time source; "
    "if they agree, the machine's certificate for WinRM has to be renewed",
)
UNTRUSTED = Kind(
    "GF-CON-003",
    Owner.CONTROLLER,
    "shows a certificate for WinRM that this controller does not trust",
    "find out whether this is the machine you mean, then trust the authority that issued its certificate",
)
NAME_UNKNOWN = Kind(
    "GF-CON-004",
    Owner.CONTROLLER,
    "has a name or an address that leads nowhere",
    "correct ansible_host, or the name resolution of the controller",
)
NO_ANSWER = Kind(
    "GF-CON-005",
    Owner.CONTROLLER,
    "does not answer",
    "see whether the machine runs, whether WinRM listens on ansible_port, and whether a firewall stands between",
)
RESTARTED = Kind(
    "GF-CON-006",
    Owner.CONTROLLER,
    "restarted while this run worked on it",
    "find out who restarts it, maybe another run; once it answers, run again: what was done before is kept",
)
UNREACHABLE = Kind(
    "GF-CON-009",
    Owner.CONTROLLER,
    "cannot be reached",
    "read the message; run again with -vvvv for what the connection did",
)

_SIGNS: Final = (
    (
        CLOCKS_APART,
        r"certificate (is not yet valid|has expired)|clock skew|SEC_E_TIME_SKEW|KRB_AP_ERR_(SKEW|TKT_EXPIRED|TKT_NYV)",
    ),
    (UNTRUSTED, r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|hostname mismatch|doesn't match"),
    (
        WRONG_CREDENTIALS,
        r"credentials were rejected|authenticat(e|ion fail)|access is denied|\b401\b|logon fail|invalid ?credentials",
    ),
    (NAME_UNKNOWN, r"name or service not known|failed to resolve|nodename nor servname|getaddrinfo|name resolution"),
    (RESTARTED, r"shell was not found on the server|shell no longer exists"),
    (NO_ANSWER, r"timed? ?out|connection refused|no route to host|network is unreachable|connection reset|aborted"),
)
KINDS: Final = frozenset({*(kind for kind, _ in _SIGNS), UNREACHABLE})
"""All of them."""


def kind_of(message: str) -> Kind:
    """Return what kind of problem an unreachable machine has, by the message of its connection."""
    return next((kind for kind, sign in _SIGNS if re.search(sign, message, re.IGNORECASE)), UNREACHABLE)
