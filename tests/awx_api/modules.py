# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of awx.awx, run in this process: a whole AWX is a hundred of them, and a process each takes minutes."""

from __future__ import annotations

import importlib
import io
import json
import warnings
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from ansible.module_utils import basic

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Modules:
    """Runs modules of awx.awx as an account of an AWX."""

    host: str
    username: str
    password: str

    def run(self, kind: str, arguments: Mapping[str, object], check: bool) -> dict[str, Any]:  # noqa: FBT001
        """Run one, and return its result."""
        sent = {
            "controller_host": self.host,
            "controller_username": self.username,
            "controller_password": self.password,
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": "/tmp",  # noqa: S108 - these modules write nothing there
            **arguments,
        }
        said = io.StringIO()
        with (
            warnings.catch_warnings(),
            mock.patch.multiple(
                basic, _ANSIBLE_ARGS=json.dumps({"ANSIBLE_MODULE_ARGS": sent}).encode(), _ANSIBLE_PROFILE="legacy"
            ),
        ):
            warnings.simplefilter("ignore")  # what awx.awx still imports is not ours
            module = importlib.import_module(f"ansible_collections.awx.awx.plugins.modules.{kind}")
            # A project's module waits a second after its update; and each request loads all authorities of the machine,
            # though there is no TLS on loopback.
            slow = (mock.patch("time.sleep"), mock.patch("ssl.SSLContext.set_default_verify_paths"))
            with slow[0], slow[1], redirect_stdout(said), suppress(SystemExit):
                module.main()
        result: dict[str, Any] = json.loads(said.getvalue())
        return result
