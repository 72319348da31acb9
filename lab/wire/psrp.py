# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell remoting shell ([MS-PSRP]), on psrpcore's server side: scripts with input and output."""

from __future__ import annotations

import asyncio
import base64
import struct
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psrpcore import (
    CreatePipelineEvent,
    EndOfPipelineInputEvent,
    PipelineInputEvent,
    PowerShell,
    PSRPCoreError,
    PSRPEvent,
    PSRPPayload,
    ServerPipeline,
    ServerRunspacePool,
    StreamType,
)
from psrpcore.types import ErrorCategory, ErrorCategoryInfo, HostMethodIdentifier, NETException

from . import faults
from .execution import execute, script_failure
from .payload import decode_script
from .shell import MAX_COMMANDS, MAX_INPUT_BYTES, Input, Received, StreamPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .target import ProcessResult, Target

RESOURCE_URI: Final = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"

_FRAGMENT_BYTES: Final = 32 * 1024
"""Small enough for any client's MaxEnvelopeSize in base64."""
_MALFORMED: Final = (
    *(PSRPCoreError, struct.error, SyntaxError),
    *(AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError),
)
"""What psrpcore raises where a message is not what it should be; SyntaxError is that of its XML parser."""


@dataclass
class _Output:
    """Fragments on their way to the client; `ready` is set while there is something to receive."""

    fragments: deque[bytes] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    complete: bool = False

    def take(self, budget: int) -> bytes:
        """Return the next fragments, as many as fit the budget but at least one."""
        taken = bytearray(self.fragments.popleft() if self.fragments else b"")
        while self.fragments and len(taken) + len(self.fragments[0]) <= budget:
            taken += self.fragments.popleft()
        if not self.fragments and not self.complete:
            self.ready.clear()
        return bytes(taken)


@dataclass
class _Pipeline:
    state: ServerPipeline
    output: _Output = field(default_factory=_Output)
    stdin: list[str] = field(default_factory=list)
    received: int = 0
    """Bytes of messages."""
    task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Stop running and wake who waits."""
        if self.task is not None:
            self.task.cancel()
        self.output.complete = True
        self.output.ready.set()


class PowerShellShell:
    """A runspace pool. It runs one script a pipeline; a pipeline of cmdlets would need PowerShell and is refused."""

    input_streams = "stdin pr"
    output_streams = "stdout"

    def __init__(self, target: Target, user: str, creation: str) -> None:
        """Open the pool with the client's first messages, in base64."""
        self.user = user
        self._target = target
        self._pool = ServerRunspacePool()
        self._output = _Output()
        self._pipelines: dict[uuid.UUID, _Pipeline] = {}
        self._received = 0
        self._broken = False
        try:
            self._feed(None, base64.b64decode(creation, validate=True))
        except ValueError as error:
            raise faults.invalid_body("creationXml is no base64") from error

    def command(self, command_id: str, command: str, arguments: Sequence[str], options: Mapping[str, str]) -> None:
        """Create a pipeline out of the fragments that stand in the arguments."""
        del command, options
        identifier = _identifier(command_id)
        if identifier in self._pipelines:
            raise faults.invalid_body(f"CommandId {command_id} is in use")
        try:
            fragments = base64.b64decode("".join(arguments), validate=True)
        except ValueError as error:
            raise faults.invalid_body("the arguments are no base64") from error
        if len(self._pipelines) >= MAX_COMMANDS:
            raise faults.too_many_commands(MAX_COMMANDS)
        self._pipelines[identifier] = _Pipeline(ServerPipeline(self._pool, identifier))
        self._feed(identifier, fragments)

    def send(self, data: Input) -> None:
        """Take messages for the pool or a pipeline."""
        if not data.command_id:
            self._feed(None, data.data)
            return
        identifier = _identifier(data.command_id)
        self._find(identifier)
        self._feed(identifier, data.data)

    async def receive(self, command_id: str, budget: int) -> Received:
        """Wait for messages of a pipeline or the pool."""
        if not command_id:
            await self._output.ready.wait()
            return Received((StreamPart("stdout", self._output.take(budget)),))
        identifier = _identifier(command_id)
        output = self._find(identifier).output
        await output.ready.wait()
        if identifier not in self._pipelines:
            raise faults.aborted()
        data = output.take(budget)
        done = output.complete and not output.fragments
        if done:
            # Not every client signals in the end, and there is nothing left to be asked for.
            self.signal(command_id)
        return Received((StreamPart("stdout", data),), done=done)

    def signal(self, command_id: str) -> None:
        """Stop a pipeline and forget it."""
        identifier = _identifier(command_id)
        pipeline = self._pipelines.pop(identifier, None)
        if pipeline is not None:
            pipeline.end()
            self._pool.pipeline_table.pop(identifier, None)

    def close(self) -> None:
        """Stop all pipelines."""
        for identifier in list(self._pipelines):
            self.signal(str(identifier))

    def _find(self, identifier: uuid.UUID) -> _Pipeline:
        pipeline = self._pipelines.get(identifier)
        if pipeline is None:
            raise faults.unknown_command()
        return pipeline

    def _feed(self, identifier: uuid.UUID | None, fragments: bytes) -> None:
        if self._broken:
            raise faults.invalid_body("an earlier message was malformed")
        kept = self._received + sum(pipeline.received for pipeline in self._pipelines.values())
        if kept + len(fragments) > MAX_INPUT_BYTES:
            raise faults.too_much_input(MAX_INPUT_BYTES)
        if identifier is None:
            self._received += len(fragments)
        else:
            self._pipelines[identifier].received += len(fragments)
        self._pool.receive_data(PSRPPayload(fragments, StreamType.default, identifier))
        while (event := self._next_event()) is not None:
            self._handle(event)
        self._flush()

    def _next_event(self) -> PSRPEvent[Any, Any] | None:
        try:
            return self._pool.next_event()
        except _MALFORMED as error:
            # What is wrong stays in the pool's buffers, and so would all that follows it.
            self._broken = True
            raise faults.invalid_body(f"a message of PowerShell remoting is malformed: {error!r}") from error

    def _flush(self) -> None:
        """Move what the pool has to send to the queue of whom it is for."""
        while (payload := self._pool.data_to_send(_FRAGMENT_BYTES)) is not None:
            pipeline = self._pipelines.get(payload.pipeline_id) if payload.pipeline_id else None
            output = pipeline.output if pipeline else self._output
            output.fragments.append(payload.data)
            output.ready.set()

    def _handle(self, event: PSRPEvent[Any, Any]) -> None:
        pipeline = self._pipelines.get(event.pipeline_id) if event.pipeline_id else None
        if pipeline is None:
            return
        match event:
            case CreatePipelineEvent() if getattr(event.pipeline, "no_input", True):
                self._start(pipeline)
            case PipelineInputEvent():
                items = event.data if isinstance(event.data, list) else [event.data]
                pipeline.stdin.extend(str(item) for item in items)
            case EndOfPipelineInputEvent():
                self._start(pipeline)
            case _:
                pass

    def _start(self, pipeline: _Pipeline) -> None:
        if pipeline.task is None:
            pipeline.state.start()
            pipeline.task = asyncio.create_task(self._run(pipeline))

    async def _run(self, pipeline: _Pipeline) -> None:
        script = _only_script(pipeline.state.metadata)
        if script is None:
            result = script_failure(
                "The lab interprets no PowerShell: a pipeline must be one script without parameters"
            )
        else:
            stdin = "\n".join(pipeline.stdin).encode("utf-8", "surrogatepass")
            pipeline.stdin.clear()
            result = await execute(self._target, decode_script, script, stdin, self.user)
        _write_result(pipeline.state, result)
        pipeline.state.complete()
        pipeline.state.close()
        self._flush()
        pipeline.output.complete = True
        pipeline.output.ready.set()


def _identifier(command_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(command_id)
    except ValueError as error:
        raise faults.unknown_command() from error


def _only_script(metadata: object) -> str | None:
    """Return the text of a pipeline that is one script and nothing else."""
    if not isinstance(metadata, PowerShell) or len(metadata.commands) != 1:
        return None
    command = metadata.commands[0]
    return command.command_text if command.is_script and not command.parameters else None


def _write_result(state: ServerPipeline, result: ProcessResult) -> None:
    """Say it as PowerShell does: output objects, error records or lines, and `exit` as a call of the client's host."""
    if result.stdout:
        state.write_output(result.stdout.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r"))
    if stderr := result.stderr.decode("utf-8", "replace").rstrip("\r\n"):
        if result.rc:
            category = ErrorCategoryInfo(Category=ErrorCategory.NotSpecified, Reason="RuntimeException")
            state.write_error(NETException(Message=stderr), category, fully_qualified_error_id="RuntimeException")
        else:
            state.host_call(HostMethodIdentifier.WriteErrorLine, [stderr])
    if result.rc:
        state.host_call(HostMethodIdentifier.SetShouldExit, [result.rc])
