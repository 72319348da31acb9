# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host that is broken or hostile makes of an answer: one place of it is something else, or gone, or twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]


def nested(levels: int) -> object:
    """Return lists in lists."""
    value: object = "bottom"
    for _ in range(levels):
        value = [value]
    return value


VALUES: tuple[object, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**200,
    float("inf"),
    float("nan"),
    "",
    "text",
    "9" * 5000,
    "-1",
    "1.5",
    "\ud800",
    "\x1b]0;owned\x07",
    "{{ lookup('pipe', 'id') }}",
    [],
    {},
    [[]],
    [None],
    ["text", 5],
    {"Name": {"Name": "x"}},
    {"$bytes": "no base64!"},
    {"$bytes": "AAAA"},
    {"$bytes": ["AAAA"]},
    {"$secret": True},
    {"$ref": "elsewhere"},
    nested(40),
)
"""What JSON can hold and no answer does, at some place or at any."""


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Go through the places of a document, from the whole of it down."""
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from places(item, (*path, number))


def _replace(holder: Any, place: str | int, value: object) -> None:  # noqa: ANN401 - JSON
    holder[place] = value


def _drop(holder: Any, place: str | int, _value: object) -> None:  # noqa: ANN401 - JSON
    del holder[place]


def _wrap(holder: Any, place: str | int, _value: object) -> None:  # noqa: ANN401 - JSON
    holder[place] = [holder[place]]


def _repeat(holder: Any, place: str | int, _value: object) -> None:  # noqa: ANN401 - JSON
    if isinstance(place, int):
        holder.insert(place, deepcopy(holder[place]))
    else:
        holder[f"{place}2"] = deepcopy(holder[place])


def _add(holder: Any, place: str | int, value: object) -> None:  # noqa: ANN401 - JSON
    if isinstance(place, int):
        holder.insert(place, value)
    else:
        holder["more"] = value


OPERATIONS: tuple[Callable[[Any, str | int, object], None], ...] = (_replace, _replace, _drop, _wrap, _repeat, _add)


@dataclass(frozen=True)
class Mutation:
    """One change to a document; `where` and `what` are fractions of what there is to choose from."""

    where: float
    operation: Callable[[Any, str | int, object], None]
    value: object

    def of(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return a changed copy of an answer."""
        changed = deepcopy(answer)
        below = [path for path in places(changed) if path]
        path = below[int(self.where * len(below))]
        holder: Any = changed
        for step in path[:-1]:
            holder = holder[step]
        self.operation(holder, path[-1], deepcopy(self.value))
        return changed


MUTATIONS = st.builds(
    Mutation,
    where=st.floats(min_value=0, max_value=1, exclude_max=True),
    operation=st.sampled_from(OPERATIONS),
    value=st.sampled_from(VALUES),
)
