# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange directory as a git repository, with two jobs that know nothing of each other."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange_git
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange_git import Clone
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "exchange.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(path)], check=True)
    return path


def clone(repository: Path, name: str) -> Clone:
    made = Clone(repository.parent / name, str(repository), "main")
    assert made.pull()
    return made


def write(clone: Clone, name: str, text: str) -> None:
    (clone.path / name).parent.mkdir(exist_ok=True)
    (clone.path / name).write_text(text, encoding="utf-8")


def read(repository: Path, name: str) -> str:
    command = ["git", "-C", str(repository), "show", f"main:{name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_what_one_job_publishes_the_next_one_has(repository: Path) -> None:
    first = clone(repository, "first")
    write(first, "tpm-baselines/R740.tcglog", "log")
    assert first.changes()
    assert first.push("evidence")
    assert not first.changes()
    assert not first.push("evidence")
    second = clone(repository, "second")
    assert (second.path / "tpm-baselines" / "R740.tcglog").read_text(encoding="utf-8") == "log"
    assert not second.pull()


def test_the_files_that_writers_lock_are_not_published(repository: Path) -> None:
    first = clone(repository, "first")
    write(first, "ci-policies/.lock", "")
    assert not first.push("nothing")


def test_jobs_that_changed_different_artifacts_are_joined(repository: Path) -> None:
    first, second = clone(repository, "first"), clone(repository, "second")
    write(first, "a/one", "1")
    write(second, "a/two", "2")
    assert first.push("one")
    assert second.push("two")
    assert (read(repository, "a/one"), read(repository, "a/two")) == ("1", "2")


def test_a_race_that_is_lost_between_fetch_and_push_is_run_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = clone(repository, "first"), clone(repository, "second")
    write(first, "one", "1")
    write(second, "two", "2")
    fetch = Clone._fetch

    def fetch_and_be_overtaken(this: Clone) -> bool:
        there = fetch(this)
        if this is second and not (repository / "refs" / "heads" / "main").exists():
            assert first.push("meanwhile")
        return there

    monkeypatch.setattr(Clone, "_fetch", fetch_and_be_overtaken)
    assert second.push("two")
    assert (read(repository, "one"), read(repository, "two")) == ("1", "2")


@pytest.mark.parametrize("theirs", ["a/R740.tcglog", "a/R740.tcglog.sidecar.json"])
def test_the_same_artifact_of_two_jobs_is_refused_and_nothing_is_overwritten(repository: Path, theirs: str) -> None:
    begun = clone(repository, "begun")
    write(begun, "a/R740.tcglog", "before\n" * 20)
    write(begun, "a/R740.tcglog.sidecar.json", "{}\n" * 20)
    assert begun.push("before")
    first, second = clone(repository, "first"), clone(repository, "second")
    write(first, theirs, "theirs\n" + "before\n" * 19)
    assert first.push("theirs")
    write(second, "a/R740.tcglog", "before\n" * 19 + "mine\n")
    with pytest.raises(FabricError, match=r"GF-GIT-002.*a/R740.tcglog"):
        second.push("mine")
    assert read(repository, theirs).startswith("theirs")
    assert (second.path / "a" / "R740.tcglog").read_text(encoding="utf-8").endswith("mine\n")


def test_races_without_end_are_given_up(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = clone(repository, "first"), clone(repository, "second")
    write(second, "two", "2")
    monkeypatch.setattr(exchange_git, "ATTEMPTS", 0)
    with pytest.raises(FabricError, match="GF-GIT-003"):
        second.push("two")
    assert first.path != second.path


def test_what_is_no_clone_or_one_of_another_repository_is_left_alone(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine", encoding="utf-8")
    for work in (Clone(tmp_path / "full", str(repository), "main"), Clone(tmp_path / "none", str(repository), "main")):
        with pytest.raises(FabricError, match="GF-GIT-004"):
            work.pull() if work.path.exists() else work.push("x")
    clone(repository, "first")
    with pytest.raises(FabricError, match=r"GF-GIT-004.*another repository"):
        Clone(tmp_path / "first", str(tmp_path / "other.git"), "main").pull()


def test_a_repository_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(FabricError, match=r"GF-GIT-001.*none\.git"):
        Clone(tmp_path / "clone", str(tmp_path / "none.git"), "main").pull()
