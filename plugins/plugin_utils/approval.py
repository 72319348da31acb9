# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Approving artifacts: somebody says that what was captured is what they expect.

A candidate, captured beside an artifact that was approved before, takes its place. What differs between the two is said
in words where the kind of artifact has words for it.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from .artifact_differences import BY_FOLDER as _DIFFERENCES
from .artifact_kinds import BY_FOLDER
from .certainty import certain
from .exchange import (
    ARTIFACT_MISSING,
    CANDIDATE,
    Approval,
    Artifact,
    ArtifactKind,
    approve,
    held,
    load,
    load_existing,
    put,
    remove,
    tidy,
)
from .problems import FabricError, Kind, Owner, Problem

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


def _differences(kind: ArtifactKind, old: Artifact | None, new: Artifact) -> tuple[str, ...]:
    if old is None or old.content is None or new.content is None or kind.folder not in _DIFFERENCES:
        return ()
    return tuple(_DIFFERENCES[kind.folder](old.content, new.content))


def judge(path: Path, approval: Approval, *, check_mode: bool) -> Verdict:
    """Approve an artifact; in check mode, say what that would do. Raises FabricError."""
    kind = BY_FOLDER.get(path.parent.name)
    if kind is None:
        raise FabricError(Problem(FOLDER_UNKNOWN, str(path)))
    with nullcontext() if check_mode or not path.parent.exists() else held(path.parent):
        return _judge(path, kind, approval, check_mode=check_mode)


def _judge(path: Path, kind: ArtifactKind, approval: Approval, *, check_mode: bool) -> Verdict:
    ending = CANDIDATE + kind.suffix
    if path.name.endswith(ending):
        target = path.with_name(path.name.removesuffix(ending) + kind.suffix)
        return _judge_candidate(path, target, kind, approval, check_mode=check_mode)
    artifact = load_existing(path, kind) if check_mode else load(path, kind)
    if artifact is None:  # an earlier task of the same play may capture it
        return Verdict(Artifact(str(path), None, None), changed=True, differences=())
    if _is_approved(artifact):
        return Verdict(artifact, changed=False, differences=())
    return Verdict(artifact if check_mode else approve(artifact, approval), changed=True, differences=())


def _is_approved(artifact: Artifact) -> bool:
    return artifact.sidecar is not None and artifact.sidecar.approval is not None


def _judge_candidate(path: Path, target: Path, kind: ArtifactKind, approval: Approval, *, check_mode: bool) -> Verdict:
    if not check_mode:
        tidy(path, kind)
    candidate, known = load_existing(path, kind), load_existing(target, kind)
    if candidate is None:
        if known is not None and _is_approved(known):  # the candidate took its place in an earlier run
            return Verdict(known, changed=False, differences=())
        if not check_mode:
            raise FabricError(Problem(ARTIFACT_MISSING, str(path)))
        return Verdict(Artifact(str(path), None, None), changed=True, differences=())
    differences = _differences(kind, known, candidate)
    approved = candidate if check_mode else _promote(candidate, target, kind, approval)
    return Verdict(approved, changed=True, differences=differences)


def _promote(candidate: Artifact, target: Path, kind: ArtifactKind, approval: Approval) -> Artifact:
    content = certain(candidate.content, "it was loaded")
    sidecar = certain(candidate.sidecar, "it was loaded")
    approved = put(target, kind, content, replace(sidecar, approval=approval))
    remove(Path(candidate.path))
    return approved
