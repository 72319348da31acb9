# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.guarded.fabric.scripts.sanity_ignores import FOLDER, cannot_be_imported, contents


def test_nothing_is_ignored_but_what_cannot_be_imported() -> None:
    written = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("ignore-*.txt")}
    assert written == contents(), "run `make ignores`"


def test_what_imports_the_lost_is_lost() -> None:
    needs = {
        "plugins.action.a": frozenset({"plugins.plugin_utils.b"}),
        "plugins.plugin_utils.b": frozenset({"plugins.module_utils.c"}),
        "plugins.module_utils.c": frozenset({"lxml.etree"}),
        "plugins.module_utils.d": frozenset({"re"}),
    }
    assert cannot_be_imported(needs) == set(needs) - {"plugins.module_utils.d"}
