# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.filter.items import items_with_file, items_with_settings, named_items


def test_names_become_items() -> None:
    assert named_items(["a", "b"]) == [{"name": "a"}, {"name": "b"}]


def test_each_item_gets_its_own_file() -> None:
    assert items_with_file(["a"], "path", "exchange/ids", ".xml") == [{"name": "a", "path": "exchange/ids/a.xml"}]


def test_a_name_can_stand_in_another_option() -> None:
    assert items_with_file(["a"], "baseline", "exchange", ".tcglog", "class") == [
        {"class": "a", "baseline": "exchange/a.tcglog"}
    ]


def test_settings_are_those_of_the_name_as_windows_compares_it() -> None:
    items = [{"name": "Payroll", "power": "running"}, {"name": "ledger", "power": "running"}]
    assert items_with_settings(items, {"payroll": {"power": "off"}}) == [
        {"name": "Payroll", "power": "off"},
        {"name": "ledger", "power": "running"},
    ]


def test_a_text_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(AnsibleFilterError, match="list of names"):
        named_items("host01")
