# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that writes the report, as ansible-core makes its action: what it takes, keeps, and fails at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.action import drift_report

from .test_evidence_comparison import run

if TYPE_CHECKING:
    from pathlib import Path

FINE: dict[str, object] = {"resources": {}, "health": {"clock": 0.0, "restart": []}}
WAITS: dict[str, object] = {"resources": {}, "health": {"clock": 0.0, "restart": ["Windows Update"]}}


def report(
    folder: Path, result: dict[str, object] | None, *, check_mode: bool = False, **more: object
) -> dict[str, Any]:
    machines = [{"name": "hv01", "part": "host", "result": result}]
    return run(drift_report, {"folder": str(folder), "machines": machines, **more}, check_mode=check_mode)


def ids(told: dict[str, Any]) -> list[str]:
    return [item["id"] for item in told["findings"]]


def test_a_warning_is_told_and_fails_nothing(tmp_path: Path) -> None:
    told = report(tmp_path, WAITS)
    assert not told.get("failed")
    assert (told["changed"], ids(told)) == (False, ["GF-DRF-012"])
    written = json.loads((tmp_path / "latest" / "findings.json").read_text(encoding="utf-8"))
    assert written["findings"] == told["findings"]


def test_it_fails_after_the_report_is_written(tmp_path: Path) -> None:
    told = report(tmp_path, WAITS, fail_at=[{"severity": "warning"}])
    assert told["failed"]
    assert [problem["id"] for problem in told["problems"]] == ["GF-WAT-008"]
    assert "GF-DRF-012 of hv01" in told["msg"]
    assert (tmp_path / "latest" / "report.html").exists()
    assert told["summary"][1] == "findings: 1 warning; 1 new, 0 gone, 0 suppressed"


def test_the_next_run_knows_the_last(tmp_path: Path) -> None:
    first = report(tmp_path, WAITS)
    assert [item["new"] for item in first["findings"]] == [True]
    again = report(tmp_path, WAITS)
    assert [(item["new"], item["since"]) for item in again["findings"]] == [(False, first["findings"][0]["since"])]
    gone = report(tmp_path, FINE)
    assert (gone["findings"], [item["id"] for item in gone["gone"]]) == ([], ["GF-DRF-012"])
    assert report(tmp_path, FINE)["gone"] == []


def test_a_machine_that_is_not_seen_now_has_lost_no_finding(tmp_path: Path) -> None:
    report(tmp_path, WAITS)
    told = report(tmp_path, {"unreachable": True, "msg": "timed out"})
    assert (ids(told), told["gone"]) == (["GF-DRF-009"], [])
    assert told["findings"][0]["actual"] == "timed out"


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"failed": True, "msg": "no"},
        {"unreachable": True},
        {"skipped": True},
        {"resources": None},
        {"resources": "none", "health": {}},
    ],
)
def test_what_is_no_look_is_unknown_and_never_fine(tmp_path: Path, result: dict[str, object] | None) -> None:
    told = report(tmp_path, result)
    assert told["failed"]
    assert ids(told) == ["GF-DRF-009"]
    assert [machine["seen"] for machine in told["machines"]] == [False]
    assert [host["guarded"] for host in told["hosts"]] == [None]


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    told = report(tmp_path / "runs", WAITS, check_mode=True)
    assert ids(told) == ["GF-DRF-012"]
    assert not (tmp_path / "runs").exists()


def test_what_is_wrong_with_the_settings_is_said_before_anything_is_written(tmp_path: Path) -> None:
    wrong: tuple[tuple[str, dict[str, object]], ...] = (
        ("GF-WAT-005", {"fail_at": [{"severity": "severe"}]}),
        ("GF-WAT-003", {"fail_at": [{"severity": "info", "query": "[?owner=='Fabric']"}]}),
        ("GF-WAT-004", {"suppressions": [{"query": "[?owner=='fabric']"}]}),
        ("GF-WAT-009", {"started": "yesterday"}),
    )
    for problem, more in wrong:
        told = run(drift_report, {"folder": str(tmp_path / "runs"), "machines": [], **more})
        assert [item["id"] for item in told["problems"]] == [problem]
    assert not (tmp_path / "runs").exists()


def test_a_clock_that_was_set_back_makes_no_run_of_negative_length(tmp_path: Path) -> None:
    told = report(tmp_path, FINE, started="2999-01-01T00:00:00+00:00")
    assert told["started"] == told["finished"]


def test_time_without_a_zone_is_utc_and_a_leap_second_is_none(tmp_path: Path) -> None:
    assert report(tmp_path, FINE, started="2026-11-24T02:00:00")["started"] == "2026-11-24T02:00:00+00:00"
    assert report(tmp_path, FINE, started="2026-11-24T04:00:00+02:00")["started"] == "2026-11-24T02:00:00+00:00"
    assert [item["id"] for item in report(tmp_path, FINE, started="2016-12-31T23:59:60")["problems"]] == ["GF-WAT-009"]
