# SPDX-License-Identifier: GPL-3.0-or-later
"""Every parser, given what it does not expect; `make fuzz` does so with 100,000 inputs for each, led by coverage."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.tests.fuzz.campaign import inputs, run
from ansible_collections.guarded.fabric.tests.fuzz.judgement import MisbehaviourError, judge
from ansible_collections.guarded.fabric.tests.fuzz.targets import TARGETS, Target
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

each_parser = pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target.name))


@each_parser
def test_seeds_are_inputs_that_the_parser_takes(target: Target) -> None:
    """A regression is one that it once got wrong, and need not take."""
    for path in sorted((target.folder / target.name).iterdir()):
        cost = judge(target, path.read_bytes(), is_memory_counted=True)
        assert cost.taken or path.name.startswith("regression-"), path


@each_parser
@given(number=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_only_format_error_escapes_at_a_cost_that_the_size_bounds(target: Target, number: int) -> None:
    judge(target, next(inputs(target, target.seeds(), Random(number))), is_memory_counted=number % 4 == 0)  # noqa: S311


def _raises(error: Exception) -> Target:
    def parse(_data: bytes) -> None:
        raise error

    return Target("a parser", parse)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (_raises(IndexError("no such")), "IndexError: no such"),
        (_raises(FormatError("a thing", "another", 6)), "offset 6 of an input of 5 bytes"),
        (_raises(FormatError("a thing", "")), "does not say what was expected"),
        (Target("slow", lambda _data: [hash(str(n)) for n in range(3_000_000)]), "5 bytes took"),
    ],
)
def test_what_a_parser_must_not_do_is_found(target: Target, told: str) -> None:
    with pytest.raises(MisbehaviourError, match=told):
        judge(target, b"input", is_memory_counted=False)


def test_memory_out_of_proportion_is_found() -> None:
    with pytest.raises(MisbehaviourError, match="KiB of memory"):
        judge(Target("large", lambda _data: bytes(1 << 24)), b"input", is_memory_counted=True)


def test_a_fault_behind_conditions_is_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.guarded.fabric.tests.fuzz.coverage._FOLDER", str(tmp_path))
    source = tmp_path / "parser.py"
    # One condition a line: an input that meets one is kept, and one of its mutations meets the next.
    source.write_text(
        "def parse(data):\n"
        "    if data[0:1] == b'\\x80':\n"
        "        if data[1:2] == b'\\x10':\n"
        "            raise IndexError\n"
    )
    names: dict[str, object] = {}
    exec(compile(source.read_text(), str(source), "exec"), names)  # noqa: S102 - the program above
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "seed").write_bytes(b"abcd")
    parse = names["parse"]
    assert callable(parse)
    target = Target("hidden", parse, folder=tmp_path)
    report = run(target, 5_000, seed=1)
    ((path, error),) = report.failures.items()
    assert (error, path.read_bytes()[:2]) == ("IndexError: ", b"\x80\x10")
    assert path.name.startswith("regression-")
