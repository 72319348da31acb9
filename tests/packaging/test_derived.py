# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.scripts.derived import contents, playbook_description, replaced
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT

from .test_headers import LICENCE


def test_what_follows_from_the_modules_roles_and_playbooks_is_written() -> None:
    stale = [path.relative_to(ROOT) for path, text in contents().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make derived`"


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = "a\n<!-- begin rows -->\nold\n<!-- end rows -->\nb\n"
    assert replaced(text, "rows", "new") == "a\n<!-- begin rows -->\nnew\n<!-- end rows -->\nb\n"
    assert replaced(replaced(text, "rows", "new"), "rows", "old") == text
    with pytest.raises(ValueError, match="begin others"):
        replaced(text, "others", "new")


def test_a_playbook_is_described_by_its_comment_or_else_by_its_first_play() -> None:
    play = "- name: Roll out\n  hosts: all\n"
    assert playbook_description(f"---\n# {LICENCE}\n#\n# All of\n# it. In parts.\n{play}") == "All of it"
    assert playbook_description(f"---\n# {LICENCE}\n{play}# A later comment.\n") == "Roll out"
