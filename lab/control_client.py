# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a running lab over its control socket."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ControlError(Exception):
    """The lab does not run, or refused what it was asked for."""


class NotRunningError(ControlError):
    """No lab listens on the control socket."""


def ask(path: Path, verb: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
    """Ask a running lab for a verb. Raises ControlError."""
    request = json.dumps({"verb": verb, "arguments": arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(request)
            with connection.makefile("rb") as stream:
                text = stream.read()
    except OSError as error:
        raise NotRunningError("no lab runs here") from error
    answer = json.loads(text) if text else {"error": "the lab ended"}
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer["result"]
