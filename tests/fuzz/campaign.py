# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzing a parser: what reaches new lines is kept and mutated further."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from .coverage import NewLines
from .judgement import MisbehaviourError, judge
from .mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .targets import Target

_COUNTED: Final = 50
"""Memory is counted for one input of so many, since counting is slow."""


@dataclass(frozen=True)
class Report:
    """What came of it: inputs tried, of them taken; the worst costs per input; what went wrong, by where it is kept."""

    target: str
    tried: int = 0
    taken: int = 0
    corpus: int = 0
    lines: float = 0
    seconds: float = 0
    peak: int = 0
    failures: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"{self.target:21} {self.tried:7} inputs, {self.taken:6} taken, {self.corpus:4} kept,"
            f" {self.lines:4.0%} of lines; at most {1000 * self.seconds:4.0f} ms, {self.peak >> 10:5} KiB each;"
            f" {len(self.failures)} wrong"
        )


def inputs(target: Target, corpus: list[bytes], pick: Random) -> Iterator[bytes]:
    """Go through mutated inputs, without end; what is added to the corpus meanwhile is mutated too."""
    while True:
        # The newest are where something is left to find.
        known = corpus[-pick.randint(1, len(corpus))]
        data = mutated(known, corpus, pick)
        yield target.repair(data) if pick.randrange(4) else data


def run(target: Target, count: int, seed: int) -> Report:
    """Try so many mutated inputs on a parser. The seeds come first and do not count."""
    pick, lines, report = Random(seed), NewLines(), Report(target.name)  # noqa: S311 - the same inputs for a seed
    corpus: list[bytes] = []
    for data in target.seeds():
        report = _tried(target, data, lines, corpus, report, is_memory_counted=True)
    report = replace(report, tried=0, taken=0)
    for data in inputs(target, corpus, pick):
        if report.tried == count:
            break
        report = _tried(target, data, lines, corpus, report, is_memory_counted=report.tried % _COUNTED == 0)
    return replace(report, corpus=len(corpus), lines=lines.reached)


def _tried(  # noqa: PLR0913 - one step of a loop over all of these
    target: Target, data: bytes, lines: NewLines, corpus: list[bytes], report: Report, *, is_memory_counted: bool
) -> Report:
    try:
        with lines:
            cost = judge(target, data, is_memory_counted=is_memory_counted)
    except MisbehaviourError as error:
        known = str(error) in report.failures.values()
        failures = report.failures if known else {**report.failures, _kept(target, data): str(error)}
        return replace(report, tried=report.tried + 1, failures=failures)
    if lines.found or not corpus:
        corpus.append(data)
    return replace(
        report,
        tried=report.tried + 1,
        taken=report.taken + cost.taken,
        seconds=report.seconds if is_memory_counted else max(report.seconds, cost.seconds),
        peak=max(report.peak, cost.peak),
    )


def _kept(target: Target, data: bytes) -> Path:
    """Keep an input that went wrong among the seeds: once the parser is right, it stays as a test."""
    path = target.folder / target.name / f"regression-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path
