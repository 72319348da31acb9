# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for the wire to talk to, and a thread in which it listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from ansible_collections.guarded.fabric.lab.wire.recognised_scripts import WhoAmI
from ansible_collections.guarded.fabric.lab.wire.target import (
    Execution,
    ModuleExecution,
    ProcessResult,
    ScriptExecution,
)

T = TypeVar("T")

USER = "Administrator"
PASSWORD = "P@ss:w0rd! ü"


async def answer_whoami(execution: Execution, user: str) -> ProcessResult:
    match execution:
        case ModuleExecution():
            return ProcessResult(0, b'{"changed": false, "ping": "pong"}\r\n')
        case ScriptExecution(request=WhoAmI() as request):
            return request.answer(f"LAB\\{user}")
        case _:
            raise NotImplementedError(execution)


@dataclass
class Machine:
    """Remembers what it was asked to run; `behaviour` runs it."""

    name: str = "LAB"
    passwords: dict[str, str] = field(default_factory=lambda: {USER.lower(): PASSWORD})
    behaviour: Callable[[Execution, str], Awaitable[ProcessResult]] = answer_whoami
    executions: list[tuple[Execution, str]] = field(default_factory=list)

    def password_of(self, username: str) -> str | None:
        return self.passwords.get(username.lower())

    async def execute(self, execution: Execution, user: str) -> ProcessResult:
        self.executions.append((execution, user))
        return await self.behaviour(execution, user)

    def says(self, result: ProcessResult, *, after: float = 0.0) -> None:
        """Let every execution end like this, after so many seconds."""

        async def behaviour(execution: Execution, user: str) -> ProcessResult:
            del execution, user
            await asyncio.sleep(after)
            return result

        self.behaviour = behaviour


@dataclass(frozen=True)
class LoopThread:
    """An event loop in a thread of its own, because the clients under test block."""

    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def loop_thread() -> Iterator[LoopThread]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield LoopThread(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
