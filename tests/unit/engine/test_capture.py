# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import approval
from ansible_collections.guarded.fabric.plugins.plugin_utils import capture as capturing_module
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import FOLDER_UNKNOWN, judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import (
    Capture,
    Captured,
    CaptureReport,
    CaptureRequest,
    Existing,
    Status,
    capturing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import (
    ARTIFACT_MISSING,
    SIDECAR_SUFFIX,
    Approval,
    ArtifactKind,
    approve,
    load,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Owner

from .switches import Box, Switch, box

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

COLOUR = ArtifactKind("colours", ".txt", lambda content: content.decode().casefold())
WHEN = "2026-11-24T19:00:00Z"


def _read(results: Results, config: Item) -> list[Captured]:
    found = {str(item["Name"]): str(item["Colour"]).encode() for item in results.objects("switches")}
    return [Captured(COLOUR, str(name), found[str(name)]) for name in _names(config) if str(name) in found]


def _names(config: Item) -> list[object]:
    names = config["names"]
    assert isinstance(names, list)
    return names


def _produce(results: Results, config: Item, existing: Existing) -> list[Call]:
    there = {str(item["Name"]) for item in results.objects("switches")}
    return [
        Call("Set-Switch", {"Name": str(name), "Colour": "new"}, id=f"made-{name}")
        for name in _names(config)
        if name not in there and (COLOUR.folder, str(name)) not in existing
    ]


COLOURS = Capture(
    name="colours",
    owner=Owner.FABRIC,
    options=(),
    targets=lambda config: [(COLOUR, str(name)) for name in _names(config)],
    observe=lambda _config: (Call("Get-Switch", id="switches", select=("Name", "Colour")),),
    read=_read,
)


def run(host: Box, exchange: Path, *names: str, capture: Capture = COLOURS, check_mode: bool = False) -> CaptureReport:
    config = {"names": list(names)}
    return host.drive(capturing(capture, CaptureRequest(config, str(exchange), "box-1", WHEN, check_mode)))


def statuses(report: CaptureReport) -> list[Status]:
    return [filed.status for filed in report.filed]


def test_what_is_new_is_written_and_what_means_the_same_is_left(tmp_path: Path) -> None:
    host = box(Switch("a", colour="Red"))
    report = run(host, tmp_path, "a")
    assert (report.changed, statuses(report), len(host.executions)) == (True, [Status.NEW], 1)
    path = tmp_path / "colours" / "a.txt"
    first = path.stat()
    host.switches["a"].colour = "RED"
    report = run(host, tmp_path, "a")
    assert (report.changed, statuses(report)) == (False, [Status.UNCHANGED])
    assert path.read_bytes() == b"Red"
    assert path.stat().st_mtime_ns == first.st_mtime_ns


def test_what_differs_replaces_what_nobody_approved(tmp_path: Path) -> None:
    host = box(Switch("a", colour="red"))
    run(host, tmp_path, "a")
    host.switches["a"].colour = "blue"
    assert statuses(run(host, tmp_path, "a")) == [Status.REPLACED]
    assert load(tmp_path / "colours" / "a.txt", COLOUR).content == b"blue"


def test_what_differs_from_what_was_approved_is_a_candidate_once(tmp_path: Path) -> None:
    host = box(Switch("a", colour="red"))
    run(host, tmp_path, "a")
    path = tmp_path / "colours" / "a.txt"
    approve(load(path, COLOUR), Approval("ada", WHEN, "ok"))
    host.switches["a"].colour = "blue"
    report = run(host, tmp_path, "a")
    assert (report.changed, statuses(report)) == (True, [Status.CANDIDATE])
    assert path.read_bytes() == b"red"
    assert (tmp_path / "colours" / "a.candidate.txt").read_bytes() == b"blue"
    again = run(host, tmp_path, "a")
    assert (again.changed, statuses(again)) == (False, [Status.UNCHANGED])


def test_check_mode_writes_nothing_and_foresees_the_same(tmp_path: Path) -> None:
    host = box(Switch("a", colour="red"))
    report = run(host, tmp_path, "a", check_mode=True)
    assert (report.changed, statuses(report)) == (True, [Status.NEW])
    assert list(tmp_path.iterdir()) == []
    run(host, tmp_path, "a")
    assert run(host, tmp_path, "a", check_mode=True).changed is False


def test_a_machine_that_cannot_be_read_yet_is_a_warning_in_check_mode_only(tmp_path: Path) -> None:
    host = box(Switch("a", colour="red"), failing={"Get-Switch": "CommandNotFoundException"})
    with pytest.raises(FabricError) as error:
        run(host, tmp_path, "a")
    assert error.value.problems[0].kind is capturing_module.CAPTURE_FAILED
    report = run(host, tmp_path, "a", check_mode=True)
    assert (report.changed, statuses(report)) == (True, [Status.NEW])
    assert "Get-Switch did not like it" in report.warnings[0]


def test_what_is_lacking_is_made_in_a_second_execution(tmp_path: Path) -> None:
    making = Capture(**{**vars(COLOURS), "produce": _produce, "read": _read_made})
    host = box(Switch("a", colour="red"))
    foreseen = run(host, tmp_path, "a", "b", capture=making, check_mode=True)
    assert (foreseen.changed, host.calls["Set-Switch"]) == (True, 0)
    assert foreseen.commands == ("Set-Switch -Name 'b' -Colour 'new'",)
    host.executions.clear()
    report = run(host, tmp_path, "a", "b", capture=making)
    assert (report.commands, len(host.executions)) == (foreseen.commands, 2)
    host.executions.clear()
    again = run(host, tmp_path, "a", "b", capture=making)
    assert (again.changed, len(host.executions)) == (False, 1)


def _read_made(results: Results, config: Item) -> list[Captured]:
    made = [Captured(COLOUR, str(name), b"new") for name in _names(config) if f"made-{name}" in results]
    return [*_read(results, config), *made]


@pytest.mark.parametrize("name", ["../escape", "a/b", ""])
def test_names_cannot_leave_the_exchange(tmp_path: Path, name: str) -> None:
    with pytest.raises(FabricError):
        run(box(Switch(name)), tmp_path, name)


def test_an_artifact_outside_of_the_known_folders_cannot_be_approved(tmp_path: Path) -> None:
    run(box(Switch("a")), tmp_path, "a")
    with pytest.raises(FabricError) as error:
        judge(tmp_path / "colours" / "a.txt", Approval("ada", WHEN, "ok"), check_mode=False)
    assert error.value.problems[0].kind is FOLDER_UNKNOWN


class TestApproval:
    @pytest.fixture(autouse=True)
    def _colours_are_a_kind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(approval, "BY_FOLDER", {COLOUR.folder: COLOUR})
        monkeypatch.setattr(
            approval, "_DIFFERENCES", {COLOUR.folder: lambda old, new: [f"{old.decode()} -> {new.decode()}"]}
        )

    def test_approving_is_recorded_once(self, tmp_path: Path) -> None:
        run(box(Switch("a", colour="red")), tmp_path, "a")
        path = tmp_path / "colours" / "a.txt"
        assert judge(path, Approval("ada", WHEN, "ok"), check_mode=True).changed
        assert load(path, COLOUR).sidecar.approval is None  # type: ignore[union-attr]
        assert judge(path, Approval("ada", WHEN, "ok"), check_mode=False).changed
        assert not judge(path, Approval("bob", WHEN, "me too"), check_mode=False).changed
        assert load(path, COLOUR).sidecar.approval == Approval("ada", WHEN, "ok")  # type: ignore[union-attr]

    def test_a_candidate_takes_the_place_of_what_was_approved(self, tmp_path: Path) -> None:
        host = box(Switch("a", colour="red"))
        run(host, tmp_path, "a")
        path = tmp_path / "colours" / "a.txt"
        judge(path, Approval("ada", WHEN, "ok"), check_mode=False)
        host.switches["a"].colour = "blue"
        run(host, tmp_path, "a")
        candidate = tmp_path / "colours" / "a.candidate.txt"
        foreseen = judge(candidate, Approval("bob", WHEN, "firmware"), check_mode=True)
        assert foreseen.differences == ("red -> blue",)
        assert path.read_bytes() == b"red"
        verdict = judge(candidate, Approval("bob", WHEN, "firmware"), check_mode=False)
        assert verdict.differences == ("red -> blue",)
        approved = load(path, COLOUR)
        assert approved.content == b"blue"
        assert approved.sidecar is not None
        assert approved.sidecar.approval == Approval("bob", WHEN, "firmware")
        assert sorted(item.name for item in path.parent.glob("a*")) == ["a.txt", "a.txt" + SIDECAR_SUFFIX]

    def test_check_mode_takes_a_missing_artifact_for_one_that_comes(self, tmp_path: Path) -> None:
        path = tmp_path / "colours" / "a.txt"
        assert judge(path, Approval("ada", WHEN, "ok"), check_mode=True).changed
        with pytest.raises(FabricError) as error:
            judge(path, Approval("ada", WHEN, "ok"), check_mode=False)
        assert error.value.problems[0].kind is ARTIFACT_MISSING
