# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls as the PowerShell an administrator would type, to read, review or paste.

This text is never run by the collection. Secrets become prompts, so the text can be shown to anyone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch

from .calls import Bytes, Call, Credential, File, Ref, Restart, Secret, Step, Value

# PowerShell ends a single-quoted string at any of these (about_Quoting_Rules; tokenizer's IsSingleQuote).
_SINGLE_QUOTES = re.compile(
    "(['\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
    "\N{SINGLE LOW-9 QUOTATION MARK}\N{SINGLE HIGH-REVERSED-9 QUOTATION MARK}])"
)
_VARIABLE = re.compile(r"[^A-Za-z0-9_]")


def quote(text: str) -> str:
    """Return text as a PowerShell string literal in which nothing is interpreted."""
    return "'" + _SINGLE_QUOTES.sub(r"\1\1", text) + "'"


def _variable(call_id: str) -> str:
    return "$" + _VARIABLE.sub("_", "r" + call_id if call_id[:1].isdigit() else call_id)


@singledispatch
def _value(value: Value) -> str:
    """Return a value as PowerShell."""
    return "$null" if value is None else str(value)


@_value.register(bool)
def _(value: Value) -> str:
    return "$true" if value else "$false"


@_value.register
def _(value: str) -> str:
    return quote(value)


@_value.register
def _(value: Ref) -> str:
    return _variable(value.call) + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in value.path)


@_value.register(Secret)
def _(_value: Value) -> str:
    return "(Read-Host -AsSecureString)"


@_value.register
def _(value: Credential) -> str:
    return f"(Get-Credential -Credential {quote(value.username)})"


@_value.register
def _(value: File) -> str:
    return quote(".\\" + value.name)


@_value.register
def _(value: Bytes) -> str:
    return f"([IO.File]::ReadAllBytes({quote(value.name)}))"


@_value.register(Mapping)
def _(value: Mapping[str, Value]) -> str:
    pairs = "; ".join(f"{quote(key)} = {_value(item)}" for key, item in value.items())
    return "@{ " + pairs + " }" if pairs else "@{}"


@_value.register(list)
@_value.register(tuple)
def _(value: Sequence[Value]) -> str:
    return "@(" + ", ".join(_value(item) for item in value) + ")"


def _parameter(name: str, value: Value) -> str:
    # -Name:$true is right for a switch and for a Boolean parameter alike.
    if isinstance(value, bool):
        return f"-{name}:{_value(value)}"
    return f"-{name} {_value(value)}"


def _referenced(value: Value) -> set[str]:
    if isinstance(value, Ref):
        return {value.call}
    if isinstance(value, Mapping):
        return set().union(*(_referenced(item) for item in value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return set().union(*(_referenced(item) for item in value))
    return set()


def render_call(call: Call) -> str:
    """Return one call as a line of PowerShell, without keeping its result."""
    return " ".join([call.cmdlet, *(_parameter(name, value) for name, value in call.parameters.items())])


def render(steps: Iterable[Step]) -> list[str]:
    """Return steps as lines of PowerShell. A result that a later call refers to is kept in a variable."""
    listed = list(steps)
    kept = {name for step in listed if isinstance(step, Call) for name in _referenced(step.parameters)}
    lines = []
    for step in listed:
        if isinstance(step, Restart):
            lines.append(f"Restart-Computer -Force  # {' '.join(step.reason.split())}")
        else:
            assigned = f"{_variable(step.id)} = " if step.id in kept else ""
            lines.append(assigned + render_call(step))
    return lines
