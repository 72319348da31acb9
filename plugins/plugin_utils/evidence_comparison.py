# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what a host showed is what somebody approved for its class, or what HGS trusts already.

What differs is said in words, and nothing is approved by being looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import artifact_differences
from .artifact_kinds import ACTIVE_POLICY, BOOT_LOG, BY_FOLDER, CODE_INTEGRITY_POLICY, TPM_BASELINE
from .exchange import Artifact, ArtifactKind, candidate_path, load, load_existing
from .policy_names import content_name, parse
from .problems import FabricError, Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

AWAITS_APPROVAL = Kind(
    "GF-REA-001",
    Owner.GUARDIAN,
    "waits for somebody to approve what changed",
    "if the change was meant, name the fingerprint in attestation_approved_fingerprints, say who approves it and why in"
    " attestation_approved_by and attestation_approval_reason, and run again",
)
DEVIATES = Kind(
    "GF-REA-002",
    Owner.FABRIC,
    "is not what somebody approved for its class, nor what HGS trusts",
    "find out why this host differs and undo it; where it is meant to differ, give it a class of its own; where all of"
    " its class are to become so, make it their canary",
)
FOLDER_NOT_COMPARED = Kind(
    "GF-REA-003",
    Owner.CONTROLLER,
    "is in no folder of which something is compared",
    f"name a file in {BOOT_LOG.folder} or {TPM_BASELINE.folder}, or in {ACTIVE_POLICY.folder} or"
    f" {CODE_INTEGRITY_POLICY.folder}",
)

_COMPARED: Mapping[str, ArtifactKind] = {
    kind.folder: kind for kind in (BOOT_LOG, TPM_BASELINE, ACTIVE_POLICY, CODE_INTEGRITY_POLICY)
}


@dataclass(frozen=True)
class Comparison:
    """What was compared, under which name HGS would have it, and what differs from what was approved, in words.

    `trusted` says by what: "approved", "registered", or nothing; "unknown" where it depends on what HGS has and nobody
    said what that is. `candidate` is the path of the artifact that waits to be approved and means the same; empty where
    there is none.
    """

    path: str
    source: str
    fingerprint: str
    name: str
    trusted: str
    candidate: str
    differences: tuple[str, ...]

    @property
    def problem(self) -> Problem | None:
        """Why it is not trusted; None where it is."""
        if self.trusted:
            return None
        detail = "; ".join((f"captured from {self.source}", f"fingerprint {self.fingerprint}", *self.differences))
        if self.candidate:
            return Problem(AWAITS_APPROVAL, self.candidate, detail)
        return Problem(DEVIATES, self.path, detail)


def _kind(path: Path, kinds: Mapping[str, ArtifactKind]) -> ArtifactKind:
    kind = kinds.get(path.parent.name)
    if kind is None:
        raise FabricError(Problem(FOLDER_NOT_COMPARED, str(path)))
    return kind


def _fingerprint(artifact: Artifact | None) -> str:
    return artifact.sidecar.fingerprint if artifact is not None and artifact.sidecar is not None else ""


def _is_approved(artifact: Artifact | None) -> bool:
    return artifact is not None and artifact.sidecar is not None and artifact.sidecar.approval is not None


def compare(path: Path, reference: Path, registered: Collection[str] | None) -> Comparison:
    """Compare evidence with the artifact of its class and with the names of what HGS trusts. Raises FabricError.

    `reference` is the artifact of the class, approved or not; its name is the class. `registered` holds names of HGS's
    policies, or is None where they are not known; only those that say what they hold count.
    """
    evidence = load(path, _kind(path, _COMPARED))
    kind = _kind(reference, BY_FOLDER)
    known = load_existing(reference, kind)
    candidate = load_existing(candidate_path(reference, kind), kind)
    fingerprint = _fingerprint(evidence)
    name = content_name(reference.stem, fingerprint)
    is_known = _fingerprint(known) == fingerprint
    waiting = next((item for item in (known, candidate) if _fingerprint(item) == fingerprint), None)
    if is_known and _is_approved(known):
        trusted = "approved"
    elif name.digits in {named.digits for item in registered or () if (named := parse(item)) is not None}:
        trusted = "registered"
    elif registered is None and waiting is None:
        trusted = "unknown"
    else:
        trusted = ""
    words = artifact_differences.BY_FOLDER[reference.parent.name]
    return Comparison(
        path=str(path),
        source=evidence.sidecar.source if evidence.sidecar else "",
        fingerprint=fingerprint,
        name=str(name),
        trusted=trusted,
        candidate=waiting.path if waiting is not None and not trusted else "",
        differences=()
        if known is None or known.content is None or evidence.content is None
        else tuple(words(known.content, evidence.content)),
    )
