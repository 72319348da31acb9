# SPDX-License-Identifier: GPL-3.0-or-later
"""From a decoded or refused payload to the output of a process, whatever happens on the way."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from .payload import UnsupportedModuleError, UnsupportedScriptError
from .target import Execution, ModuleExecution, ProcessResult, Target

logger = logging.getLogger(__name__)

Decoder = Callable[[str, bytes], Execution]


def module_failure(message: str) -> ProcessResult:
    """Return what a module prints that fails with this message."""
    return ProcessResult(1, json.dumps({"failed": True, "msg": message}).encode() + b"\r\n")


def script_failure(message: str) -> ProcessResult:
    """Return what a script leaves that fails with this message; on both streams: each plugin shows the one or other."""
    line = message.encode("utf-8", "replace") + b"\r\n"
    return ProcessResult(1, line, line)


async def execute(target: Target, decode: Decoder, text: str, stdin: bytes, user: str) -> ProcessResult:
    """Decode and run; a refusal or a bug of the lab comes back as a failed task that names it, never as silence."""
    try:
        execution = decode(text, stdin)
    except UnsupportedModuleError as error:
        return module_failure(str(error))
    except UnsupportedScriptError as error:
        return script_failure(str(error))
    failure = module_failure if isinstance(execution, ModuleExecution) else script_failure
    try:
        return await target.execute(execution, user)
    except Exception as error:
        logger.exception("%s: a bug of the lab", target.name)
        return failure(f"This is a bug of the lab, not of the playbook: {error!r}")
