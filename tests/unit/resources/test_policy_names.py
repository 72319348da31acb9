# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import policy_names


def test_a_name_is_read_as_it_was_made() -> None:
    name = policy_names.content_name("Contoso-R740", "3F9A12C4" + "0" * 56)
    assert str(name) == "Contoso-R740 3f9a12c4"
    assert policy_names.parse("Contoso-R740 3F9A12C4") == name


@pytest.mark.parametrize("name", ["Contoso-R740", "Contoso R740 3f9a12c4", "Contoso 3f9a12c", "Contoso 3f9a12c4 ", ""])
def test_a_name_that_somebody_chose_is_not_taken_for_one_that_was_made(name: str) -> None:
    assert policy_names.parse(name) is None


def test_the_longest_class_makes_a_name_that_active_directory_takes() -> None:
    longest = "a" * policy_names.MOST_OF_A_CLASS
    assert policy_names.is_class(longest)
    assert not policy_names.is_class(longest + "a")
    assert len(str(policy_names.content_name(longest, "0" * 64))) == 64


@pytest.mark.parametrize("text", ["", " a", "a b", "-a", "a*", "a,b", "a/b", "é"])
def test_a_class_holds_nothing_that_a_directory_or_a_file_system_would_escape(text: str) -> None:
    assert not policy_names.is_class(text)
