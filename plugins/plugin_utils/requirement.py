# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a requirement on a server is, and what it means where it is lacking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .findings import FindingKind
from .host_facts import HostFacts


class Mode(Enum):
    """How a guarded host attests."""

    TPM = "tpm"
    HOST_KEY = "host_key"


class Verdict(Enum):
    """Whether a server can be a guarded host that attests by a mode, best first."""

    READY = "ready"
    """Nothing is missing."""
    PREPARABLE = "preparable"
    """What is missing comes with the playbook prepare_hosts."""
    UNKNOWN = "unknown"
    """Something could not be read."""
    BLOCKED = "blocked"
    """Somebody has to do something by hand first."""


@dataclass(frozen=True)
class Demands:
    """What this fabric demands beyond Windows: TPM vendors that HGS trusts (DER or PEM), BitLocker; at: UTC."""

    at: datetime
    bitlocker: bool = False
    roots: tuple[bytes, ...] = ()
    intermediates: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Met:
    """The judgement on one requirement.

    met: None where nothing is known. actual: what is there instead. lacking: in place of the requirement's own.
    """

    met: bool | None
    actual: str = ""
    lacking: Verdict | None = None


@dataclass(frozen=True)
class Requirement:
    """Something that a guarded host needs, in which modes, and what it means for the verdict where it is lacking."""

    kind: FindingKind
    expected: str
    modes: frozenset[Mode]
    lacking: Verdict
    judge: Callable[[HostFacts, Demands], Met]
