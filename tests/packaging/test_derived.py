# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.scripts.derived import comment, contents, replaced
from ansible_collections.guarded.fabric.scripts.sanity_ignores import FOLDER, cannot_be_imported
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT


def test_what_follows_from_the_modules_roles_and_playbooks_is_written() -> None:
    stale = [path.relative_to(ROOT) for path, text in contents().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make derived`"


def test_no_ignore_file_is_left_over() -> None:
    assert set(FOLDER.iterdir()) <= set(contents())


def test_what_imports_the_lost_is_lost() -> None:
    needs = {
        "plugins.action.a": frozenset({"plugins.plugin_utils.b"}),
        "plugins.plugin_utils.b": frozenset({"plugins.module_utils.c"}),
        "plugins.module_utils.c": frozenset({"lxml.etree"}),
        "plugins.module_utils.d": frozenset({"re"}),
    }
    assert cannot_be_imported(needs) == set(needs) - {"plugins.module_utils.d"}


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = "a\n<!-- begin rows -->\nold\n<!-- end rows -->\nb\n"
    assert replaced(text, "rows", "new") == "a\n<!-- begin rows -->\nnew\n<!-- end rows -->\nb\n"
    assert replaced(replaced(text, "rows", "new"), "rows", "old") == text
    with pytest.raises(ValueError, match="begin others"):
        replaced(text, "others", "new")


def test_a_playbook_is_described_by_its_first_comment() -> None:
    text = "---\n# SPDX-License-Identifier: any\n#\n# Roll out\n# everything.\n\n# More.\n- name: Play\n"
    assert comment(text) == "Roll out everything."
    with pytest.raises(ValueError, match="what it does"):
        comment("---\n- name: Play\n")
