# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes every result of a run as one line of JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: recording
type: notification
short_description: Write every result as a line of JSON
description: Appends to the file named by the environment variable RECORDING.
requirements: []
"""


class CallbackModule(CallbackBase):
    """Records results."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "recording"
    CALLBACK_NEEDS_ENABLED = True

    def _record(self, outcome: str, result: Any) -> None:  # noqa: ANN401 - Ansible's own type
        line = {
            "outcome": outcome,
            "host": result._host.get_name(),
            "task": result._task.get_name(),
            "action": result._task.action,
            "result": result._result,
        }
        with Path(os.environ["RECORDING"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:  # noqa: ANN401 - as above
        """Record a task that went well."""
        self._record("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ANN401, ARG002, FBT001, FBT002 - Ansible's signature
        """Record a task that failed."""
        self._record("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:  # noqa: ANN401 - as above
        """Record a host that could not be reached."""
        self._record("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:  # noqa: ANN401 - as above
        """Record a task that was skipped."""
        self._record("skipped", result)
