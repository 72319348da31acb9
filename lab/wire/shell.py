# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of remote shell does, as the WS-Management service sees it ([MS-WSMV] 3.1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_INPUT_BYTES: Final = 16 * 1024 * 1024
"""Input kept for all commands of one shell together."""
MAX_COMMANDS: Final = 100
"""Commands of one shell whose output a client has not received to the end."""


@dataclass(frozen=True)
class StreamPart:
    """A piece of an output stream; `end` marks its last."""

    name: str
    data: bytes
    end: bool = False


@dataclass(frozen=True)
class Received:
    """Output of a command or, where `done` is None, of the shell itself. `rc` counts when `done`."""

    parts: tuple[StreamPart, ...]
    done: bool | None = None
    rc: int = 0


@dataclass(frozen=True)
class Input:
    """Data that a client sends to a stream of a command, or of the shell (`command_id` empty)."""

    command_id: str
    data: bytes
    end: bool


class Shell(Protocol):
    """A shell a client has opened. Methods raise WsManFaultError."""

    @property
    def user(self) -> str:
        """Who opened it."""

    @property
    def input_streams(self) -> str:
        """Names of the input streams."""

    @property
    def output_streams(self) -> str:
        """Names of the output streams."""

    def command(self, command_id: str, command: str, arguments: Sequence[str], options: Mapping[str, str]) -> None:
        """Start a command."""

    def send(self, data: Input) -> None:
        """Take input."""

    async def receive(self, command_id: str, budget: int) -> Received:
        """Wait for output, return at most `budget` bytes of it. Cancelled while it waits, nothing is lost."""

    def signal(self, command_id: str) -> None:
        """End a command; its identifier is free afterwards."""

    def close(self) -> None:
        """End all commands."""
