# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing an adopted fabric: artifacts into the exchange directory, then inventory and variables into a folder.

What is there and says something else is not touched: artifacts go beside it, as captures do, and a file of variables
stops the run before anything is written, unless it may be replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import plain_files
from .approval import judge
from .capture import Captured, CaptureRequest, Filed, file_captured
from .exchange import Approval, ArtifactKind, artifact_path, in_use
from .problems import FabricError, Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .adoption_model import Found, Kept

OTHER_CONTENT = Kind(
    "GF-ADO-010",
    Owner.CONTROLLER,
    "is there already and says something else",
    "compare it with what the run shows; let it be replaced (adopt_replace), or adopt into another folder",
)
UNWRITABLE = Kind(
    "GF-ADO-011",
    Owner.CONTROLLER,
    "cannot be written",
    "let the user that runs this write there",
)
UNAPPROVED = Kind(
    "GF-ADO-012",
    Owner.CONTROLLER,
    "waits for somebody to approve it; until then the rollout stops at it and the drift check cannot look at it",
    "compare it with what you expect, then approve it with the module guarded.fabric.artifact_approval, or adopt again "
    "with adopt_approved_by and adopt_approval_reason",
)
HALF_AN_APPROVAL = Kind(
    "GF-ADO-013",
    Owner.CONTROLLER,
    "says who approves and not why, or why and not who",
    "set both approved_by and approval_reason, or none of them",
)
_LARGEST_FILE = 16 * 1024 * 1024


def kept(exchange: str, kinds: Sequence[ArtifactKind]) -> Kept:
    """Return what lies in the exchange directory. Raises FabricError for what is damaged."""
    return {(kind.folder, name): artifact for kind in kinds for name, artifact in in_use(exchange, kind)}


@dataclass(frozen=True)
class Changes:
    """What becomes of files: paths below the folder that are new, or replaced."""

    new: tuple[str, ...]
    replaced: tuple[str, ...]


def compare(folder: Path, texts: Mapping[str, str], *, may_replace: bool) -> Changes:
    """Return what writing texts would change. Raises FabricError where it must not replace a file."""
    new, replaced = [], []
    for name, text in texts.items():
        there = _there(folder / name)
        if there is None:
            new.append(name)
        elif there != text.encode():
            replaced.append(name)
    if replaced and not may_replace:
        raise FabricError(*(Problem(OTHER_CONTENT, str(folder / name)) for name in replaced))
    return Changes(tuple(new), tuple(replaced))


def _there(path: Path) -> bytes | None:
    try:
        return plain_files.read(path, _LARGEST_FILE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FabricError(Problem(UNWRITABLE, str(path), error.strerror or str(error))) from error


def write(folder: Path, texts: Mapping[str, str], changes: Changes) -> None:
    """Write what changes, each file whole. Raises FabricError."""
    for name in (*changes.new, *changes.replaced):
        path = folder / name
        coming = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            plain_files.make(coming, texts[name].encode())
            coming.replace(path)
        except OSError as error:
            raise FabricError(Problem(UNWRITABLE, str(path), error.strerror or str(error))) from error


def file_artifacts(
    artifacts: Sequence[Found], exchange: str, there: Kept, now: str, *, check_mode: bool
) -> list[Filed]:
    """File artifacts as captures do; `now` is ISO 8601, UTC. Raises FabricError."""
    filed = []
    for found in artifacts:
        request = CaptureRequest(config={}, exchange=exchange, thing=found.source, now=now, check_mode=check_mode)
        filed.append(file_captured(Captured(found.kind, found.name, found.content), request, there))
    return filed


def approve(artifacts: Sequence[Found], exchange: str, approval: Approval, *, check_mode: bool) -> list[str]:
    """Approve what the fabric relies on already; return what that changed. Raises FabricError."""
    paths = [artifact_path(exchange, found.kind, found.name) for found in artifacts if found.trusted]
    return [str(path) for path in paths if judge(path, approval, check_mode=check_mode).changed]


def unapproved(artifacts: Sequence[Found], filed: Sequence[Filed]) -> list[Problem]:
    """Return what the rollout needs and nobody approved."""
    return [
        Problem(UNAPPROVED, item.artifact.path)
        for found, item in zip(artifacts, filed, strict=True)
        if found.trusted and (item.artifact.sidecar is None or item.artifact.sidecar.approval is None)
    ]
