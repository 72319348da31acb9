# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cmdlet calls as data, and what comes back from them.

A call never holds PowerShell text made from a user's value: a parameter is plain data or one of the values below, and
the module `invoke_cmdlets` hands it to the cmdlet as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

ANY_ERROR = "*"
"""In `Call.accept`: whatever error the cmdlet raises is an answer."""

CMDLET_MISSING = "CommandNotFoundException"
"""Error id where the module that holds the cmdlet is not installed."""


@dataclass(frozen=True)
class Ref:
    """The result of an earlier call of the same batch, or a property of it."""

    call: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Secret:
    """A text that becomes a SecureString on the host and never shows anywhere else."""

    text: str = field(repr=False)


@dataclass(frozen=True)
class Credential:
    """A user name and password that become a PSCredential on the host."""

    username: str
    password: Secret


@dataclass(frozen=True)
class File:
    """Bytes that a cmdlet wants as a file: its parameter gets the path of a temporary file on the host.

    `name` is what an administrator would call the file; only its ending reaches the host.
    """

    content: bytes = field(repr=False)
    name: str


@dataclass(frozen=True)
class Bytes:
    """A byte[] parameter, with the name of the file an administrator would read it from."""

    content: bytes = field(repr=False)
    name: str


Value: TypeAlias = (
    "bool | int | str | Ref | Secret | Credential | File | Bytes | Sequence[Value] | Mapping[str, Value] | None"
)


@dataclass(frozen=True)
class Call:
    """One cmdlet call.

    `id` names the result for `Ref` and for `Results`; `select` are the properties wanted of each object that comes back
    (dotted names walk into properties); `attach` are properties that name a file whose bytes are wanted; `accept` are
    error ids that are an answer and no failure; `changes` says that the call changes something.
    """

    cmdlet: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    id: str = ""
    select: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    changes: bool = False


def changing(cmdlet: str, parameters: Mapping[str, Value], result: str = "") -> Call:
    """Return a call that changes the host; `result` names what it gives for a later Ref."""
    return Call(cmdlet, parameters, id=result, changes=True)


@dataclass(frozen=True)
class Restart:
    """The host has to restart here before anything that follows."""

    reason: str


Step: TypeAlias = Call | Restart


def _prefixed_value(value: Value, prefix: str) -> Value:
    if isinstance(value, Ref):
        return replace(value, call=prefix + value.call)
    if isinstance(value, Mapping):
        return {name: _prefixed_value(item, prefix) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_prefixed_value(item, prefix) for item in value]
    return value


def prefixed(call: Call, prefix: str) -> Call:
    """Return the call with its id, and the ids it refers to, made unique within a batch."""
    parameters = {name: _prefixed_value(value, prefix) for name, value in call.parameters.items()}
    return replace(call, id=prefix + call.id, parameters=parameters)


@dataclass(frozen=True)
class CallError:
    """An error of a cmdlet: `id` is its FullyQualifiedErrorId."""

    id: str
    category: str
    message: str
    accepted: bool


@dataclass(frozen=True)
class Outcome:
    """What one call gave: objects (by selected property) or scalars, files, warnings; or an error."""

    output: tuple[object, ...] = ()
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: CallError | None = None


NOTHING = Outcome()


@dataclass(frozen=True)
class Results:
    """The outcomes of a batch by call id. A call that was not reached is not in it."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids of the calls that ran."""
        return iter(self.outcomes)

    def outcome(self, call: str) -> Outcome:
        """Return the outcome of a call; an empty one if it did not run."""
        return self.outcomes.get(call, NOTHING)

    def error(self, call: str) -> CallError | None:
        """Return the (accepted) error of a call, if it raised one."""
        return self.outcome(call).error

    def objects(self, call: str) -> tuple[Mapping[str, object], ...]:
        """Return the objects a call gave, each as a mapping of the selected properties."""
        return tuple(item for item in self.outcome(call).output if isinstance(item, Mapping))

    def first(self, call: str) -> Mapping[str, object]:
        """Return the first object a call gave; an empty mapping if it gave none."""
        return next(iter(self.objects(call)), {})

    def scalars(self, call: str) -> tuple[object, ...]:
        """Return the scalars (text, numbers, booleans, bytes) a call gave."""
        return tuple(item for item in self.outcome(call).output if not isinstance(item, Mapping))

    def names(self, call: str, property_name: str = "Name") -> tuple[str, ...]:
        """Return one property of each object a call gave. Raises ValueError where it is there and no text."""
        found = [item[property_name] for item in self.objects(call) if property_name in item]
        if not all(isinstance(value, str) for value in found):
            message = f"{property_name} is no text"
            raise ValueError(message)
        return tuple(str(value) for value in found)

    def part(self, prefix: str) -> Results:
        """Return the outcomes whose id starts with the prefix, under the rest of their id."""
        return Results({name[len(prefix) :]: item for name, item in self.outcomes.items() if name.startswith(prefix)})
