# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Approving artifacts: somebody says that what was captured is what they expect.

A candidate, captured beside an artifact that was approved before, takes its place. What differs between the two is said
in words where the kind of artifact has words for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    si_policy_binary,
    si_policy_comparison,
    tcg_log,
    tpm_baseline,
)

from .artifact_kinds import BY_FOLDER, CODE_INTEGRITY_POLICY, TPM_BASELINE
from .capture import CANDIDATE
from .certainty import certain
from .exchange import ARTIFACT_MISSING, SIDECAR_SUFFIX, Approval, Artifact, ArtifactKind, approve, load, save
from .problems import FabricError, Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FOLDER_UNKNOWN = Kind(
    "GF-APP-001",
    Owner.CONTROLLER,
    "is in no folder of the exchange directory",
    f"name a file in one of: {', '.join(sorted(BY_FOLDER))}",
)


@dataclass(frozen=True)
class Verdict:
    """An artifact that is approved now, whether it was before, and what it changes, in words."""

    artifact: Artifact
    changed: bool
    differences: tuple[str, ...]


def _baseline_differences(old: bytes, new: bytes) -> Sequence[str]:
    baselines = (tpm_baseline.baseline(tcg_log.parse(content)) for content in (old, new))
    return [
        f"{difference.element}: {difference.old} -> {difference.new} ({difference.usual_cause})"
        for difference in tpm_baseline.differences(*baselines)
    ]


def _policy_differences(old: bytes, new: bytes) -> Sequence[str]:
    policies = (si_policy_binary.read(content) for content in (old, new))
    return [str(difference) for difference in si_policy_comparison.differences(*policies)]


_DIFFERENCES: Mapping[str, Callable[[bytes, bytes], Sequence[str]]] = {
    TPM_BASELINE.folder: _baseline_differences,
    CODE_INTEGRITY_POLICY.folder: _policy_differences,
}


def _differences(kind: ArtifactKind, old: Artifact | None, new: Artifact) -> tuple[str, ...]:
    if old is None or old.content is None or new.content is None or kind.folder not in _DIFFERENCES:
        return ()
    return tuple(_DIFFERENCES[kind.folder](old.content, new.content))


def _present(path: Path, kind: ArtifactKind) -> Artifact | None:
    try:
        return load(path, kind)
    except FabricError as error:
        if error.problems[0].kind is ARTIFACT_MISSING:
            return None
        raise


def judge(path: Path, approval: Approval, *, check_mode: bool) -> Verdict:
    """Approve an artifact; in check mode, say what that would do. Raises FabricError."""
    kind = BY_FOLDER.get(path.parent.name)
    if kind is None:
        raise FabricError(Problem(FOLDER_UNKNOWN, str(path)))
    artifact = _present(path, kind) if check_mode else load(path, kind)
    if artifact is None:  # an earlier task of the same play may capture it
        return Verdict(Artifact(str(path), None, None), changed=True, differences=())
    ending = CANDIDATE + kind.suffix
    if not path.name.endswith(ending):
        if artifact.sidecar is not None and artifact.sidecar.approval is not None:
            return Verdict(artifact, changed=False, differences=())
        return Verdict(artifact if check_mode else approve(artifact, approval), changed=True, differences=())
    target = path.with_name(path.name.removesuffix(ending) + kind.suffix)
    differences = _differences(kind, _present(target, kind), artifact)
    approved = artifact if check_mode else _promote(artifact, target, kind, approval)
    return Verdict(approved, changed=True, differences=differences)


def _promote(candidate: Artifact, target: Path, kind: ArtifactKind, approval: Approval) -> Artifact:
    content = certain(candidate.content, "it was loaded")
    sidecar = certain(candidate.sidecar, "it was loaded")
    saved = save(target, kind, content, sidecar.source, sidecar.captured)
    approved = approve(saved, approval)
    path = Path(candidate.path)
    path.with_name(path.name + SIDECAR_SUFFIX).unlink()
    path.unlink()
    return approved
