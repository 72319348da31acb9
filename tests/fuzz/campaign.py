# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzing a parser: what reaches new lines is kept and mutated further."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
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
_HOPEFUL: Final = 2000
_TRACED: Final = 16
"""Tracing is slow too: after so many inputs without a new line, one of so many is traced."""


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


@dataclass
class _Search:
    """Where a campaign is: what it mutates, the lines it reached, and when it last reached a new one."""

    corpus: list[bytes] = field(default_factory=list)
    lines: NewLines = field(default_factory=NewLines)
    last_find: int = 0

    def is_traced(self, tried: int) -> bool:
        """Tell whether to look which lines an input reaches: always while there are new ones, else now and then."""
        return tried - self.last_find < _HOPEFUL or tried % _TRACED == 0


def run(target: Target, count: int, seed: int) -> Report:
    """Try so many mutated inputs on a parser. The seeds come first and do not count."""
    pick, search, report = Random(seed), _Search(), Report(target.name)  # noqa: S311 - the same inputs for a seed
    for data in target.seeds():
        report = _tried(target, data, search, report)
    report = replace(report, tried=0, taken=0)
    for data in inputs(target, search.corpus, pick):
        if report.tried == count:
            break
        report = _tried(target, data, search, report)
    return replace(report, corpus=len(search.corpus), lines=search.lines.reached)


def _tried(target: Target, data: bytes, search: _Search, report: Report) -> Report:
    counted = report.tried % _COUNTED == 0
    is_traced = not search.corpus or search.is_traced(report.tried)
    try:
        with search.lines if is_traced else nullcontext():
            cost = judge(target, data, is_memory_counted=counted)
    except MisbehaviourError as error:
        known = str(error) in report.failures.values()
        failures = report.failures if known else {**report.failures, _kept(target, data): str(error)}
        return replace(report, tried=report.tried + 1, failures=failures)
    if (is_traced and search.lines.found) or not search.corpus:
        search.corpus.append(data)
        search.last_find = report.tried
    return replace(
        report,
        tried=report.tried + 1,
        taken=report.taken + cost.taken,
        # Tracing and counting take time of their own.
        seconds=report.seconds if counted or is_traced else max(report.seconds, cost.seconds),
        peak=max(report.peak, cost.peak),
    )


def _kept(target: Target, data: bytes) -> Path:
    """Keep an input that went wrong among the seeds: once the parser is right, it stays as a test."""
    path = target.folder / target.name / f"regression-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path
