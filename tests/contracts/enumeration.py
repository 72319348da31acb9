# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call that a resource or a capture can make, whether or not some test happens to make it.

The functions of a resource are pure: given many states before and after, made from its table of options, they show
all their calls. Nothing here names a resource; a new file is found by being there. Texts that a file compares with are
taken from the file itself. `unreached` says which lines that make a call were not reached, so that nothing is missed
in silence.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ansible_collections.guarded.fabric.plugins.plugin_utils import resources
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, File, Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Inspection
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.wire import to_wire

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import TraceFunction

Batch = list[dict[str, object]]

_TRIES: Final = 400
_MOST_ROUNDS: Final = 30
_MAKERS: Final = frozenset({"Call", "changing"})


@dataclass(frozen=True)
class Made:
    """The calls for one state.

    `is_refused` says whether config with that state is turned down before any call. `branch` tells apart the states
    that choose differently where there is a choice; within a branch they differ in free text only.
    """

    calls: Batch
    is_refused: Callable[[], bool] = lambda: False
    branch: str = ""

    @property
    def shape(self) -> str:
        """The cmdlets and parameters, without the values."""
        return repr([(call["cmdlet"], _shape(call["parameters"])) for call in self.calls])


@dataclass
class Enumeration:
    """What one file under resources/ makes, and the lines that make calls and were not reached."""

    name: str
    made: list[Made] = field(default_factory=list)
    unreached: set[int] = field(default_factory=set)


def enumerations() -> Iterator[Enumeration]:
    """Enumerate the calls of each resource and capture."""
    for found in pkgutil.iter_modules(resources.__path__, f"{resources.__name__}."):
        module = importlib.import_module(found.name)
        source = Path(str(module.__file__))
        tree = ast.parse(source.read_text(encoding="utf-8"))
        pick = random.Random(found.name)  # noqa: S311 - the same states in every run
        enumeration = Enumeration(found.name.rsplit(".", 1)[-1], unreached=_lines_that_call(tree))
        with Reached(source) as reached:
            # Some lines want a state that is met by chance only now and then.
            for number in range(_MOST_ROUNDS):
                if number and not enumeration.unreached:
                    break
                for thing in vars(module).values():
                    if isinstance(thing, Resource):
                        enumeration.made += _of_resource(thing, _texts(tree), pick)
                    elif isinstance(thing, Capture):
                        enumeration.made += _of_capture(thing, _texts(tree), pick)
                    elif isinstance(thing, Inspection):
                        enumeration.made += _of_inspection(thing, _texts(tree), pick)
                enumeration.unreached -= reached.lines
        yield enumeration


def _lines_that_call(tree: ast.Module) -> set[int]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id in _MAKERS}


def _texts(tree: ast.Module) -> list[str]:
    """Return the short texts of a file, among which are those that it compares a property with."""
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(text for text in found if 0 < len(text) <= 40)


class Reached:
    """Records which lines of a file run."""

    def __init__(self, source: Path) -> None:
        self.lines: set[int] = set()
        self._source = str(source)

    def __enter__(self) -> Self:
        """Start."""
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_error: object) -> None:
        """End; whoever traced before traces on."""
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, _event: str, _argument: object) -> TraceFunction | None:
        if frame.f_code.co_filename != self._source:
            return None
        self.lines.add(frame.f_lineno)
        return self._trace


def _of_resource(resource: Resource, texts: Sequence[str], pick: random.Random) -> Iterator[Made]:
    # Nothing asked for, one item, two items.
    for number in range(3):
        for _ in range(20):
            yield Made(_wire(resource.observe([_item(resource.options, texts, pick) for _ in range(number)])))
    for _ in range(_TRIES):
        before, after = (pick.choice([None, _item(resource.options, texts, pick)]) for _ in range(2))
        if before is None and after is None:
            continue
        try:
            steps = resource.change(before, after)
        except (AssertionError, LookupError, TypeError):
            # A state that this resource rules out, or that has a text in a place where none of the file's stands.
            continue
        calls = [step for step in steps if isinstance(step, Call)]
        yield Made(_wire(calls), partial(_is_refused, resource, before, after), _branch(resource.options, after))


def _branch(options: Sequence[Option], item: Item | None) -> str:
    return repr([item[option.name] for option in options if option.choices and option.name in item] if item else item)


def _is_refused(resource: Resource, before: Item | None, after: Item | None) -> bool:
    # Files are left out: theirs are made up here, and would be refused for what is in them.
    made_up = {option.name for option in resource.options if option.artifact is not None or option.file}
    try:
        if after is not None:
            resource.prepare([{name: value for name, value in after.items() if name not in made_up}])
        return bool(resource.refuse(before, after) or resource.require(before, after))
    except FabricError:
        return True
    except (AssertionError, LookupError, TypeError, ValueError):
        # It looks at what no option shows.
        return False


def _of_capture(capture: Capture, texts: Sequence[str], pick: random.Random) -> Iterator[Made]:
    for _ in range(_TRIES):
        config = _item(capture.options, texts, pick)
        observed = capture.observe(config)
        yield Made(_wire([*observed, *capture.produce(_answering(observed, config), config, {})]))


def _answering(calls: Sequence[Call], config: Item) -> Results:
    """Return results of a machine that has whatever config names, as every property asked for."""
    values = [value for given in config.values() for value in (given if isinstance(given, list) else [given])]
    named = [value for value in values if isinstance(value, str)]
    return Results({call.id: Outcome(tuple(dict.fromkeys(call.select, name) for name in named)) for call in calls})


def _of_inspection(inspection: Inspection, texts: Sequence[str], pick: random.Random) -> Iterator[Made]:
    for _ in range(20):
        yield Made(_wire(inspection.observe(_item(inspection.options, texts, pick))))


def _wire(calls: Sequence[Call]) -> Batch:
    return [to_wire(call) for call in calls]


def _item(options: Sequence[Option], texts: Sequence[str], pick: random.Random) -> Item:
    return {option.name: _value(option, texts, pick) for option in options}


def _value(option: Option, texts: Sequence[str], pick: random.Random) -> object:
    if option.role is not Role.KEY and not option.required and pick.random() < 0.25:
        return None
    if option.artifact is not None:
        return Artifact(f"/exchange/{option.artifact.folder}/name{option.artifact.suffix}", b"content", None)
    if option.file:
        return File(b"content", "certificate.pfx")
    scalar = _scalar(option.elements or option.type, option, texts, pick)
    return [scalar] if option.type == "list" else scalar


def _scalar(kind: str, option: Option, texts: Sequence[str], pick: random.Random) -> object:
    match kind:
        case "bool":
            return pick.choice([True, False])
        case "int":
            return pick.choice([0, 1, 2])
        case "dict":
            return _item(option.suboptions, texts, pick)
    # Texts as users give them, and such as the file knows.
    given = (f"a {option.name}", "http://hgs.example/", "10.0.0.1")
    return pick.choice(option.choices or pick.choice([given, texts]))


def distinct_calls(made: Iterable[Made]) -> list[dict[str, object]]:
    """Return one call of each shape: the same cmdlet with the same parameters."""
    found: dict[str, dict[str, object]] = {}
    for item in made:
        for call in item.calls:
            found.setdefault(repr((call["cmdlet"], _shape(call["parameters"]))), call)
    return list(found.values())


def _shape(parameters: object) -> Sequence[object]:
    assert isinstance(parameters, Mapping)
    return sorted((name, type(value).__name__) for name, value in parameters.items())
