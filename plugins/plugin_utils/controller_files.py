# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that name a file of the controller: the file takes the place of its path before anything is planned."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .calls import File
from .exchange import ARTIFACT_MISSING, Artifact, ArtifactKind, load, require_approval
from .problems import FabricError, Kind, Owner, Problem
from .texts import check_texts
from .windows_values import texts

if TYPE_CHECKING:
    from .resource import Item, Option

MAXIMUM_SIZE = 1024 * 1024
_ARMOUR = (b"-----BEGIN PKCS12-----", b"-----END PKCS12-----")
"""The label is that of GnuTLS' certtool."""

FILE_UNREADABLE = Kind(
    "GF-FIL-001",
    Owner.CONTROLLER,
    "cannot be read",
    "put the file there, or correct the path; a relative one is searched as the copy module does",
)
FILE_TOO_LARGE = Kind(
    "GF-FIL-002",
    Owner.CONTROLLER,
    "is larger than any file this is meant for",
    "look at what the path names",
)

Find = Callable[[str], str]
"""Returns the absolute path of a file that a task names; OSError where there is none."""


def _artifact(path: str, kind: ArtifactKind, *, approval: bool, ahead: bool) -> Artifact:
    try:
        artifact = load(Path(path), kind)
    except FabricError as error:
        if ahead and error.problems[0].kind is ARTIFACT_MISSING:
            return Artifact(path, None, None)
        raise
    if approval and not ahead:
        require_approval(artifact)
    return artifact


def _file(path: str, find: Find) -> File:
    try:
        with Path(find(path)).open("rb") as file:
            content = file.read(MAXIMUM_SIZE + 1)
    except OSError as error:
        raise FabricError(Problem(FILE_UNREADABLE, path, error.strerror or str(error))) from error
    if len(content) > MAXIMUM_SIZE:
        raise FabricError(Problem(FILE_TOO_LARGE, path))
    return _without_armour(File(content, Path(path).name))


def _without_armour(file: File) -> File:
    """Return a PFX that is written as text as what it is: AWX keeps and hands over nothing but text."""
    text = file.content.strip()
    if not (text.startswith(_ARMOUR[0]) and text.endswith(_ARMOUR[1])):
        return file
    try:
        content = base64.b64decode(b"".join(text[len(_ARMOUR[0]) : -len(_ARMOUR[1])].split()), validate=True)
    except ValueError as error:
        raise FabricError(Problem(FILE_UNREADABLE, file.name, f"no base64: {error}")) from error
    return File(content, f"{file.name}.pfx")


def with_files(options: Sequence[Option], config: Sequence[Item], find: Find, *, ahead: bool) -> list[Item]:
    """Return config with an Artifact or a File in place of each path that names one.

    `ahead` takes an artifact that is not there or not approved as coming: an earlier task of the same play may capture
    and approve it. Raises FabricError.
    """
    check_texts("config", options, config)
    loaded: list[Item] = []
    for item in config:
        files: dict[str, object] = {}
        for option in options:
            path = item.get(option.name)
            if path is None:
                continue
            if option.artifact is not None:
                files[option.name] = _artifact(str(path), option.artifact, approval=option.approval, ahead=ahead)
            elif option.file and option.type == "list":
                files[option.name] = [_file(name, find) for name in texts(path)]
            elif option.file:
                files[option.name] = _file(str(path), find)
        loaded.append({**item, **files})
    return loaded


def unapproved(options: Sequence[Option], config: Sequence[Item]) -> list[Problem]:
    """Return the problem of each artifact in `config` that has to be approved and is not."""
    found: list[Problem] = []
    for option in options:
        artifacts = (item.get(option.name) for item in config) if option.approval else ()
        for artifact in artifacts:
            if isinstance(artifact, Artifact):
                try:
                    require_approval(artifact)
                except FabricError as error:
                    found.extend(error.problems)
    return found
