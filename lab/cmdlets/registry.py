# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python function plays which cmdlet, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.model import Machine, World


class CmdletError(Exception):
    """What Windows would answer.

    `error_id` is the FullyQualifiedErrorId, `category` the ErrorCategory's name, `exception` the .NET type's.
    """

    def __init__(
        self,
        message: str,
        error_id: str,
        category: str = "NotSpecified",
        exception: str = "System.Management.Automation.RuntimeException",
    ) -> None:
        super().__init__(message)
        self.error_id = error_id
        self.category = category
        self.exception = exception


class NotEmulatedError(Exception):
    """Windows could do this and the lab cannot: no answer would be true, so the task fails whatever it accepts."""


@dataclass(frozen=True)
class SecureString:
    """A SecureString parameter; the text never shows in a repr."""

    text: str

    def __repr__(self) -> str:
        """Hide the text."""
        return "SecureString()"


@dataclass(frozen=True)
class Credential:
    """A PSCredential parameter."""

    username: str
    password: SecureString


@dataclass(frozen=True)
class PSObject:
    """An object a cmdlet returns: its properties, and the thing in the world it stands for (for a later -Parameter)."""

    type_name: str
    properties: Mapping[str, object]
    base: object = None


@dataclass(frozen=True)
class Bound:
    """Parameters as PowerShell's binder would hand them over: canonical names, converted values, the set chosen."""

    parameter_set: str
    values: Mapping[str, object]

    def __contains__(self, name: str) -> bool:
        """Whether the parameter was given."""
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the parameters given."""
        return iter(self.values)

    def get(self, name: str, default: object = None) -> object:
        """Value of a parameter, or the default where it was not given."""
        return self.values.get(name, default)

    def text(self, name: str, default: str = "") -> str:
        """Value of a string parameter."""
        return str(self.values.get(name, default))

    def flag(self, name: str) -> bool:
        """Value of a switch or Boolean parameter."""
        return bool(self.values.get(name, False))

    def data(self, name: str) -> bytes:
        """Value of a byte[] parameter."""
        value = self.values.get(name, b"")
        if not isinstance(value, bytes):
            raise TypeError(name)
        return value

    def texts(self, name: str) -> list[str]:
        """Value of a string[] parameter; a single string counts as one."""
        value = self.values.get(name)
        if value is None:
            return []
        return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


@dataclass(frozen=True)
class Session:
    """Who runs a cmdlet where; `user` is the account's name. `warn` adds to the warnings of the running call."""

    world: World
    machine: Machine
    clock: Clock
    user: str
    warn: Callable[[str], None]


Implementation = Callable[[Session, Bound], object]
"""Returns None, one object, or a list of objects (a list is a pipeline; bytes are one byte[])."""


@dataclass(frozen=True)
class Cmdlet:
    """A cmdlet of a Windows module."""

    module: str
    name: str
    run: Implementation


CMDLETS: Final[dict[str, Cmdlet]] = {}
"""By name in lower case."""


def cmdlet(module: str, name: str) -> Callable[[Implementation], Implementation]:
    """Register the decorated function as the cmdlet `name` of the Windows module `module`."""

    def register(function: Implementation) -> Implementation:
        key = name.lower()
        if key in CMDLETS:
            message = f"{name} is registered twice"
            raise ValueError(message)
        CMDLETS[key] = Cmdlet(module, name, function)
        return function

    return register
