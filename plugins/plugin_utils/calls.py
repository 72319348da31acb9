# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cmdlet calls as data, and what comes back from them.

A call never holds PowerShell text made from a user's value: parameters are JSON values or one of the tagged values below,
and the module `invoke_cmdlets` hands them to the cmdlet as they are.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Union

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


Value = Union[
    None, bool, int, str, Ref, Secret, Credential, File, Bytes, Sequence["Value"], Mapping[str, "Value"]
]


@dataclass(frozen=True)
class Call:
    """One cmdlet call.

    `id` names the result for `Ref` and for `Results`; `select` are the properties wanted of each object that comes back (dotted
    names walk into properties); `attach` are properties that name a file whose bytes are wanted; `accept` are error ids
    that are an answer and no failure; `changes` says that the call changes something.
    """

    cmdlet: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    id: str = ""
    select: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    changes: bool = False


def changing(cmdlet: str, parameters: Mapping[str, Value], *, id: str = "", select: tuple[str, ...] = ()) -> Call:
    """Return a call that changes the host."""
    return Call(cmdlet, parameters, id=id, select=select, changes=True)


@dataclass(frozen=True)
class Restart:
    """The host has to restart here before anything that follows."""

    reason: str


Step = Union[Call, Restart]


def _encode(value: Value) -> object:
    if isinstance(value, Ref):
        return {"$ref": ".".join((value.call, *value.path))}
    if isinstance(value, Secret):
        return {"$secret": value.text}
    if isinstance(value, Credential):
        return {"$credential": {"username": value.username, "password": value.password.text}}
    if isinstance(value, Bytes):
        return {"$bytes": base64.b64encode(value.content).decode()}
    if isinstance(value, File):
        _stem, dot, ending = value.name.rpartition(".")
        content = base64.b64encode(value.content).decode()
        return {"$file": {"content": content, "suffix": dot + ending if dot else ""}}
    if isinstance(value, Mapping):
        return {str(name): _encode(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_encode(item) for item in value]
    # Ansible's tagged strings are a subclass; the wire carries the plain text.
    return str(value) if isinstance(value, str) else value


def to_wire(call: Call) -> dict[str, object]:
    """Return a call in the form that the module `invoke_cmdlets` documents for `calls`."""
    wire: dict[str, object] = {
        "id": call.id,
        "cmdlet": call.cmdlet,
        "parameters": {name: _encode(value) for name, value in call.parameters.items()},
    }
    for name in ("select", "attach", "accept"):
        if getattr(call, name):
            wire[name] = list(getattr(call, name))
    if call.changes:
        wire["changes"] = True
    return wire


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


class AnswerError(ValueError):
    """A host answered something that is no answer of `invoke_cmdlets`."""


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
        """Return one property of each object a call gave, as text."""
        return tuple(str(item[property_name]) for item in self.objects(call) if item.get(property_name) is not None)

    def part(self, prefix: str) -> Results:
        """Return the outcomes whose id starts with the prefix, under the rest of their id."""
        return Results({name[len(prefix) :]: item for name, item in self.outcomes.items() if name.startswith(prefix)})


def _decode(value: object) -> object:
    if isinstance(value, Mapping):
        if set(value) == {"$bytes"}:
            return _from_base64(value["$bytes"])
        return {str(name): _decode(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str):
        message = "bytes are not base64 text"
        raise AnswerError(message)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = "bytes are not base64 text"
        raise AnswerError(message) from error


def _list(entry: Mapping[object, object], name: str) -> list[object]:
    value = entry.get(name, [])
    if not isinstance(value, list):
        message = f"{name!r} of a result is no list"
        raise AnswerError(message)
    return value


def _mapping(entry: Mapping[object, object], name: str) -> Mapping[object, object]:
    value = entry.get(name, {})
    if not isinstance(value, Mapping):
        message = f"{name!r} of a result is no object"
        raise AnswerError(message)
    return value


def _outcome(entry: Mapping[object, object]) -> Outcome:
    error: CallError | None = None
    raised = entry.get("error")
    if isinstance(raised, Mapping):
        error = CallError(
            id=str(raised.get("id", "")),
            category=str(raised.get("category", "")),
            message=str(raised.get("message", "")),
            accepted=bool(entry.get("accepted", False)),
        )
    elif raised is not None:
        message = "'error' of a result is no object"
        raise AnswerError(message)
    return Outcome(
        output=tuple(_decode(item) for item in _list(entry, "output")),
        attachments={str(name): _from_base64(content) for name, content in _mapping(entry, "attachments").items()},
        warnings=tuple(str(item) for item in _list(entry, "warnings")),
        error=error,
    )


def from_wire(answer: Mapping[str, object]) -> Results:
    """Read the answer of `invoke_cmdlets`.

    Raises AnswerError where it has another shape: a host is not trusted to answer well.
    """
    entries = answer.get("results")
    if not isinstance(entries, list):
        message = "there is no list of results"
        raise AnswerError(message)
    outcomes: dict[str, Outcome] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
            message = "a result has no id"
            raise AnswerError(message)
        outcomes[str(entry["id"])] = _outcome(entry)
    return Results(outcomes)
