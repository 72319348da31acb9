# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import controller_files, exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
from ansible_collections.guarded.fabric.plugins.plugin_utils.controller_files import unapproved, with_files
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval, Artifact, ArtifactKind
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option, Role

if TYPE_CHECKING:
    from pathlib import Path

NOTES = ArtifactKind("notes", ".txt", lambda content: content.decode())
OPTIONS = (
    Option("name", Role.KEY),
    Option("path", Role.INPUT, type="path", artifact=NOTES, approval=True),
    Option("free", Role.INPUT, type="path", artifact=NOTES),
    Option("file", Role.INPUT, type="path", file=True),
)
WHEN = "2026-11-24T19:00:00Z"


def loaded(item: Item, *, ahead: bool = False) -> Item:
    (result,) = with_files(OPTIONS, [item], str, ahead=ahead)
    return result


def refused(item: Item, *, ahead: bool = False) -> object:
    with pytest.raises(FabricError) as error:
        loaded(item, ahead=ahead)
    return error.value.problems[0].kind


def test_files_take_the_place_of_their_paths(tmp_path: Path) -> None:
    exchange.save(tmp_path / "notes" / "a.txt", NOTES, b"a note", "host01", WHEN)
    (tmp_path / "b.pfx").write_bytes(b"a key")
    item = {"name": "x", "free": str(tmp_path / "notes" / "a.txt"), "file": str(tmp_path / "b.pfx"), "path": None}
    result = loaded(item)
    assert isinstance(result["free"], Artifact)
    assert result["free"].content == b"a note"
    assert result["file"] == File(b"a key", "b.pfx")
    assert (result["name"], result["path"]) == ("x", None)


def test_an_artifact_that_needs_approval_is_refused_without(tmp_path: Path) -> None:
    path = tmp_path / "notes" / "a.txt"
    artifact = exchange.save(path, NOTES, b"a note", "host01", WHEN)
    assert refused({"path": str(path)}) is exchange.NOT_APPROVED
    exchange.approve(artifact, Approval("ada", WHEN, "ok"))
    assert isinstance(loaded({"path": str(path)})["path"], Artifact)


def test_looking_ahead_says_what_is_to_be_approved(tmp_path: Path) -> None:
    path = tmp_path / "notes" / "a.txt"
    artifact = exchange.save(path, NOTES, b"a note", "host01", WHEN)
    item = loaded({"path": str(path), "free": str(path)}, ahead=True)
    assert [problem.kind for problem in unapproved(OPTIONS, [item])] == [exchange.NOT_APPROVED]
    exchange.approve(artifact, Approval("ada", WHEN, "ok"))
    assert unapproved(OPTIONS, [loaded({"path": str(path)}, ahead=True)]) == []


def test_an_artifact_may_be_coming_and_a_file_may_not(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    assert loaded({"path": nowhere}, ahead=True)["path"] == Artifact(nowhere, None, None)
    assert refused({"path": nowhere}) is exchange.ARTIFACT_MISSING
    assert refused({"file": nowhere}, ahead=True) is controller_files.FILE_UNREADABLE


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(controller_files.MAXIMUM_SIZE + 1)
    assert refused({"file": str(tmp_path / "big")}) is controller_files.FILE_TOO_LARGE


def test_a_pfx_that_is_written_as_text_is_taken_as_what_it_is(tmp_path: Path) -> None:
    text = base64.encodebytes(bytes(range(256))).decode()
    (tmp_path / "key").write_text(f"-----BEGIN PKCS12-----\n{text}\n-----END PKCS12-----\n\n", encoding="utf-8")
    assert loaded({"name": "x", "file": str(tmp_path / "key")})["file"] == File(bytes(range(256)), "key.pfx")
    (tmp_path / "key").write_text("-----BEGIN PKCS12-----\nno!\n-----END PKCS12-----", encoding="utf-8")
    assert refused({"name": "x", "file": str(tmp_path / "key")}) == controller_files.FILE_UNREADABLE
