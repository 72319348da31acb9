# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form in which calls travel to the module `invoke_cmdlets` and their results come back."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import singledispatch

from .calls import ANY_ERROR, Bytes, Call, CallError, Credential, File, Outcome, Ref, Results, Secret, Value

LARGEST_CONTENT = 8 * 1024 * 1024
"""Bytes of a file or a byte[] that a host gives. No artifact of a guarded fabric is larger."""

SECURE = "$secret"
"""Tag of a SecureString."""


class Hidden(str):
    """A secret on its way to the module: Ansible writes the arguments of modules to its debug log."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Say that there is something."""
        return "'********'"


@singledispatch
def _encode(value: Value) -> object:
    # None, numbers, Booleans: as they are.
    return value


@_encode.register
def _(value: str) -> object:
    # Ansible's tagged strings are a subclass; the wire carries the plain text.
    return str(value)


@_encode.register
def _(value: Ref) -> object:
    return {"$ref": ".".join((value.call, *value.path))}


@_encode.register
def _(value: Secret) -> object:
    return {SECURE: Hidden(value.text)}


@_encode.register
def _(value: Credential) -> object:
    return {"$credential": {"username": str(value.username), "password": Hidden(value.password.text)}}


@_encode.register
def _(value: Bytes) -> object:
    return {"$bytes": base64.b64encode(value.content).decode()}


@_encode.register
def _(value: File) -> object:
    _stem, dot, ending = value.name.rpartition(".")
    content = Hidden(base64.b64encode(value.content).decode())
    return {"$file": {"content": content, "suffix": dot + ending if dot else ""}}


@_encode.register(Mapping)
def _(value: Mapping[str, Value]) -> object:
    return {str(name): _encode(item) for name, item in value.items()}


@_encode.register(list)
@_encode.register(tuple)
def _(value: Sequence[Value]) -> object:
    return [_encode(item) for item in value]


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


class AnswerError(ValueError):
    """A host answered something that is no answer of `invoke_cmdlets` to the calls that it was sent."""


DEEPEST = 16
"""Levels of lists and objects in a value. Cmdlets that are asked for properties give two or three."""

LARGEST_NUMBER = 2**96
"""[decimal] is Windows' widest number."""


def _decode(value: object, depth: int = 0) -> object:
    if depth > DEEPEST:
        message = f"a value is nested deeper than {DEEPEST} levels"
        raise AnswerError(message)
    if isinstance(value, Mapping):
        if set(value) == {"$bytes"}:
            return _from_base64(value["$bytes"])
        return {_text(name): _decode(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if value is None:
        return None
    message = f"a value is no JSON but {type(value).__name__}"
    raise AnswerError(message)


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"a name is no text but {type(value).__name__}"
        raise AnswerError(message)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = "a text has half of a surrogate pair"
        raise AnswerError(message) from error
    return str(value)


def _number(value: float) -> float:
    # JSON readers take 1e999 for infinity; `not <` is true of NaN as well.
    if not abs(value) < LARGEST_NUMBER:
        message = "a number is larger than any of Windows"
        raise AnswerError(message)
    return value


def _from_base64(text: object) -> bytes:
    if not isinstance(text, str):
        message = "bytes are not base64 text"
        raise AnswerError(message)
    if len(text) > LARGEST_CONTENT * 4 // 3 + 4:
        message = f"bytes are more than {LARGEST_CONTENT}"
        raise AnswerError(message)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
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


def accepts(call: Call, error: str) -> bool:
    """Whether an error is an answer, as the module tells it: -in of PowerShell ignores case."""
    accepted = {name.casefold() for name in call.accept}
    return not accepted.isdisjoint({ANY_ERROR, error.casefold(), error.partition(",")[0].casefold()})


def _error(entry: Mapping[object, object], call: Call) -> CallError | None:
    if "error" not in entry:
        return None
    raised = _mapping(entry, "error")
    error = CallError(
        id=str(raised.get("id", "")),
        category=str(raised.get("category", "")),
        message=str(raised.get("message", "")),
        accepted=entry.get("accepted") is True,
    )
    if error.accepted and not accepts(call, error.id):
        message = f"{call.cmdlet} failed, and that is said to be an answer"
        raise AnswerError(message)
    return error


def _output(entry: Mapping[object, object], call: Call) -> tuple[object, ...]:
    output = tuple(_decode(item) for item in _list(entry, "output"))
    for item in output:
        if isinstance(item, list) or (isinstance(item, Mapping) and not set(item) <= {*call.select, SECURE}):
            message = f"{call.cmdlet} gave what it was not asked for"
            raise AnswerError(message)
    return output


def _attachments(entry: Mapping[object, object], call: Call) -> dict[str, bytes]:
    attached = _mapping(entry, "attachments")
    if not set(attached) <= set(call.attach):
        message = f"{call.cmdlet} gave a file that it was not asked for"
        raise AnswerError(message)
    return {str(name): _from_base64(content) for name, content in attached.items()}


def _outcome(entry: Mapping[object, object], call: Call) -> Outcome:
    return Outcome(
        output=_output(entry, call),
        attachments=_attachments(entry, call),
        warnings=tuple(str(item) for item in _list(entry, "warnings")),
        error=_error(entry, call),
    )


def from_wire(answer: Mapping[str, object], calls: Sequence[Call]) -> Results:
    """Read the answer of `invoke_cmdlets` to these calls: one result for each, in order, up to the first that failed.

    Raises AnswerError where it has another shape: a host is not trusted to answer well.
    """
    entries = answer.get("results")
    if not isinstance(entries, list):
        message = "there is no list of results"
        raise AnswerError(message)
    if len(entries) > len(calls):
        message = "there are more results than calls"
        raise AnswerError(message)
    outcomes: dict[str, Outcome] = {}
    for number, (entry, call) in enumerate(zip(entries, calls, strict=False), 1):
        if not isinstance(entry, Mapping) or entry.get("id") != call.id:
            message = f"result {number} is not that of call {call.id!r}"
            raise AnswerError(message)
        outcome = _outcome(entry, call)
        if outcome.error is not None and not outcome.error.accepted and number < len(entries):
            message = f"there are results after {call.cmdlet} failed"
            raise AnswerError(message)
        outcomes[call.id] = outcome
    return Results(outcomes)
