# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exchange directory: what crosses the boundary between two trust domains, one file per artifact.

Beside each artifact lies a sidecar that says where it came from, when, its SHA-256, and who approved it. An artifact
whose sidecar does not match it is refused. Files are written to a temporary name and renamed, so that a reader sees the
old content or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .problems import FabricError, Kind, Owner, Problem

MAXIMUM_SIZE = 8 * 1024 * 1024
SIDECAR_SUFFIX = ".sidecar.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

NAME_UNSAFE = Kind(
    "GF-EXC-001",
    Owner.CONTROLLER,
    "is no name for a file in the exchange directory",
    "use letters, digits, dots, hyphens and underscores, 100 at most, starting with a letter or digit",
)
ARTIFACT_MISSING = Kind(
    "GF-EXC-002",
    Owner.CONTROLLER,
    "is not in the exchange directory",
    "capture it first, or fetch the exchange directory of the domain that made it",
)
SIDECAR_MISSING = Kind(
    "GF-EXC-003",
    Owner.CONTROLLER,
    "has no readable sidecar",
    "capture the artifact again; an artifact without a sidecar has no known origin",
)
ARTIFACT_ALTERED = Kind(
    "GF-EXC-004",
    Owner.CONTROLLER,
    "does not match the SHA-256 in its sidecar",
    "find out who changed the file, then capture it again",
)
NOT_APPROVED = Kind(
    "GF-EXC-005",
    Owner.GUARDIAN,
    "has not been approved",
    "compare it with what you expect, then approve it with the module guarded.fabric.artifact_approval",
)
TOO_LARGE = Kind(
    "GF-EXC-006",
    Owner.CONTROLLER,
    "is larger than any artifact of a guarded fabric",
    "capture it again and look at what wrote the file",
)
NOT_OF_ITS_KIND = Kind(
    "GF-EXC-007",
    Owner.FABRIC,
    "is not what its folder says",
    "capture it again on the machine it belongs to",
)


@dataclass(frozen=True)
class ArtifactKind:
    """A kind of artifact: its folder below the exchange directory, its file ending, and how two of them compare.

    `fingerprint` maps content to a text that stays the same while the artifact means the same (two boot logs of an
    unchanged machine differ in their bytes); it raises ValueError for content that is not of this kind.
    """

    folder: str
    suffix: str
    fingerprint: Callable[[bytes], str]


@dataclass(frozen=True)
class Approval:
    """Who approved an artifact, when (ISO 8601, UTC), and why."""

    by: str
    at: str
    reason: str


@dataclass(frozen=True)
class Sidecar:
    """Where an artifact came from. `captured` is ISO 8601, UTC; digests are lower-case hex."""

    kind: str
    source: str
    captured: str
    sha256: str
    fingerprint: str
    approval: Approval | None = None


@dataclass(frozen=True)
class Artifact:
    """An artifact. `content` is None where check mode looks ahead to one that is not there yet."""

    path: str
    content: bytes | None = field(repr=False)
    sidecar: Sidecar | None

    @property
    def name(self) -> str:
        """File name, as an administrator would know it."""
        return Path(self.path).name


def artifact_path(exchange: str, kind: ArtifactKind, name: str) -> Path:
    """Return where an artifact of that name lies. Raises FabricError for a name that could leave the folder."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise FabricError(Problem(NAME_UNSAFE, repr(name)))
    return Path(exchange) / kind.folder / (name + kind.suffix)


def fingerprint(kind: ArtifactKind, content: bytes, thing: str) -> str:
    """Return the fingerprint of content. Raises FabricError where it is not of this kind."""
    try:
        return kind.fingerprint(content)
    except ValueError as error:
        raise FabricError(Problem(NOT_OF_ITS_KIND, thing, str(error))) from error


def _sidecar(path: Path) -> Sidecar:
    try:
        data = json.loads((path.parent / (path.name + SIDECAR_SUFFIX)).read_text(encoding="utf-8"))
        approval = data.pop("approval", None)
        return Sidecar(**data, approval=Approval(**approval) if approval else None)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise FabricError(Problem(SIDECAR_MISSING, str(path), str(error))) from error


def load(path: Path, kind: ArtifactKind) -> Artifact:
    """Read an artifact and its sidecar. Raises FabricError where one is missing or they do not belong together."""
    try:
        with path.open("rb") as file:
            content = file.read(MAXIMUM_SIZE + 1)
    except OSError as error:
        raise FabricError(Problem(ARTIFACT_MISSING, str(path), error.strerror or "")) from error
    if len(content) > MAXIMUM_SIZE:
        raise FabricError(Problem(TOO_LARGE, str(path)))
    sidecar = _sidecar(path)
    if hashlib.sha256(content).hexdigest() != sidecar.sha256 or sidecar.kind != kind.folder:
        raise FabricError(Problem(ARTIFACT_ALTERED, str(path)))
    fingerprint(kind, content, str(path))
    return Artifact(str(path), content, sidecar)


def require_approval(artifact: Artifact) -> None:
    """Raise FabricError for an artifact that nobody approved."""
    if artifact.sidecar is not None and artifact.sidecar.approval is None:
        raise FabricError(Problem(NOT_APPROVED, artifact.path, f"captured from {artifact.sidecar.source}"))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write_sidecar(path: Path, sidecar: Sidecar) -> None:
    data: Mapping[str, object] = asdict(sidecar)
    _write(path.parent / (path.name + SIDECAR_SUFFIX), (json.dumps(data, indent=2) + "\n").encode())


def save(path: Path, kind: ArtifactKind, content: bytes, source: str, captured: str) -> Artifact:
    """Write an artifact and its sidecar, not approved.

    The artifact is renamed into place first: a run that dies between the two leaves a mismatch, which the next reader
    refuses, and never an approved sidecar beside other content.
    """
    sidecar = Sidecar(
        kind=kind.folder,
        source=source,
        captured=captured,
        sha256=hashlib.sha256(content).hexdigest(),
        fingerprint=fingerprint(kind, content, str(path)),
    )
    _write(path, content)
    _write_sidecar(path, sidecar)
    return Artifact(str(path), content, sidecar)


def approve(artifact: Artifact, approval: Approval) -> Artifact:
    """Record who approved an artifact."""
    if artifact.sidecar is None:
        raise FabricError(Problem(SIDECAR_MISSING, artifact.path))
    sidecar = replace(artifact.sidecar, approval=approval)
    _write_sidecar(Path(artifact.path), sidecar)
    return replace(artifact, sidecar=sidecar)
