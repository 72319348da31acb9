# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket of a running lab: one JSON object per line asks for a verb, one answers.

The socket is in the lab's own directory, which only its owner can enter.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .control_client import ControlError
from .story import Story, StoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .server import LabServer

_LOG = logging.getLogger(__name__)
_LONGEST_REQUEST: Final = 64 * 1024


class Verbs:
    """What can be asked of a running lab."""

    def __init__(self, server: LabServer) -> None:
        """Answer for a lab."""
        self._server = server
        story = Story(server.world, server.clock)
        self._verbs: dict[str, Callable[..., object]] = {
            "status": story.status,
            "statistics": self._statistics,
            "stop": self._stop,
            "tamper-firmware": story.tamper_firmware,
            "make-unready": story.make_unready,
            "update-host": story.update_host,
            "stage-update": story.stage_update,
            "copy-vm": story.copy_vm,
            "read-disk": story.read_disk,
            "add-rogue": story.add_rogue,
            "add-reader": story.add_reader,
            "kill": story.kill,
            "break-restart": story.break_restart,
            "revive": story.revive,
            "move-clock": story.move_clock,
        }

    def run(self, verb: str, arguments: Mapping[str, Any]) -> object:
        """Run a verb. Raises ControlError."""
        function = self._verbs.get(verb)
        if function is None:
            raise ControlError(f"the lab knows no {verb!r}")
        try:
            result = function(**arguments)
        except (StoryError, TypeError) as error:
            raise ControlError(str(error)) from error
        self._server.add_listeners()
        self._server.save()
        return result

    def _stop(self) -> None:
        self._server.stop()

    def _statistics(self) -> dict[str, object]:
        counted = self._server.reader.statistics
        return {
            "executions": counted.executions,
            "calls": counted.calls,
            "changes": counted.changes,
            "connections": self._server.capacity.taken,
        }


@dataclass
class ControlSocket:
    """Listens on a UNIX socket."""

    path: Path
    verbs: Verbs
    _server: asyncio.Server | None = field(default=None, init=False)

    async def open(self) -> None:
        """Listen; a socket that a lab which is gone has left is replaced."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=_LONGEST_REQUEST)

    async def close(self) -> None:
        """Stop to listen."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            answer = {"result": self.verbs.run(str(request["verb"]), dict(request.get("arguments") or {}))}
        except ControlError as error:
            answer = {"error": str(error)}
        except (ValueError, KeyError, TypeError) as error:
            answer = {"error": f"no request: {error}"}
        except Exception as error:  # noqa: BLE001 - one bad verb must not end the lab
            _LOG.exception("a bug of the lab")
            answer = {"error": f"a bug of the lab: {error!r}"}
        writer.write(json.dumps(answer, default=str).encode() + b"\n")
        await writer.drain()
        writer.close()
