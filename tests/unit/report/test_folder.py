# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of runs: whatever ends a writer, the latest run is a whole one."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.bench.example_run import example
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import folder as runs

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import Run

RUN = example(3, 3)
NAMES = {"findings.json", "report.html", "junit.xml", "guarded_fabric.prom", "findings.sarif"}


def at(moment: str) -> Run:
    return replace(RUN, finished=moment)


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_run_is_kept_and_is_the_latest(tmp_path: Path) -> None:
    with runs.held(tmp_path / "runs"):
        made = runs.write(tmp_path / "runs", RUN, runs.files(RUN))
    assert made.name == "20261124T020330Z"
    assert {path.name for path in (tmp_path / "runs" / "latest").iterdir()} == NAMES
    last = runs.last(tmp_path / "runs")
    assert last is not None
    assert last["finished"] == RUN.finished


def test_before_the_first_there_is_none(tmp_path: Path) -> None:
    assert runs.last(tmp_path) is None


def test_what_is_no_run_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "findings.json").write_bytes(b"\xff")
    with pytest.raises(FabricError, match="GF-WAT-001"):
        runs.last(tmp_path)


def test_a_clock_that_was_set_back_loses_no_run(tmp_path: Path) -> None:
    runs.write(tmp_path, at("2026-11-24T02:03:30+00:00"), {"findings.json": b"first"})
    runs.write(tmp_path, at("2026-11-24T02:03:30+00:00"), {"findings.json": b"second"})
    runs.write(tmp_path, at("2026-11-23T02:03:30+00:00"), {"findings.json": b"third"})
    assert kept(tmp_path) == ["20261123T020330Z", "20261124T020330Z", "20261124T020330Z-2", "latest"]
    assert (tmp_path / "latest" / "findings.json").read_bytes() == b"third"


def test_names_are_in_utc(tmp_path: Path) -> None:
    made = runs.write(tmp_path, at("2026-11-24T00:30:00+02:00"), {})
    assert made.name == "20261123T223000Z"


def test_old_runs_go_and_the_latest_stays(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        runs.write(tmp_path, at(f"2026-11-0{day}T00:00:00+00:00"), {})
    runs.write(tmp_path, at("2026-10-01T00:00:00+00:00"), {})
    (tmp_path / "notes").mkdir()
    removed = runs.prune(tmp_path, dt.datetime(2026, 11, 3, tzinfo=dt.UTC))
    assert [path.name for path in removed] == ["20261101T000000Z", "20261102T000000Z"]
    assert kept(tmp_path) == ["20261001T000000Z", "20261103T000000Z", "latest", "notes"]


def test_two_checks_do_not_write_at_once(tmp_path: Path) -> None:
    with runs.held(tmp_path), pytest.raises(FabricError, match="GF-WAT-006"), runs.held(tmp_path):
        pass
    with runs.held(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FabricError, match="GF-WAT-007"), runs.held(tmp_path / "file" / "runs"):
        pass
    with pytest.raises(FabricError, match="GF-WAT-007"):
        runs.write(tmp_path / "file", RUN, {})


WRITER = """
import os, sys
from pathlib import Path
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import folder
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import Run

left = int(sys.argv[2])

def killing(event, arguments):
    # Every step that the file system sees is an audit event: the writer dies before one of them.
    global left
    if event in ("open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)

run = Run("2026-11-25T02:00:00+00:00", "2026-11-25T02:03:30+00:00")
contents = {"findings.json": b"new", "report.html": b"new"}
sys.addaudithook(killing)
folder.write(Path(sys.argv[1]), run, contents)
"""


def killed_at(folder: Path, step: int) -> bool:
    done = subprocess.run([sys.executable, "-c", WRITER, str(folder), str(step)], check=False)
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


def test_a_writer_killed_at_any_step_leaves_a_whole_run(tmp_path: Path) -> None:
    runs.write(tmp_path, RUN, {"findings.json": b"old", "report.html": b"old"})
    kills = 0
    while killed_at(tmp_path, kills):
        found = {path.read_bytes() for path in (tmp_path / "latest").iterdir()}
        assert len(found) == 1
        assert len(list((tmp_path / "latest").iterdir())) == 2
        kills += 1
    assert kills > 5
    assert {path.read_bytes() for path in (tmp_path / "latest").iterdir()} == {b"new"}
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_files_are_what_their_names_say() -> None:
    contents = runs.files(RUN)
    assert set(contents) == NAMES
    assert json.loads(contents["findings.sarif"])["version"] == "2.1.0"
