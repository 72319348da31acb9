# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import (
    SIDECAR_SUFFIX,
    Approval,
    ArtifactKind,
    approve,
    artifact_path,
    load,
    require_approval,
    save,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind


def _print(content: bytes) -> str:
    if content.startswith(b"bad"):
        raise ValueError("it is bad")
    return content.decode().casefold()


NOTES = ArtifactKind("notes", ".txt", _print)
WHEN = "2026-11-24T19:00:00Z"


def kept(path: Path, content: bytes = b"Hello") -> Path:
    save(path, NOTES, content, "host01", WHEN)
    return path


def refused(path: Path) -> Kind:
    with pytest.raises(FabricError) as error:
        load(path, NOTES)
    return error.value.problems[0].kind


def test_what_is_saved_is_loaded_with_where_it_came_from(tmp_path: Path) -> None:
    artifact = load(kept(tmp_path / "notes" / "a.txt"), NOTES)
    assert (artifact.content, artifact.name) == (b"Hello", "a.txt")
    sidecar = artifact.sidecar
    assert sidecar is not None
    assert (sidecar.source, sidecar.captured, sidecar.kind, sidecar.fingerprint) == ("host01", WHEN, "notes", "hello")
    assert sidecar.approval is None


def test_content_never_shows_in_a_repr(tmp_path: Path) -> None:
    assert "Hello" not in repr(load(kept(tmp_path / "notes" / "a.txt"), NOTES))


def test_an_altered_artifact_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    path.write_bytes(b"Hello, too")
    assert refused(path) is exchange.ARTIFACT_ALTERED


def test_the_sidecar_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    sidecar = path.with_name(path.name + SIDECAR_SUFFIX)
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "kind": "others"}))
    assert refused(path) is exchange.ARTIFACT_ALTERED


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "notes", "more": 1}'])
def test_a_sidecar_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    path.with_name(path.name + SIDECAR_SUFFIX).write_text(text)
    assert refused(path) is exchange.SIDECAR_MISSING


def test_a_missing_artifact_and_a_missing_sidecar_are_told_apart(tmp_path: Path) -> None:
    assert refused(tmp_path / "notes" / "none.txt") is exchange.ARTIFACT_MISSING
    (tmp_path / "bare.txt").write_bytes(b"x")
    assert refused(tmp_path / "bare.txt") is exchange.SIDECAR_MISSING


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    with path.open("wb") as file:
        file.truncate(exchange.MAXIMUM_SIZE + 1)
    assert refused(path) is exchange.TOO_LARGE


def test_what_is_not_of_its_kind_is_never_saved(tmp_path: Path) -> None:
    with pytest.raises(FabricError) as error:
        kept(tmp_path / "notes" / "a.txt", b"bad")
    assert error.value.problems[0].kind is exchange.NOT_OF_ITS_KIND
    assert not (tmp_path / "notes").exists()


def test_nobody_approved_means_refused_and_approving_means_loaded(tmp_path: Path) -> None:
    artifact = load(kept(tmp_path / "notes" / "a.txt"), NOTES)
    with pytest.raises(FabricError) as error:
        require_approval(artifact)
    assert error.value.problems[0].kind is exchange.NOT_APPROVED
    approve(artifact, Approval("ada", WHEN, "compared"))
    again = load(Path(artifact.path), NOTES)
    require_approval(again)
    assert again.sidecar is not None
    assert again.sidecar.approval == Approval("ada", WHEN, "compared")


def test_saving_again_takes_the_approval_away(tmp_path: Path) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    approve(load(path, NOTES), Approval("ada", WHEN, "compared"))
    kept(path, b"other")
    sidecar = load(path, NOTES).sidecar
    assert sidecar is not None
    assert sidecar.approval is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "../a", ".hidden", "a" * 101, "a\n", "a b", "x..y"])
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(FabricError) as error:
        artifact_path("/exchange", NOTES, name)
    assert error.value.problems[0].kind is exchange.NAME_UNSAFE


def test_names_stay_in_their_folder() -> None:
    assert artifact_path("/exchange", NOTES, "host-01.example") == Path("/exchange/notes/host-01.example.txt")


def test_a_write_that_fails_leaves_the_old_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept(tmp_path / "notes" / "a.txt")

    def fail(_self: Path, _target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        kept(path, b"other")
    monkeypatch.undo()
    assert load(path, NOTES).content == b"Hello"
    assert sorted(item.name for item in path.parent.iterdir()) == ["a.txt", "a.txt" + SIDECAR_SUFFIX]
