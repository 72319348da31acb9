# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, tracked_files

if TYPE_CHECKING:
    from pathlib import Path

# In two pieces, lest reuse reads it as this file's licence.
LICENCE = "SPDX-License-" + "Identifier: GPL-3.0-or-later"
NOTICE = (
    "# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)"
)
LICENCE_TEXTS = {"COPYING", *(file.as_posix() for file in tracked_files() if file.match("LICENSES/*.txt"))}


def spoken_for() -> list[str]:
    """Return the patterns of the files whose licence REUSE.toml gives, because they have no place to say it."""
    annotations = tomllib.loads((ROOT / "REUSE.toml").read_text(encoding="utf-8"))["annotations"]
    return [path for entry in annotations if "SPDX-License-Identifier" in entry for path in entry["path"]]


def first_lines(file: Path, count: int) -> list[str]:
    return (ROOT / file).read_text(encoding="utf-8").splitlines()[:count]


def speaks_for_itself(file: Path) -> bool:
    return file.as_posix() not in LICENCE_TEXTS and not any(fnmatch(file.as_posix(), path) for path in spoken_for())


@pytest.mark.parametrize("file", [file for file in tracked_files() if speaks_for_itself(file)], ids=str)
def test_a_file_begins_with_its_licence(file: Path) -> None:
    # The first line, or the one after what must be the first: #! in a script, --- in YAML.
    assert any(LICENCE in line for line in first_lines(file, 2))


@pytest.mark.parametrize("file", [file for file in tracked_files() if file.match("plugins/**/*.py")], ids=str)
def test_a_plugin_carries_the_notice_that_ansible_looks_for(file: Path) -> None:
    assert NOTICE in first_lines(file, 4)
