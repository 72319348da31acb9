# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns mean what PowerShell's about_Wildcards says: the lab would else hide what a name can hit."""

from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.wildcards import has_wildcards, matches
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("vm*", "VM01", True),
        ("vm?1", "vm01", True),
        ("vm?", "vm", False),
        ("vm[01]", "vm1", True),
        ("vm[0-3]", "vm2", True),
        ("vm[3-0]", "vm2", True),
        ("vm[1]", "vm[1]", False),
        ("vm`[1`]", "vm[1]", True),
        ("vm`*", "vm*", True),
        ("vm`*", "vm1", False),
        ("[!a]", "b", False),
        ("[!a]", "!", True),
        ("[^a]", "b", False),
        ("[a-]", "-", True),
        ("[", "[", True),
        ("[a", "[a", True),
        ("a.c", "abc", False),
        ("(a|b)$", "a", False),
        ("*\n*", "a\nb", True),
    ],
)
def test_a_pattern_fits(pattern: str, text: str, fits: bool) -> None:  # noqa: FBT001
    assert matches(pattern, text) is fits


@given(st.text(st.characters(codec="utf-8")))
def test_without_wildcards_only_the_text_itself_fits(text: str) -> None:
    if not has_wildcards(text) and "`" not in text:
        assert matches(text, text)
        assert not matches(text, text + "x")


@given(st.text("ab*?[]`-!^\\"), st.text("ab*"))
def test_every_text_is_a_pattern(pattern: str, text: str) -> None:
    matches(pattern, text)
    assert matches("*", text)
