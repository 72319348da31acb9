# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence of any kind: told by its content, as facts, judged, and compared with another of its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

from .boot_logs import BOOT_LOG
from .code_integrity import CODE_INTEGRITY_POLICY
from .identities import EK_CERTIFICATE, PLATFORM_IDENTIFIER
from .model import EvidenceKind
from .plain_data import plain
from .protection import GUARDIAN_METADATA, KEY_PROTECTOR

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding

KINDS: tuple[EvidenceKind[Any], ...] = (
    # In this order: a signed policy begins like a certificate, a key protector's length like anything.
    *(PLATFORM_IDENTIFIER, GUARDIAN_METADATA, KEY_PROTECTOR, CODE_INTEGRITY_POLICY, EK_CERTIFICATE, BOOT_LOG),
)


@dataclass(frozen=True)
class Evidence:
    """Evidence that was read: its kind, and its content in that kind's own form."""

    kind: EvidenceKind[Any]
    content: Any


def read(data: bytes) -> Evidence:
    """Tell the kind of evidence and read it. Raises FormatError."""
    for kind in KINDS:
        if kind.claims(data):
            return Evidence(kind, kind.read(data))
    names = ", ".join(kind.name for kind in KINDS)
    raise FormatError("evidence", f"one of: {names}", 0)


def facts(evidence: Evidence) -> dict[str, object]:
    """Return what evidence says, as JSON data."""
    said = {name: plain(value) for name, value in evidence.kind.facts(evidence.content).items()}
    return {"kind": evidence.kind.name, **said}


def problems(evidence: Evidence, machine: str) -> list[Finding]:
    """Return what speaks against using the evidence; it was shown by the machine. Raises FormatError."""
    return [item.found_on(machine, evidence.kind.name) for item in evidence.kind.problems(evidence.content)]


def differences(old: Evidence, new: Evidence, machine: str) -> list[Finding]:
    """Return what differs between two of a kind. Raises FormatError where they are of two kinds, or damaged."""
    if old.kind is not new.kind:
        raise FormatError("evidence", f"two of a kind, not {old.kind.name} and {new.kind.name}")
    return [item.found_on(machine, new.kind.name) for item in new.kind.differences(old.content, new.content)]
