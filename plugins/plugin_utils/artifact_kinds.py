# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of artifact that cross a boundary between trust domains, and when two of a kind mean the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    guardian_metadata,
    key_protector,
    platform_identifier,
    si_policy_binary,
    signed_policy,
    tcg_log,
    tpm_baseline,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

from .exchange import ArtifactKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _identifier(content: bytes) -> str:
    # A TPM keeps its endorsement key for life; the rest of the document may change with the machine around it.
    found = platform_identifier.parse(content)
    if found.endorsement_key is None:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(found.endorsement_key).hexdigest()


def _baseline(content: bytes) -> str:
    log = tcg_log.parse(content)
    reasons = tpm_baseline.why_not(log)
    if reasons:
        raise FormatError("TPM baseline", "; ".join(reasons))
    return tpm_baseline.fingerprint(tpm_baseline.baseline(log))


def _policy(content: bytes) -> str:
    # HGS wants the unsigned copy: the signature is not measured (WSD capturing-hardware).
    if signed_policy.unwrap(content).signed:
        raise FormatError("code integrity policy", "a policy without a signed envelope")
    si_policy_binary.read(content)
    return si_policy_binary.digest(content)


def _metadata(content: bytes) -> str:
    found = guardian_metadata.read(content)
    return _digest(thumbprint(found.signing_certificate), thumbprint(found.encryption_certificate))


def key_protector_holders(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the signing certificates' thumbprints of a key protector's owner and of its guardians, these sorted.

    Raises FormatError where it is none, or has no owner.
    """
    protector = key_protector.read(content)
    owner = None if protector is None else key_protector.owner(protector)
    if protector is None or owner is None:
        raise FormatError("key protector", "one owner")
    guardians = sorted(key_protector.thumbprints(wrapping)[0] for wrapping in key_protector.guardians(protector))
    return key_protector.thumbprints(owner)[0], tuple(guardians)


def _protector(content: bytes) -> str:
    owner, guardians = key_protector_holders(content)
    return _digest(owner, *guardians)


PLATFORM_IDENTIFIER = ArtifactKind("platform-identifiers", ".xml", _identifier, unique=True)
TPM_BASELINE = ArtifactKind("tpm-baselines", ".tcglog", _baseline)
CODE_INTEGRITY_POLICY = ArtifactKind("ci-policies", ".p7b", _policy)
BOOT_LOG = ArtifactKind("boot-logs", ".tcglog", _baseline)
"""How one host started last, under the host's name; a baseline stands for a class."""
ACTIVE_POLICY = ArtifactKind("active-policies", ".p7b", _policy)
"""The code integrity policy that one host has, under the host's name."""
GUARDIAN_METADATA = ArtifactKind("guardians", ".xml", _metadata)
KEY_PROTECTOR = ArtifactKind("key-protectors", ".kp", _protector)

TPM_VENDOR = ArtifactKind("tpm-vendors", ".cer", thumbprint)
"""A certificate of a TPM vendor, under its thumbprint. It is public, and trusted where the guardian declares it."""

BY_FOLDER: Mapping[str, ArtifactKind] = {
    kind.folder: kind
    for kind in (PLATFORM_IDENTIFIER, TPM_BASELINE, CODE_INTEGRITY_POLICY, GUARDIAN_METADATA, KEY_PROTECTOR)
}
"""What is approved before somebody takes it. What one host has is only looked at."""

ADOPTED = (*BY_FOLDER.values(), BOOT_LOG, ACTIVE_POLICY, TPM_VENDOR)
"""What can be read from a living fabric."""
