# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wire asks of a Windows machine: who may log on, and to run one module or one script."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .process_result import ProcessResult
from .recognised_scripts import ScriptRequest

__all__ = ["Execution", "ModuleExecution", "ProcessResult", "ScriptExecution", "Target"]


@dataclass(frozen=True)
class ModuleExecution:
    """An Ansible module, unpacked from the exec wrapper that carries it."""

    name: str
    """As Ansible names it, mostly the fully qualified collection name."""
    source: bytes
    """The module's PowerShell text as sent; its SHA-256 tells which module it really is."""
    arguments: Mapping[str, object]
    internal: Mapping[str, object] = field(default_factory=dict)
    """The `_ansible_*` arguments, such as `_ansible_check_mode`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables the task asks for."""

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the source, lower-case hex."""
        return hashlib.sha256(self.source).hexdigest()


@dataclass(frozen=True)
class ScriptExecution:
    """A script that is no module. Only those whose whole text is known get this far: `request` is what it means."""

    text: str
    stdin: bytes
    request: ScriptRequest


Execution = ModuleExecution | ScriptExecution


class Target(Protocol):
    """An emulated Windows machine."""

    @property
    def name(self) -> str:
        """The machine's computer name, as it stands in SOAP faults."""

    def password_of(self, username: str) -> str | None:
        r"""Return the password of an account that may log on now, None for any other.

        `username` is as the client sent it: `Administrator`, `DOMAIN\user` or `user@domain`, in any case.
        """

    async def execute(self, execution: Execution, user: str) -> ProcessResult:
        """Run a module or a recognised script as `user` (as the client named the account)."""
