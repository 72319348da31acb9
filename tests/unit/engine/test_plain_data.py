# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.plain_data import plain
from hypothesis import given
from hypothesis import strategies as st


class TaggedText(str):
    __slots__ = ()


class TaggedNumber(int):
    pass


class TaggedList(list[object]):
    pass


class TaggedMapping(dict[str, object]):
    pass


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def types(value: object) -> set[type]:
    found = {type(value)}
    for item in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []:
        found |= types(item)
    return found


def tagged(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return TaggedText(value)
    if isinstance(value, int):
        return TaggedNumber(value)
    if isinstance(value, dict):
        return TaggedMapping({TaggedText(name): tagged(item) for name, item in value.items()})
    return TaggedList(tagged(item) for item in value) if isinstance(value, list) else value


@given(DATA)
def test_content_stays_and_tags_go(value: object) -> None:
    made = plain(tagged(value))
    assert made == value
    assert types(made) == types(value)


def test_what_is_no_data_is_left_alone() -> None:
    other = object()
    assert plain([other]) == [other]
