# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call
from ansible_collections.guarded.fabric.plugins.plugin_utils.plan import DUPLICATE, argument_spec, plan, visible
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option, Role
from hypothesis import given
from hypothesis import strategies as st

from .switches import SWITCHES

NAMES = st.sampled_from(["a", "A", "b", "C", "built"])
CONFIG_ITEM = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "on": st.sampled_from([None, True, False]),
        "colour": st.sampled_from([None, "red", "white"]),
        "key": st.just("secret"),
    },
)
CONFIG = st.lists(CONFIG_ITEM, max_size=4, unique_by=lambda item: str(item["name"]).casefold())
PRESENT = st.dictionaries(
    st.sampled_from(["a", "b", "c", "built"]),
    st.fixed_dictionaries({"on": st.booleans(), "colour": st.sampled_from(["red", "white"]), "wear": st.integers()}),
)
STATES = st.sampled_from(["merged", "replaced", "overridden", "deleted"])


def present(items: dict[str, Item]) -> dict[str, Item]:
    return {
        key: {
            **item,
            "name": key,
            "waits": False,
            "powered": True,
            "colour": "built in" if key == "built" else item["colour"],
        }
        for key, item in items.items()
    }


@given(STATES, PRESENT, CONFIG)
def test_nothing_is_left_to_do_after_a_plan(state: str, items: dict[str, Item], config: list[Item]) -> None:
    first = plan(SWITCHES, state, present(items), config)
    reached = {key: {"waits": False, "powered": True, **item} for key, item in first.after.items()}
    assert not plan(SWITCHES, state, reached, config).changed


@given(STATES, PRESENT, CONFIG)
def test_what_config_does_not_name_is_only_touched_by_overridden(
    state: str, items: dict[str, Item], config: list[Item]
) -> None:
    before = present(items)
    planned = plan(SWITCHES, state, before, config)
    named = {str(item["name"]).casefold() for item in config}
    for key in set(before) - named:
        kept = state != "overridden" or key == "built"
        assert (planned.after.get(key) == before[key]) is kept


@given(PRESENT, CONFIG)
def test_what_config_says_is_what_is_planned(items: dict[str, Item], config: list[Item]) -> None:
    for state in ("merged", "replaced", "overridden"):
        after = plan(SWITCHES, state, present(items), config).after
        for item in config:
            planned = after[str(item["name"]).casefold()]
            for name in ("on", "colour"):
                if item.get(name) is not None:
                    assert planned[name] == item[name]


@given(PRESENT, CONFIG)
def test_merging_keeps_what_is_not_said_and_replacing_resets_it(items: dict[str, Item], config: list[Item]) -> None:
    before = present(items)
    for item in config:
        key = str(item["name"]).casefold()
        if key in before and item.get("on") is None:
            assert plan(SWITCHES, "merged", before, config).after[key]["on"] == before[key]["on"]
            assert plan(SWITCHES, "replaced", before, config).after[key]["on"] is False


@given(PRESENT, CONFIG)
def test_deleting_leaves_none_of_those_named(items: dict[str, Item], config: list[Item]) -> None:
    planned = plan(SWITCHES, "deleted", present(items), config)
    assert not {str(item["name"]).casefold() for item in config} & set(planned.after)


@given(STATES, PRESENT, CONFIG)
def test_ids_of_a_plans_calls_are_unique(state: str, items: dict[str, Item], config: list[Item]) -> None:
    ids = [step.id for step in plan(SWITCHES, state, present(items), config).steps if isinstance(step, Call)]
    assert len(set(ids)) == len(ids)


@given(STATES, PRESENT, CONFIG)
def test_inputs_and_secrets_are_never_shown(state: str, items: dict[str, Item], config: list[Item]) -> None:
    planned = plan(SWITCHES, state, present(items), config)
    assert not any("key" in item for item in [*visible(SWITCHES, planned.before), *visible(SWITCHES, planned.after)])


def test_the_fabric_decides_computed_values_of_what_changes() -> None:
    before = present({"a": {"on": False, "colour": "red", "wear": 7}, "b": {"on": True, "colour": "red", "wear": 9}})
    after = plan(SWITCHES, "merged", before, [{"name": "a", "on": True}, {"name": "b", "on": True}]).after
    assert "wear" not in after["a"]
    assert after["b"]["wear"] == 9


def test_two_items_of_one_name_are_refused() -> None:
    with pytest.raises(FabricError) as error:
        plan(SWITCHES, "merged", {}, [{"name": "a"}, {"name": "A"}])
    assert [problem.kind for problem in error.value.problems] == [DUPLICATE]


def test_values_that_windows_takes_for_equal_are_no_change() -> None:
    colour = Option("colour", same=lambda before, after: str(before).casefold() == str(after).casefold())
    others = tuple(option for option in SWITCHES.options if option.name != "colour")
    resource = replace(SWITCHES, options=(*others, colour))
    before = present({"a": {"on": False, "colour": "Red", "wear": 0}})
    planned = plan(resource, "merged", before, [{"name": "a", "colour": "RED"}])
    assert not planned.changed
    assert planned.after["a"]["colour"] == "Red"


def test_the_argument_spec_is_the_table() -> None:
    options = (
        Option("name", Role.KEY, required=True),
        Option("on", type="bool", default=True),
        Option("mode", choices=("a", "b")),
        Option("urls", type="list", elements="str"),
        Option("word_password", Role.INPUT, secret=True),
        Option("password_age"),
        Option("more", Role.INPUT, type="dict", suboptions=(Option("deep", Role.INPUT, type="int"),)),
        Option("derived", Role.DERIVED),
        Option("computed", Role.COMPUTED),
    )
    assert argument_spec(options) == {
        "name": {"type": "str", "required": True},
        # No default: what is left out has to stay distinguishable from what is said.
        "on": {"type": "bool"},
        "mode": {"type": "str", "choices": ["a", "b"]},
        "urls": {"type": "list", "elements": "str"},
        "word_password": {"type": "str", "no_log": True},
        "password_age": {"type": "str", "no_log": False},
        "more": {"type": "dict", "options": {"deep": {"type": "int"}}},
    }
