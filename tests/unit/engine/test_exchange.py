# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../a", "a/../../b", "a/b", "/etc/passwd", "a\\b", "C:\\x", "C:x", "\\\\server\\share"),
        *(
            ".hidden",
            "-a",
            "a" * 101,
            "a\n",
            "a b",
            "a\0",
            "x..y",
            "a.",
            "a\t",
            "%2e%2e",
            "~",
            "$HOME",
            "a*",
            "a:stream",
        ),
        *("con", "CON", "nul.host01", "Com1", "lpt9.x"),
        # Somebody else's candidate, which an approval would put in the place of what was approved.
        *("host01.candidate", "host01.Candidate"),
        "\N{CYRILLIC SMALL LETTER A}b",
        "host\N{ARABIC-INDIC DIGIT ONE}",
        "a\N{ONE DOT LEADER}b",
        "a\N{NON-BREAKING HYPHEN}b",
        "a\N{RIGHT-TO-LEFT OVERRIDE}b",
        "a\N{FULLWIDTH SOLIDUS}b",
        "\N{FULLWIDTH LATIN SMALL LETTER A}",
    ],
)
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


def linked(path: Path, elsewhere: Path) -> Path:
    """Put a link to an artifact of another place, which is as it should be, where one is expected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", SIDECAR_SUFFIX):
        path.with_name(path.name + suffix).symlink_to(elsewhere.with_name(elsewhere.name + suffix))
    return path


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = kept(tmp_path / "elsewhere" / "notes" / "a.txt")
    assert refused(linked(tmp_path / "notes" / "a.txt", elsewhere)) is exchange.NOT_PLAIN


def test_a_folder_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    elsewhere = kept(tmp_path / "elsewhere" / "notes" / "a.txt")
    there = sorted(path.name for path in elsewhere.parent.iterdir())
    (tmp_path / "notes").symlink_to(elsewhere.parent)
    assert refused(tmp_path / "notes" / "a.txt") is exchange.NOT_PLAIN
    with pytest.raises(FabricError) as error, exchange.held(tmp_path / "notes"):
        pass
    assert error.value.problems[0].kind is exchange.NOT_PLAIN
    with pytest.raises(FabricError) as error:
        kept(tmp_path / "notes" / "b.txt")
    assert error.value.problems[0].kind is exchange.NOT_PLAIN
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == there


def test_a_pipe_or_a_device_holds_up_nobody(tmp_path: Path) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    path.unlink()
    os.mkfifo(path)
    assert refused(path) is exchange.NOT_PLAIN
    path.unlink()
    path.symlink_to("/dev/zero")
    assert refused(path) is exchange.NOT_PLAIN


@pytest.mark.parametrize("name", [".a.txt.new", f".a.txt{SIDECAR_SUFFIX}.new", "a.txt", f"a.txt{SIDECAR_SUFFIX}"])
def test_a_link_in_the_way_of_a_writer_leads_nowhere(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    victim.chmod(0o600)
    kept(tmp_path / "notes" / "a.txt")
    link = tmp_path / "notes" / name
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    approve(load(kept(tmp_path / "notes" / "a.txt"), NOTES), Approval("ada", WHEN, "compared"))
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("untouched", 0o600)
    assert load(tmp_path / "notes" / "a.txt", NOTES).content == b"Hello"


@pytest.mark.parametrize(
    "change",
    [
        {"captured": 5},
        {"source": ["host01"]},
        {"source": None},
        {"fingerprint": {}},
        {"approval": {"by": 1, "at": WHEN, "reason": "r"}},
        {"approval": {"by": "ada", "at": WHEN, "reason": None}},
        {"approval": {"by": "ada"}},
        {"approval": "ada"},
        {"approval": [["by", "ada"]]},
        {"more": "x"},
        {"source": "x" * exchange.LONGEST_SIDECAR},
    ],
)
def test_a_sidecar_of_another_shape_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    sidecar = path.with_name(path.name + SIDECAR_SUFFIX)
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **change}))
    assert refused(path) is exchange.SIDECAR_MISSING


@pytest.mark.parametrize("text", [b"[" * 60000, b"\xff\xfe{", b'{"kind": 1e999}', b"\0", b'"text"', b"null"])
def test_a_sidecar_that_is_an_attack_is_refused(tmp_path: Path, text: bytes) -> None:
    path = kept(tmp_path / "notes" / "a.txt")
    path.with_name(path.name + SIDECAR_SUFFIX).write_bytes(text)
    assert refused(path) is exchange.SIDECAR_MISSING


def test_who_else_holds_the_same_is_found_by_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    for name, content in (("a", b"Hello"), ("b", b"HELLO"), ("b.candidate", b"hello"), ("c", b"other")):
        kept(folder / f"{name}.txt", content)
    assert exchange.other_holders(folder / "a.txt", NOTES, "hello") == ["b.candidate.txt", "b.txt"]
    assert exchange.other_holders(folder / "b.txt", NOTES, "hello") == ["a.txt"]
    assert exchange.other_holders(folder / "d.txt", NOTES, "nothing") == []
