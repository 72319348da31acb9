# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that the bench compares invoke_cmdlets.ps1 with does the same calls, with Ansible's own C#."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.bench import host_side
from ansible_collections.guarded.fabric.bench.process_cost import BenchError

if TYPE_CHECKING:
    from pathlib import Path


def test_both_give_the_same(pwsh: Path, tmp_path: Path) -> None:
    arguments = tmp_path / "calls.json"
    arguments.write_text(json.dumps({"calls": host_side.CALLS}), encoding="utf-8")
    spent = [host_side.run(pwsh, arguments, name) for name in (host_side.OURS, host_side.USUAL)]
    ours, usual = (
        [[{name: str(value) for name, value in item.items()} for item in result["output"]] for result in results]
        for results in (json.loads(item["said"])["results"] for item in spent)
    )
    assert ours == usual
    assert all(item["cpu"] > 0 for item in spent)


def test_calls_that_fail_are_not_measured(pwsh: Path, tmp_path: Path) -> None:
    arguments = tmp_path / "calls.json"
    calls = [{**host_side.CALLS[1], "parameters": {"LiteralPath": str(tmp_path / "gone")}}]
    arguments.write_text(json.dumps({"calls": calls}), encoding="utf-8")
    with pytest.raises(BenchError):
        host_side.run(pwsh, arguments, host_side.OURS)
