# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exchange directory: what crosses the boundary between two trust domains, one file per artifact.

Beside each artifact lies a sidecar that says where it came from, when, its SHA-256, and who approved it. An artifact
whose sidecar does not match it is refused.

Both are written whole under names of their own that begin with a dot, and then renamed, the artifact first. A writer
that dies between the two renames has left the sidecar under its other name: readers take it from there, and the next
writer puts it where it belongs. Writers keep each other out of a folder with `held`; readers need no lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from . import plain_files
from .problems import FabricError, Kind, Owner, Problem

MAXIMUM_SIZE = 8 * 1024 * 1024
SIDECAR_SUFFIX = ".sidecar.json"
LOCK = ".lock"
"""The file in each folder that a writer locks."""
PATIENCE_SECONDS = 60.0
"""How long a writer waits for another one; each needs a fraction of a second for an artifact."""
_PAUSE_SECONDS = 0.02
LONGEST_SIDECAR = 64 * 1024
"""Bytes. One is about half a KiB; the reason of an approval is text of its own length."""
CANDIDATE = ".candidate"
"""Between an artifact's name and its ending: captured, different from the one in use."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""What Windows opens as a device, with whatever ending: the directory may be looked at from there."""

NAME_UNSAFE = Kind(
    "GF-EXC-001",
    Owner.CONTROLLER,
    "is no name for a file in the exchange directory",
    f"use letters, digits, dots, hyphens and underscores, 100 at most, none of Windows' device names, no {CANDIDATE}",
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
FOLDER_HELD = Kind(
    "GF-EXC-008",
    Owner.CONTROLLER,
    "cannot be locked for writing",
    f"wait for the run that writes there, or let this user write to the folder and to the file {LOCK} in it",
)
NOT_PLAIN = Kind(
    "GF-EXC-009",
    Owner.CONTROLLER,
    "is no file, or lies in a folder that is none",
    "find out who put it there; neither artifacts nor their folders may be links",
)
HELD_ALREADY = Kind(
    "GF-EXC-010",
    Owner.FABRIC,
    "is there under another name already, and no two machines have the same",
    "find out which machine it belongs to; remove the other artifact with its sidecar if that machine is gone",
)


@dataclass(frozen=True)
class ArtifactKind:
    """A kind of artifact: its folder below the exchange directory, its file ending, and how two of them compare.

    `fingerprint` maps content to a text that stays the same while the artifact means the same (two boot logs of an
    unchanged machine differ in their bytes); it raises ValueError for content that is not of this kind. Of a
    `unique` kind no two names hold what has one fingerprint.
    """

    folder: str
    suffix: str
    fingerprint: Callable[[bytes], str]
    unique: bool = False


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


def is_name(name: str) -> bool:
    """Whether an artifact can have that name: it leaves no folder, and is a file's name on Windows too."""
    unsafe = not _NAME.fullmatch(name) or ".." in name or _DEVICE.fullmatch(name)
    return not unsafe and not name.lower().endswith(CANDIDATE)


def artifact_path(exchange: str, kind: ArtifactKind, name: str) -> Path:
    """Return where an artifact of that name lies. Raises FabricError for a name that could leave the folder."""
    if not is_name(name):
        raise FabricError(Problem(NAME_UNSAFE, repr(name)))
    return Path(exchange) / kind.folder / (name + kind.suffix)


def candidate_path(artifact: Path, kind: ArtifactKind) -> Path:
    """Return where what differs from an artifact lies until somebody approves it."""
    return artifact.with_name(artifact.name.removesuffix(kind.suffix) + CANDIDATE + kind.suffix)


def fingerprint(kind: ArtifactKind, content: bytes, thing: str) -> str:
    """Return the fingerprint of content. Raises FabricError where it is not of this kind."""
    try:
        return kind.fingerprint(content)
    except ValueError as error:
        raise FabricError(Problem(NOT_OF_ITS_KIND, thing, str(error))) from error


def _sidecar_path(path: Path) -> Path:
    return path.with_name(path.name + SIDECAR_SUFFIX)


def _coming(path: Path) -> Path:
    """Return where a file is written before it is renamed."""
    return path.with_name(f".{path.name}.new")


def _text(path: Path) -> bytes | None:
    try:
        return plain_files.read(path, LONGEST_SIDECAR)
    except OSError:
        return None


def _parsed(text: bytes | None) -> Sidecar | None:
    try:
        data = json.loads(text or b"")
        given = data.pop("approval", None)
        approval = Approval(**given) if given else None
        sidecar = Sidecar(**data, approval=approval)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    values = [*data.values(), *(given or {}).values()]
    return sidecar if all(isinstance(value, str) for value in values) else None


@dataclass(frozen=True)
class _Found:
    """What lies there: an artifact, the text of its sidecar, and of one that is not in its place yet."""

    content: bytes = field(repr=False)
    sidecar: bytes | None
    coming: bytes | None

    def matching(self, kind: str) -> Sidecar | None:
        """Return the sidecar that belongs to the artifact."""
        sha256 = hashlib.sha256(self.content).hexdigest()
        sidecars = (_parsed(self.sidecar), _parsed(self.coming))
        return next((item for item in sidecars if item and (item.sha256, item.kind) == (sha256, kind)), None)


def _find(path: Path) -> _Found:
    try:
        content = plain_files.read(path, MAXIMUM_SIZE + 1)
    except plain_files.NotPlainError as error:
        raise FabricError(Problem(NOT_PLAIN, str(path), error.strerror or "")) from error
    except OSError as error:
        raise FabricError(Problem(ARTIFACT_MISSING, str(path), error.strerror or "")) from error
    if len(content) > MAXIMUM_SIZE:
        raise FabricError(Problem(TOO_LARGE, str(path)))
    return _Found(content, _text(_sidecar_path(path)), _text(_coming(_sidecar_path(path))))


def load(path: Path, kind: ArtifactKind) -> Artifact:
    """Read an artifact and its sidecar. Raises FabricError where one is missing or they do not belong together."""
    found, before = _find(path), None
    # A writer may have renamed both between two readings; what does not match and stays as it is never will.
    while (sidecar := found.matching(kind.folder)) is None and found != before:
        before, found = found, _find(path)
    if sidecar is None:
        problem = ARTIFACT_ALTERED if _parsed(found.sidecar) else SIDECAR_MISSING
        raise FabricError(Problem(problem, str(path)))
    fingerprint(kind, found.content, str(path))
    return Artifact(str(path), found.content, sidecar)


def load_existing(path: Path, kind: ArtifactKind) -> Artifact | None:
    """Read an artifact as `load` does; None where there is none."""
    try:
        return load(path, kind)
    except FabricError as error:
        if error.problems[0].kind is ARTIFACT_MISSING:
            return None
        raise


def in_use(exchange: str, kind: ArtifactKind) -> Iterator[tuple[str, Artifact]]:
    """Go through the artifacts of a kind by name, candidates left out. Raises FabricError for one that is damaged."""
    for path in sorted((Path(exchange) / kind.folder).glob(f"[!.]*{kind.suffix}")):
        name = path.name.removesuffix(kind.suffix)
        if not name.endswith(CANDIDATE):
            yield name, load(path, kind)


def other_holders(path: Path, kind: ArtifactKind, print_: str) -> list[str]:
    """Return the other artifacts of the folder that have a fingerprint, by file name; its own candidate is not one."""
    own = {_sidecar_path(path), _sidecar_path(candidate_path(path, kind))}
    found = []
    for sidecar in path.parent.glob(f"*{kind.suffix}{SIDECAR_SUFFIX}"):
        text = _text(sidecar) or b""
        # Looked for before it is parsed: a folder holds the sidecars of every host there is.
        parsed = _parsed(text) if sidecar not in own and print_.encode() in text else None
        if parsed is not None and parsed.fingerprint == print_:
            found.append(sidecar.name.removesuffix(SIDECAR_SUFFIX))
    return sorted(found)


def require_approval(artifact: Artifact) -> None:
    """Raise FabricError for an artifact that nobody approved."""
    if artifact.sidecar is not None and artifact.sidecar.approval is None:
        raise FabricError(Problem(NOT_APPROVED, artifact.path, f"captured from {artifact.sidecar.source}"))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs from writing to a folder. Raises FabricError where one goes on doing so for PATIENCE_SECONDS.

    The kernel lets go of the lock when its process ends, however it ends.
    """
    if folder.is_symlink():
        raise FabricError(Problem(NOT_PLAIN, str(folder)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise FabricError(Problem(FOLDER_HELD, str(folder), error.strerror or "")) from error
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _locked(handle, folder):
            if time.monotonic() > deadline:
                raise FabricError(Problem(FOLDER_HELD, str(folder), "another run writes there"))
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(handle)


def _locked(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FabricError(Problem(FOLDER_HELD, str(folder), error.strerror or "")) from error
    return True


def tidy(path: Path, kind: ArtifactKind) -> None:
    """Finish, or clear away, what a writer of this artifact that was killed has left. The folder has to be `held`."""
    sidecar = _sidecar_path(path)
    with suppress(FabricError):
        found = _find(path)
        at_its_place = replace(found, coming=None).matching(kind.folder)
        if at_its_place is None and found.matching(kind.folder) is not None:
            _coming(sidecar).replace(sidecar)
    _coming(sidecar).unlink(missing_ok=True)
    _coming(path).unlink(missing_ok=True)
    if not path.exists():
        sidecar.unlink(missing_ok=True)


def _prepare(path: Path, content: bytes) -> None:
    """Write a file under the name from which it can be renamed."""
    try:
        plain_files.make(_coming(path), content)
    except plain_files.NotPlainError as error:
        raise FabricError(Problem(NOT_PLAIN, str(path), error.strerror or "")) from error


def _prepare_sidecar(path: Path, sidecar: Sidecar) -> Path:
    data: Mapping[str, object] = asdict(sidecar)
    target = _sidecar_path(path)
    _prepare(target, (json.dumps(data, indent=2) + "\n").encode())
    return target


def save(path: Path, kind: ArtifactKind, content: bytes, source: str, captured: str) -> Artifact:
    """Write an artifact and its sidecar, not approved. The folder has to be `held`."""
    sidecar = Sidecar(
        kind=kind.folder,
        source=source,
        captured=captured,
        sha256=hashlib.sha256(content).hexdigest(),
        fingerprint=fingerprint(kind, content, str(path)),
    )
    return put(path, kind, content, sidecar)


def put(path: Path, kind: ArtifactKind, content: bytes, sidecar: Sidecar) -> Artifact:
    """Write an artifact and the sidecar that belongs to it. The folder has to be `held`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tidy(path, kind)
    try:
        _prepare(path, content)
        target = _prepare_sidecar(path, sidecar)
        _coming(path).replace(path)
        _coming(target).replace(target)
    except BaseException:
        tidy(path, kind)
        raise
    return Artifact(str(path), content, sidecar)


def approve(artifact: Artifact, approval: Approval) -> Artifact:
    """Record who approved an artifact. The folder has to be `held`."""
    if artifact.sidecar is None:
        raise FabricError(Problem(SIDECAR_MISSING, artifact.path))
    sidecar = replace(artifact.sidecar, approval=approval)
    target = _prepare_sidecar(Path(artifact.path), sidecar)
    _coming(target).replace(target)
    return replace(artifact, sidecar=sidecar)


def remove(path: Path) -> None:
    """Remove an artifact and its sidecar. The folder has to be `held`."""
    # In this order: a sidecar alone is cleared away, an artifact alone has no known origin and stops every run.
    path.unlink(missing_ok=True)
    _sidecar_path(path).unlink(missing_ok=True)
