# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The form in which calls travel to the module `invoke_cmdlets` and their results come back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from functools import singledispatch

from .calls import Bytes, Call, CallError, Credential, File, Outcome, Ref, Results, Secret, Value


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
    return {"$secret": str(value.text)}


@_encode.register
def _(value: Credential) -> object:
    return {"$credential": {"username": str(value.username), "password": str(value.password.text)}}


@_encode.register
def _(value: Bytes) -> object:
    return {"$bytes": base64.b64encode(value.content).decode()}


@_encode.register
def _(value: File) -> object:
    _stem, dot, ending = value.name.rpartition(".")
    return {"$file": {"content": base64.b64encode(value.content).decode(), "suffix": dot + ending if dot else ""}}


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
    """A host answered something that is no answer of `invoke_cmdlets`."""


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
