# SPDX-License-Identifier: GPL-3.0-or-later
"""The `cmd` shell of WinRS, as pywinrm uses it: a command line, standard input, output and an exit code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from . import faults
from .execution import execute
from .payload import decode_command_line
from .shell import MAX_COMMANDS, MAX_INPUT_BYTES, Input, Received, StreamPart
from .target import ProcessResult, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESOURCE_URI: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"


@dataclass
class _Command:
    line: str
    stdin: bytearray = field(default_factory=bytearray)
    task: asyncio.Task[None] | None = None
    result: ProcessResult | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    """Bytes of output that the client has received, standard output first."""

    def end(self) -> None:
        """Stop running and wake who waits."""
        if self.task is not None:
            self.task.cancel()
        self.finished.set()


@dataclass
class CommandShell:
    """A `cmd` shell."""

    target: Target
    user: str
    input_streams: str = "stdin"
    output_streams: str = "stdout stderr"
    _commands: dict[str, _Command] = field(default_factory=dict)

    def command(self, command_id: str, command: str, arguments: Sequence[str], options: Mapping[str, str]) -> None:
        """Start a command: at once, or after its last input where WINRS_CONSOLEMODE_STDIN says that input comes."""
        if command_id in self._commands:
            raise faults.invalid_body(f"CommandId {command_id} is in use")
        if len(self._commands) >= MAX_COMMANDS:
            raise faults.too_many_commands(MAX_COMMANDS)
        started = self._commands[command_id] = _Command(" ".join([command, *arguments]).strip())
        if options.get("WINRS_CONSOLEMODE_STDIN", "TRUE").upper() == "TRUE":
            self._start(started)

    def _start(self, command: _Command) -> None:
        command.task = asyncio.create_task(self._run(command))

    async def _run(self, command: _Command) -> None:
        stdin = bytes(command.stdin)
        command.stdin.clear()
        command.result = await execute(self.target, decode_command_line, command.line, stdin, self.user)
        command.finished.set()

    def _find(self, command_id: str) -> _Command:
        command = self._commands.get(command_id)
        if command is None:
            raise faults.unknown_command()
        return command

    def send(self, data: Input) -> None:
        """Take standard input; the command runs once its end is there."""
        command = self._find(data.command_id)
        if command.task is not None:
            return
        kept = sum(len(other.stdin) for other in self._commands.values())
        if kept + len(data.data) > MAX_INPUT_BYTES:
            raise faults.too_much_input(MAX_INPUT_BYTES)
        command.stdin += data.data
        if data.end:
            self._start(command)

    async def receive(self, command_id: str, budget: int) -> Received:
        """Wait for the command to end, then hand out its output piece by piece."""
        command = self._find(command_id)
        await command.finished.wait()
        if command.result is None:
            raise faults.aborted()
        result = command.result
        stdout = result.stdout[command.sent : command.sent + budget]
        offset = max(0, command.sent - len(result.stdout))
        stderr = result.stderr[offset : offset + budget - len(stdout)]
        command.sent += len(stdout) + len(stderr)
        parts = [StreamPart(name, data) for name, data in (("stdout", stdout), ("stderr", stderr)) if data]
        if command.sent < len(result.stdout) + len(result.stderr):
            return Received(tuple(parts), done=False)
        # Not every client signals in the end, and there is nothing left to be asked for.
        self.signal(command_id)
        ends = (StreamPart("stdout", b"", end=True), StreamPart("stderr", b"", end=True))
        return Received((*parts, *ends), done=True, rc=result.rc)

    def signal(self, command_id: str) -> None:
        """End a command."""
        command = self._commands.pop(command_id, None)
        if command is not None:
            command.end()

    def close(self) -> None:
        """End all commands."""
        for command_id in list(self._commands):
            self.signal(command_id)
