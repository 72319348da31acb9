# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From state and wanted config to the steps between them: pure functions, the same for every resource."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from .calls import Call, Step, prefixed
from .problems import FabricError, Kind, Owner, Problem
from .resource import Item, Option, Resource, Role, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DUPLICATE = Kind(
    "GF-CFG-001",
    Owner.CONTROLLER,
    "appears more than once in config",
    "keep one of them; names are compared without regard to case, as Windows does",
)


@dataclass(frozen=True)
class Plan:
    """What will be done. Each group of steps concerns one item and is carried out as a whole.

    `after` has no computed values of an item that changes: the fabric decides them. `unmet` is what has to be so before
    the steps can be carried out. `targets` are the items that change, as `Resource.explain` wants them: before, after.
    """

    before: State
    after: State
    groups: tuple[tuple[Step, ...], ...]
    targets: tuple[tuple[Item | None, Item | None], ...]
    unmet: tuple[Problem, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there is anything to do, even where nobody knows how."""
        return bool(self.targets)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return tuple(step for group in self.groups for step in group)


COMPARED = (Role.STATE, Role.DERIVED)


def _options(resource: Resource, *roles: Role) -> tuple[Option, ...]:
    return tuple(option for option in resource.options if option.role in roles)


def _differs(option: Option, before: object, after: object) -> bool:
    return not option.same(before, after) if option.same else before != after


def _given(resource: Resource, item: Item) -> dict[str, object]:
    names = {option.name for option in _options(resource, Role.KEY, *COMPARED)}
    return {name: value for name, value in item.items() if name in names and value is not None}


def _merged(resource: Resource, before: Item | None, wanted: Item) -> Item:
    after = dict(before or {})
    for name, value in _given(resource, wanted).items():
        option = next(option for option in resource.options if option.name == name)
        if before is None or _differs(option, before.get(name), value):
            after[name] = value
    return after


def _replaced(resource: Resource, before: Item | None, wanted: Item) -> Item:
    # A property that is not declared goes back to its default; one without a default is left to the fabric.
    after = _merged(resource, before, wanted)
    reset = {
        option.name: option.default
        for option in _options(resource, Role.STATE)
        if wanted.get(option.name) is None and option.default is not None
    }
    return {**after, **reset}


def differing(resource: Resource, before: Item, after: Item) -> tuple[Option, ...]:
    """Return the options in which two states of an item differ."""
    return tuple(
        option
        for option in _options(resource, *COMPARED)
        if _differs(option, before.get(option.name), after.get(option.name))
    )


def _changes(resource: Resource, before: Item | None, after: Item | None) -> bool:
    if before is None or after is None:
        return before is not after
    return bool(differing(resource, before, after))


def _with_defaults(resource: Resource, item: Item) -> Item:
    defaults = {option.name: option.default for option in _options(resource, Role.STATE) if option.default is not None}
    return {**defaults, **item}


def _inputs(resource: Resource, item: Item) -> dict[str, object]:
    return {
        option.name: item[option.name] for option in _options(resource, Role.INPUT) if item.get(option.name) is not None
    }


def _wanted(resource: Resource, state: str, before: State, config: Sequence[Item]) -> dict[str, Item | None]:
    """Return the state wanted of each item that the request says something about."""
    if state in ("gathered", "deleted"):
        return {resource.key_of(item): None for item in config} if state == "deleted" else {}
    combine = _merged if state in ("merged", "rendered") else _replaced
    wanted: dict[str, Item | None] = {}
    for item in config:
        key = resource.key_of(item)
        after = combine(resource, before.get(key), item)
        wanted[key] = after if key in before else _with_defaults(resource, after)
    if state == "overridden":
        wanted.update({key: None for key, item in before.items() if key not in wanted and not resource.keeps(item)})
    return wanted


def _named(steps: Sequence[Step], prefix: str) -> tuple[Step, ...]:
    """Give every call an id that is unique in the batch."""
    return tuple(
        prefixed(step if step.id else replace(step, id=str(number)), prefix) if isinstance(step, Call) else step
        for number, step in enumerate(steps)
    )


def check_duplicates(resource: Resource, config: Sequence[Item]) -> None:
    """Raise FabricError where two items of config have one key."""
    counted = Counter(resource.key_of(item) for item in config)
    repeated = [key for key, number in counted.items() if number > 1]
    if repeated:
        raise FabricError(*(Problem(DUPLICATE, f"{resource.name} {key!r}") for key in repeated))


def departures(
    resource: Resource, state: str, before: State, config: Sequence[Item]
) -> Iterator[tuple[str, Item | None, Item | None]]:
    """Go through the items that are not as `state` and `config` ask for: key, before, and after with its inputs.

    Raises FabricError where two items of config have one key.
    """
    check_duplicates(resource, config)
    inputs = {resource.key_of(item): _inputs(resource, item) for item in config}
    for key, wanted in _wanted(resource, state, before, config).items():
        present = before.get(key)
        if _changes(resource, present, wanted):
            yield key, present, None if wanted is None else {**wanted, **inputs.get(key, {})}


def plan(
    resource: Resource,
    state: str,
    before: State,
    config: Sequence[Item],
    obstacles: Mapping[str, Sequence[Problem]] = MappingProxyType({}),
) -> Plan:
    """Plan the way from `before` to what `state` and `config` ask for; `obstacles` are those of the reading.

    Raises FabricError with every problem of every item: nothing is changed while one of them is wrong.
    """
    after: dict[str, Item] = dict(before)
    groups: list[tuple[Step, ...]] = []
    targets: list[tuple[Item | None, Item | None]] = []
    problems: list[Problem] = []
    unmet: list[Problem] = []
    for key, present, target in departures(resource, state, before, config):
        targets.append((present, target))
        if state != "rendered":  # which asks no host, so that nothing is known of what is there
            problems.extend(resource.refuse(present, target))
            unmet.extend(resource.require(present, target))
            unmet.extend(() if target is None else obstacles.get(key, ()))
        steps = () if problems else tuple(resource.change(present, target))
        groups.append(_named(steps, f"{len(groups)}-"))
        if target is None:
            after.pop(key, None)
        else:
            after[key] = _decided(resource, target)
    if problems:
        raise FabricError(*problems)
    changing = tuple(group for group in groups if group)
    return Plan(before=before, after=after, groups=changing, targets=tuple(targets), unmet=tuple(unmet))


def _decided(resource: Resource, item: Item) -> Item:
    others = {option.name for option in _options(resource, Role.COMPUTED, Role.INPUT)}
    return {name: value for name, value in item.items() if name not in others}


def visible(resource: Resource, state: State) -> list[dict[str, object]]:
    """Return the items of a state as users see them: table order, without inputs and secrets."""
    names = [option.name for option in _options(resource, Role.KEY, *COMPARED, Role.COMPUTED) if not option.secret]
    return [{name: item[name] for name in names if name in item} for item in state.values()]


def argument_spec(options: Sequence[Option]) -> dict[str, Mapping[str, object]]:
    """Return the options as Ansible's argument spec."""
    return {option.name: _argument(option) for option in options if option.role not in (Role.DERIVED, Role.COMPUTED)}


def _argument(option: Option) -> dict[str, object]:
    argument: dict[str, object] = {"type": option.type}
    if option.required:
        argument["required"] = True
    if option.choices:
        argument["choices"] = list(option.choices)
    if option.elements:
        argument["elements"] = option.elements
    if option.suboptions:
        argument["options"] = argument_spec(option.suboptions)
    if option.secret:
        argument["no_log"] = True
    elif option.type == "str" and "password" in option.name:
        argument["no_log"] = False
    return argument
