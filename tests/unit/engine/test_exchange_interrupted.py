# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers of the exchange directory that are killed, and several of them at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import PLATFORM_IDENTIFIER
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import (
    Capture,
    Captured,
    CaptureRequest,
    Status,
    capturing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import (
    ARTIFACT_ALTERED,
    FOLDER_HELD,
    LOCK,
    SIDECAR_SUFFIX,
    Sidecar,
    held,
    load,
    save,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Owner

from .killed_writer import ADA, NAME, NAMESPACE, WHEN, WORKS, document
from .switches import Switch, box

IDENTIFIERS = Capture(
    name="identifiers",
    owner=Owner.FABRIC,
    options=(),
    targets=lambda _config: [(PLATFORM_IDENTIFIER, "host01")],
    observe=lambda _config: (Call("Get-Switch", id="switches", select=("Name", "Colour")),),
    read=lambda results, _config: [
        Captured(PLATFORM_IDENTIFIER, "host01", str(results.first("switches")["Colour"]).encode())
    ],
)
KILLED_WRITER = Path(__file__).with_name("killed_writer.py")


def sidecar_of(path: Path) -> Sidecar:
    sidecar = load(path, PLATFORM_IDENTIFIER).sidecar
    assert sidecar is not None
    return sidecar


@pytest.mark.parametrize("name", WORKS)
def test_a_writer_killed_in_any_step_leaves_nothing_that_a_second_run_does_not_put_right(
    name: str, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, KILLED_WRITER, name, tmp_path], check=True)
    _, work = WORKS[name]
    steps = sorted(tmp_path.iterdir(), key=lambda item: int(item.name))
    assert len(steps) > 3
    for step in steps:
        folder = step / PLATFORM_IDENTIFIER.folder
        # Nobody has to tidy up before it can be read.
        for path in folder.glob("[a-z]*.xml"):
            assert sidecar_of(path).source == "host01"
        work(folder)
        approved = [ADA] if name.startswith("approve") else [None]
        assert [sidecar_of(path).approval for path in folder.glob("[a-z]*.xml")] == approved
        assert {path.name for path in folder.iterdir()} == {NAME, NAME + SIDECAR_SUFFIX, LOCK}
        expected = document(0 if name == "approve" else 1)
        assert load(folder / NAME, PLATFORM_IDENTIFIER).content == expected


def test_what_a_killed_writer_left_does_not_vouch_for_something_else(tmp_path: Path) -> None:
    path = tmp_path / PLATFORM_IDENTIFIER.folder / NAME
    with held(path.parent):
        save(path, PLATFORM_IDENTIFIER, document(0), "host01", WHEN)
    sidecar = path.with_name(NAME + SIDECAR_SUFFIX)
    path.with_name(f".{sidecar.name}.new").write_bytes(sidecar.read_bytes())
    path.write_bytes(document(1))
    with pytest.raises(FabricError) as error:
        load(path, PLATFORM_IDENTIFIER)
    assert error.value.problems[0].kind is ARTIFACT_ALTERED


WRITER = """
import sys
from pathlib import Path
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import PLATFORM_IDENTIFIER
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import held, save
source, path = sys.argv[1], Path(sys.argv[2])
while True:
    for number in range(100):
        content = f"<PlatformIdentifiers xmlns='{sys.argv[3]}'>{source} {number}</PlatformIdentifiers>".encode()
        with held(path.parent):
            save(path, PLATFORM_IDENTIFIER, content, source, "2026-11-24T19:00:00Z")
"""


def test_of_several_runs_none_pairs_its_artifact_with_the_sidecar_of_another(tmp_path: Path) -> None:
    path = tmp_path / PLATFORM_IDENTIFIER.folder / NAME
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, name, path, NAMESPACE], stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    try:
        seen: set[str] = set()
        deadline = time.monotonic() + 20
        while seen != {"one", "two"} or time.monotonic() < deadline - 18.5:
            assert time.monotonic() < deadline
            assert [writer.poll() for writer in writers] == [None, None], [item.communicate() for item in writers]
            if path.exists():
                artifact = load(path, PLATFORM_IDENTIFIER)
                assert artifact.sidecar is not None
                assert f">{artifact.sidecar.source} ".encode() in (artifact.content or b"")
                seen.add(artifact.sidecar.source)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_whoever_waits_too_long_for_another_run_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE_SECONDS", 0.1)
    with held(tmp_path), pytest.raises(FabricError) as error, held(tmp_path):
        pass
    assert error.value.problems[0].kind is FOLDER_HELD
    assert "another run" in error.value.problems[0].detail


def test_who_may_not_write_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(FabricError) as error, held(tmp_path / "notes"):
        pass
    assert error.value.problems[0].kind is FOLDER_HELD


def test_nobody_is_approved_or_captured_while_another_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "PATIENCE_SECONDS", 0.0)
    path = tmp_path / PLATFORM_IDENTIFIER.folder / NAME
    with held(path.parent):
        save(path, PLATFORM_IDENTIFIER, document(0), "host01", WHEN)
        with pytest.raises(FabricError) as error:
            judge(path, ADA, check_mode=False)
        assert error.value.problems[0].kind is FOLDER_HELD
        assert judge(path, ADA, check_mode=True).changed
        host = box(Switch("host01", colour=document(1).decode()))
        with pytest.raises(FabricError) as error:
            host.drive(capturing(IDENTIFIERS, CaptureRequest({}, str(tmp_path), "box-1", WHEN)))
        assert error.value.problems[0].kind is FOLDER_HELD
    assert load(path, PLATFORM_IDENTIFIER).content == document(0)


def test_what_another_run_captured_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / PLATFORM_IDENTIFIER.folder / NAME
    host = box(Switch("host01", colour=document(1).decode()))
    work = capturing(IDENTIFIERS, CaptureRequest({}, str(tmp_path), "box-1", WHEN))
    answer = host._do(next(work))
    with held(path.parent):
        save(path, PLATFORM_IDENTIFIER, document(0), "the other run", WHEN)
    with pytest.raises(StopIteration) as finished:
        work.send(answer)
    report = finished.value.value
    assert (report.changed, [filed.status for filed in report.filed]) == (False, [Status.UNCHANGED])
    assert load(path, PLATFORM_IDENTIFIER).content == document(0)
