# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain, certainly


def test_what_is_certain_passes_through() -> None:
    assert certain(0, "a number, even an empty one") == 0
    assert certainly(str, "", "a text, even an empty one") == ""


def test_a_wrong_certainty_says_why_it_was_thought_so() -> None:
    with pytest.raises(AssertionError, match="there is always one"):
        certain(None, "there is always one")
    with pytest.raises(TypeError, match=r"^int is no str: it is a name$"):
        certainly(str, 5, "it is a name")
