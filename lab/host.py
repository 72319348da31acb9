# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of the world as the wire sees it: who may log on, and what a module or a recognised script does there."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .cmdlets.registry import NotEmulatedError
from .reading import Reader, User
from .wire.recognised_scripts import (
    AbortShutdown,
    BootTimeQuery,
    HostName,
    LogonScreenQuery,
    RebootRequest,
    ScriptRequest,
    WhoAmI,
)
from .wire.target import Execution, ModuleExecution, ProcessResult
from .world import code_integrity_state, directory, restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .world.model import Machine

_INVOKE_CMDLETS: Final = Path(__file__).resolve().parents[1] / "plugins" / "modules" / "invoke_cmdlets.ps1"
_PING: Final = frozenset({"win_ping", "ansible.windows.win_ping", "ansible.legacy.ping"})
"""The last is how ansible-core calls win_ping for itself, in wait_for_connection."""

_SHORTEST_SHUTDOWN: Final = 0.25
"""Real seconds from the order to restart to the shutdown, however fast the clock runs: the answer has to get out."""
_ALREADY_SCHEDULED, _NOT_IN_PROGRESS = 1190, 1116

_CONSTRAINED: Final = ProcessResult(
    1,
    b"",
    b"Cannot invoke method. Method invocation is supported only on core types in this language mode.\r\n"
    b"    + FullyQualifiedErrorId : MethodInvocationNotSupportedInConstrainedLanguage\r\n",
)
"""What becomes of Ansible's wrapper, which is unsigned. The lab does not check signatures, so it has no signed one."""


def known_module() -> str:
    """Return the SHA-256 of the only module of this collection that runs on a host."""
    return hashlib.sha256(_INVOKE_CMDLETS.read_bytes()).hexdigest()


class Host:
    """The wire's target for one machine. `changed` is told after each execution, so that it can be saved."""

    def __init__(self, reader: Reader, machine: Machine, module: str, changed: Callable[[Machine], None]) -> None:
        """Play a machine; `module` is what `known_module` returns."""
        self._reader = reader
        self._machine = machine
        self._module = module
        self._changed = changed

    @property
    def name(self) -> str:
        """The computer name."""
        return self._machine.name.upper()

    def password_of(self, username: str) -> str | None:
        """Return the password of an account that may log on now."""
        account = directory.account(self._reader.world, self._machine, username)
        return None if account is None else account.password

    async def execute(self, execution: Execution, user: str) -> ProcessResult:
        """Run a module or a recognised script."""
        try:
            if code_integrity_state.scripts_are_constrained(self._machine):
                return _CONSTRAINED
            if isinstance(execution, ModuleExecution):
                return self._module_result(execution, self._user(user))
            return self._script(execution.request, self._user(user))
        finally:
            self._changed(self._machine)

    def _user(self, name: str) -> User:
        account = directory.account(self._reader.world, self._machine, name)
        if account is None:
            return User(name, administrator=False)
        domain = directory.find(self._reader.world, self._machine.domain or "")
        of_domain = domain is not None and account in domain.accounts.values()
        authority = domain.netbios if of_domain and domain is not None else self.name
        return User(f"{authority}\\{account.name}", account.administrator, account.reads_only)

    def _module_result(self, execution: ModuleExecution, user: User) -> ProcessResult:
        if execution.environment:
            names = ", ".join(sorted(execution.environment))
            return _failure(f"The lab has no processes whose environment could be set: {names}")
        if execution.name in _PING:
            return _ping(execution.arguments)
        if execution.source_sha256 != self._module:
            return _failure(
                f"The lab runs no PowerShell: it knows the module guarded.fabric.invoke_cmdlets of its own version and "
                f"ansible.windows.win_ping, and this is {execution.name} (SHA-256 {execution.source_sha256})"
            )
        check_mode = bool(execution.internal.get("_ansible_check_mode"))
        try:
            result = self._reader.run(self._machine, user, execution.arguments, check_mode=check_mode)
        except NotEmulatedError as error:
            return _failure(str(error))
        return _json(result, 1 if result.get("failed") else 0)

    def _script(self, request: ScriptRequest, user: User) -> ProcessResult:
        match request:
            case RebootRequest():
                return self._restart(request)
            case AbortShutdown():
                return self._abort(request)
            case BootTimeQuery():
                boot = self._machine.boot
                return request.answer(self._reader.clock.now() if boot is None else boot.started)
            case LogonScreenQuery():
                # Who can connect is past the logon screen: listeners open only once Windows is up.
                return request.answer(shown=True)
            case WhoAmI():
                return request.answer(user.name)
            case HostName():
                return request.answer(self._machine.name)

    def _restart(self, request: RebootRequest) -> ProcessResult:
        if self._machine.shutdown_at is not None:
            return request.answer(_ALREADY_SCHEDULED, "A system shutdown has already been scheduled.(1190)\r\n")
        clock = self._reader.clock
        delay = max(float(request.delay), _SHORTEST_SHUTDOWN * clock.scale)
        restarts.schedule(self._machine, clock.now(), timedelta(seconds=delay))
        return request.answer()

    def _abort(self, request: AbortShutdown) -> ProcessResult:
        if self._machine.shutdown_at is None:
            return request.answer(_NOT_IN_PROGRESS, "Unable to abort the system shutdown.(1116)\r\n")
        self._machine.shutdown_at = None
        return request.answer()


def _ping(arguments: Mapping[str, object]) -> ProcessResult:
    data = arguments.get("data", "pong")
    if data == "crash":
        return _failure("boom")
    return _json({"changed": False, "ping": data}, 0)


def _failure(message: str) -> ProcessResult:
    return _json({"failed": True, "changed": False, "msg": message}, 1)


def _json(result: Mapping[str, object], rc: int) -> ProcessResult:
    return ProcessResult(rc, json.dumps(result, separators=(",", ":")).encode() + b"\r\n")
