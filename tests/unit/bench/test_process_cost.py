# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.bench import process_cost

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
WORKER = "import os, time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass"


def python(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", text, *arguments]


def test_the_time_of_children_counts(tmp_path: Path) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {WORKER!r}])"
    spent = process_cost.run(python(parent), dict(os.environ), tmp_path, "parent")
    assert spent.cpu >= 0.3
    assert spent.wall >= 0.3


def test_a_failure_is_told_with_what_was_said(tmp_path: Path) -> None:
    with pytest.raises(process_cost.BenchError, match="it broke"):
        process_cost.run(python("import sys; sys.exit('it broke')"), {}, tmp_path, "broken")


def test_memory_of_grandchildren_counts_and_that_of_the_lab_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_cost, "_SAMPLE_SECONDS", 0.05)
    hold = f"import sys; block = bytearray({64 * MIB}); print(1, flush=True); sys.stdin.read()"
    nest = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-S', '-c', {hold!r}]).returncode)"
    commands = (python(nest), python(hold))
    holders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for command in commands]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline()
        with process_cost.memory_of_children(but=holders[1].pid) as memory:
            deadline = time.monotonic() + 10
            while memory.most < 64 * MIB and time.monotonic() < deadline:
                time.sleep(0.02)
    finally:
        for holder in holders:
            holder.communicate()
    assert 64 * MIB <= memory.most < 128 * MIB
    assert memory.processes >= 2


def test_the_lab_s_time_and_memory_are_read_while_it_runs() -> None:
    assert 0 < process_cost.cpu_seconds(os.getpid()) <= time.process_time() + 0.1
    assert process_cost.largest_resident(os.getpid()) > 8 * MIB


def test_what_is_kept_apart_shares_no_processor() -> None:
    whole = os.sched_getaffinity(0)
    if len(whole) == 1:
        pytest.skip("there is one processor")
    look = [sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as lab:
        with process_cost.apart(lab.pid):
            the_lab_s = os.sched_getaffinity(lab.pid)
            started = set(json.loads(subprocess.run(look, capture_output=True, check=True).stdout))
        assert os.sched_getaffinity(lab.pid) == os.sched_getaffinity(0) == whole
        lab.communicate(b"\n")
    assert the_lab_s
    assert started == whole - the_lab_s
