# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Capturing artifacts: what a host or a tenant's machine yields goes into the exchange directory.

A capture reads the machine in one execution. What is new is written; what means the same as the artifact already there
is left alone, byte for byte; what differs replaces an artifact that nobody approved, and is written beside one that
somebody did, as a candidate: what was approved never changes by being captured.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from .calls import Call, Results
from .disclosure import disclosure
from .engine import MISLED, Answer, Execute, Need, failure_of, nonsense, results_of
from .exchange import (
    HELD_ALREADY,
    Artifact,
    ArtifactKind,
    artifact_path,
    candidate_path,
    fingerprint,
    held,
    load_existing,
    other_holders,
    save,
    tidy,
)
from .problems import FabricError, Kind, Owner, Problem
from .rendering import render
from .resource import Item, Option
from .texts import check_texts

CAPTURE_FAILED = Kind(
    "GF-CAP-001",
    Owner.CONTROLLER,
    "could not be captured",
    "read the message, put right what it names, and run again; nothing was written",
)


class Status(Enum):
    """How a captured artifact relates to the one in the exchange directory."""

    NEW = "new"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    CANDIDATE = "candidate"


@dataclass(frozen=True)
class Captured:
    """Content for an artifact of that kind and name."""

    kind: ArtifactKind
    name: str
    content: bytes


Existing: TypeAlias = Mapping[tuple[str, str], Artifact]
"""Artifacts already in the exchange directory, by folder of their kind and name."""


@dataclass(frozen=True)
class Capture:
    """What a capture module is.

    targets(config): kind and name of every artifact it may make.
    observe(config): reading calls.
    require(results, config): what has to be so first. A run fails on it, a check mode run only warns.
    produce(results, config, existing): calls that make artifacts that are lacking; they leave the machine as it is.
    read(results, config): the artifacts found in the results of both. Raises FabricError for results that hold none.
    """

    name: str
    owner: Owner
    options: tuple[Option, ...]
    targets: Callable[[Item], Sequence[tuple[ArtifactKind, str]]]
    observe: Callable[[Item], Sequence[Call]]
    read: Callable[[Results, Item], Sequence[Captured]]
    require: Callable[[Results, Item], Sequence[Problem]] = lambda _results, _config: ()
    produce: Callable[[Results, Item, Existing], Sequence[Call]] = lambda _results, _config, _existing: ()


@dataclass(frozen=True)
class Filed:
    """An artifact and what became of it."""

    artifact: Artifact
    kind: ArtifactKind
    status: Status


@dataclass(frozen=True)
class CaptureRequest:
    """What a capture task asks for. `now` is ISO 8601, UTC."""

    config: Item
    exchange: str
    thing: str
    now: str
    check_mode: bool = False


@dataclass(frozen=True)
class CaptureReport:
    """What a capture did, or would do."""

    filed: tuple[Filed, ...]
    commands: tuple[str, ...]
    changed: bool
    warnings: tuple[str, ...] = ()


def file_captured(captured: Captured, request: CaptureRequest, existing: Existing) -> Filed:
    """Put what was captured where it belongs, beside what is `existing` there; only say where in check mode.

    Raises FabricError for content that is not of its kind, and where it cannot be written.
    """
    path = artifact_path(request.exchange, captured.kind, captured.name)
    print_ = fingerprint(captured.kind, captured.content, f"{captured.kind.folder} of {request.thing}")
    if request.check_mode:
        return _filed(captured, request, existing, print_)
    with held(path.parent):
        tidy(path, captured.kind)
        tidy(candidate_path(path, captured.kind), captured.kind)
        return _filed(captured, request, existing, print_)


def _filed(captured: Captured, request: CaptureRequest, existing: Existing, print_: str) -> Filed:
    path = artifact_path(request.exchange, captured.kind, captured.name)
    candidate = candidate_path(path, captured.kind)
    known = load_existing(path, captured.kind)
    if known is not None and (captured.kind.folder, captured.name) not in existing:
        # Another run captured it at the same time. Who has read it already must not find another one in its place.
        return Filed(known, captured.kind, Status.UNCHANGED)
    for artifact in (known, load_existing(candidate, captured.kind)):
        if artifact is not None and artifact.sidecar is not None and artifact.sidecar.fingerprint == print_:
            return Filed(artifact, captured.kind, Status.UNCHANGED)
    if captured.kind.unique and (others := other_holders(path, captured.kind, print_)):
        raise FabricError(Problem(HELD_ALREADY, f"what {request.thing} gave as {path.name}", ", ".join(others)))
    if known is None:
        target, status = path, Status.NEW
    elif known.sidecar is None or known.sidecar.approval is None:
        target, status = path, Status.REPLACED
    else:
        target, status = candidate, Status.CANDIDATE
    if request.check_mode:
        return Filed(Artifact(str(target), captured.content, None), captured.kind, status)
    return Filed(save(target, captured.kind, captured.content, request.thing, request.now), captured.kind, status)


def _run(capture: Capture, request: CaptureRequest, calls: Sequence[Call]) -> Generator[Need, Answer, Results]:
    answer = yield Execute(tuple(calls))
    results = results_of(answer, calls, request.thing)
    failed = failure_of(calls, results)
    if failed is not None:
        raise FabricError(Problem(CAPTURE_FAILED, f"{capture.name} on {request.thing}", failed))
    return results


def _ahead(capture: Capture, request: CaptureRequest, results: Results) -> tuple[str, ...]:
    """Return what an earlier task of the same play may still see to, as warnings. Raises FabricError in a real run."""
    unmet = capture.require(results, request.config)
    if unmet and not request.check_mode:
        raise FabricError(*unmet)
    return tuple(f"{problem} (check mode goes on)" for problem in unmet)


def capturing(capture: Capture, request: CaptureRequest) -> Generator[Need, Answer, CaptureReport]:
    """Capture, and file what was captured. One execution; a second one where something has to be made first.

    In check mode a machine that cannot be read yet is no failure: an earlier task of the same play may prepare it.
    Raises FabricError.
    """
    shown = disclosure(capture.options, [request.config])
    try:
        report = yield from _capturing(capture, request)
    except FabricError as error:
        raise error.reworded(shown.message) from None
    except MISLED as error:
        raise nonsense(error, request.thing).reworded(shown.message) from None
    return replace(report, warnings=tuple(shown.message(line) for line in report.warnings))


def _capturing(capture: Capture, request: CaptureRequest) -> Generator[Need, Answer, CaptureReport]:
    check_texts(capture.name, capture.options, [request.config])
    existing: dict[tuple[str, str], Artifact] = {}
    for kind, name in capture.targets(request.config):
        artifact = load_existing(artifact_path(request.exchange, kind, name), kind)
        if artifact is not None:
            existing[kind.folder, name] = artifact
    try:
        results = yield from _run(capture, request, capture.observe(request.config))
        ahead = _ahead(capture, request, results)
        making = tuple(capture.produce(results, request.config, existing))
        if making and request.check_mode:
            return _foreseen(capture, request, existing, commands=tuple(render(making)), warnings=ahead)
        if making:
            made = yield from _run(capture, request, making)
            results = Results({**results.outcomes, **made.outcomes})
        captured = capture.read(results, request.config)
    except FabricError as error:
        if not request.check_mode:
            raise
        return _foreseen(capture, request, existing, warnings=(f"{error} (check mode goes on)",))
    found = {(item.kind.folder, item.name) for item in captured}
    left = tuple(filed for filed in _left(capture, request, existing) if _key(filed) not in found)
    filed = (*(file_captured(item, request, existing) for item in captured), *left)
    changed = any(item.status is not Status.UNCHANGED for item in filed)
    return CaptureReport(filed, tuple(render(making)), changed=changed)


def _key(filed: Filed) -> tuple[str, str]:
    return filed.kind.folder, filed.artifact.name.removesuffix(filed.kind.suffix)


def _left(capture: Capture, request: CaptureRequest, existing: Existing) -> Iterator[Filed]:
    """Go through the artifacts that are there and may stay as they are."""
    for kind, name in capture.targets(request.config):
        if (kind.folder, name) in existing:
            yield Filed(existing[kind.folder, name], kind, Status.UNCHANGED)


def _foreseen(
    capture: Capture,
    request: CaptureRequest,
    existing: Existing,
    commands: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> CaptureReport:
    """Report what can be known without capturing: which artifacts are not there yet, and what would be run."""
    coming = tuple(
        Filed(Artifact(str(artifact_path(request.exchange, kind, name)), None, None), kind, Status.NEW)
        for kind, name in capture.targets(request.config)
        if (kind.folder, name) not in existing
    )
    filed = (*coming, *_left(capture, request, existing))
    return CaptureReport(filed, commands, changed=bool(coming or commands), warnings=warnings)
