# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own reading of what invoke_cmdlets.ps1 does with a batch of calls.

It follows invoke_cmdlets.yml and shares no code with the collection, so that the two can disagree.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .cmdlets.availability import has_module, is_for_readers, wants_elevation
from .cmdlets.binder import bind
from .cmdlets.contracts import Contract, UnknownCmdletError, contract
from .cmdlets.registry import CMDLETS, Bound, CmdletError, Implementation, NotEmulatedError, Session
from .output_values import MISSING, output, part, pipeline
from .parameter_values import Batch, InvalidCallError
from .world import files
from .world.clock import Clock
from .world.code_integrity_state import scripts_are_constrained
from .world.model import World

if TYPE_CHECKING:
    from .world.model import Machine

_NAME: Final = re.compile(r"[A-Za-z]+-[A-Za-z0-9]+")
_FORBIDDEN: Final = frozenset({"add-type", "invoke-command", "invoke-expression", "start-job", "start-process"})
_QUIET: Final = frozenset({"SilentlyContinue", "Ignore"})


@dataclass(frozen=True)
class User:
    """Who is logged on: `name` with its authority, as whoami shows it."""

    name: str
    administrator: bool = True
    reads_only: bool = False


@dataclass
class Statistics:
    """What was asked of the lab: executions by machine, calls by cmdlet, and which of them change something."""

    executions: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Reader:
    """Runs batches on the machines of a world."""

    world: World
    clock: Clock
    statistics: Statistics = field(default_factory=Statistics)

    def run(
        self, machine: Machine, user: User, arguments: Mapping[str, object], *, check_mode: bool
    ) -> dict[str, object]:
        """Run a batch; return the module's result. Raises NotEmulatedError."""
        self.statistics.executions[machine.name] += 1
        calls = _calls(arguments)
        changing = [str(call.get("cmdlet")) for call in calls if call.get("changes")]
        if check_mode and changing:
            return _result(machine, [], f"check mode: refused to run {', '.join(changing)}", changed=False)
        batch = Batch(machine, self.clock.now())
        entries: list[dict[str, object]] = []
        changed = False
        try:
            for call in calls:
                entry = self._entry(batch, user, call)
                entries.append(entry)
                if "error" not in entry:
                    changed = changed or bool(call.get("changes"))
                elif not entry["accepted"]:
                    return _result(machine, entries, f"{call.get('cmdlet')}: {_message(entry)}", changed=changed)
        finally:
            batch.close()
        return _result(machine, entries, None, changed=changed)

    def _entry(self, batch: Batch, user: User, call: Mapping[str, object]) -> dict[str, object]:
        warnings: list[str] = []
        name = str(call.get("id", ""))
        try:
            returned = self._invoke(batch, user, call, warnings)
            batch.results[name] = returned[0] if len(returned) == 1 else returned
            result: dict[str, object] = {
                "output": output(returned, _texts(call.get("select"))),
                "attachments": _attachments(batch, name, _texts(call.get("attach"))),
            }
        except CmdletError as error:
            batch.results[name] = []
            description = {
                "id": error.error_id,
                "category": error.category,
                "message": str(error),
                "type": error.exception,
            }
            result = {"error": description, "accepted": _is_accepted(error, _texts(call.get("accept")))}
        return {"id": name, **result, "warnings": warnings}

    def _invoke(self, batch: Batch, user: User, call: Mapping[str, object], warnings: list[str]) -> list[object]:
        known = _find(batch.machine, str(call.get("cmdlet", "")))
        given = call.get("parameters") or {}
        if not isinstance(given, Mapping):
            raise InvalidCallError("parameters are no mapping")
        parameters = {str(name): batch.value(value) for name, value in given.items()}
        bound = bind(known.name, parameters, batch.machine.version)
        run = _implementation(known, bound)
        is_denied = user.reads_only and not is_for_readers(known.name)
        if is_denied or (wants_elevation(known.module) and not user.administrator):
            raise CmdletError(
                "Access is denied.",
                f"UnauthorizedAccess,{known.name}",
                "PermissionDenied",
                "System.UnauthorizedAccessException",
            )
        quiet = bound.text("WarningAction") in _QUIET
        session = Session(
            self.world, batch.machine, self.clock, user.name, (lambda _: None) if quiet else warnings.append
        )
        self.statistics.calls[known.name] += 1
        if call.get("changes"):
            self.statistics.changes[known.name] += 1
        if bound.flag("WhatIf"):
            return []
        try:
            return pipeline(run(session, bound))
        except CmdletError:
            if bound.text("ErrorAction") in _QUIET:
                return []
            raise


def _calls(arguments: Mapping[str, object]) -> list[Mapping[str, object]]:
    calls = arguments.get("calls")
    if not isinstance(calls, list):
        return []
    return [call for call in calls if isinstance(call, Mapping)]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value if item] if isinstance(value, Sequence) else []


def _find(machine: Machine, name: str) -> Contract:
    if not _NAME.fullmatch(name) or name.lower() in _FORBIDDEN:
        raise InvalidCallError(f"'{name}' is not the name of a cmdlet that may be called")
    try:
        known = contract(name, machine.version)
    except UnknownCmdletError:
        known = None
    if known is None or not has_module(machine, known.module):
        raise CmdletError(
            f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. "
            "Check the spelling of the name, or if a path was included, verify that the path is correct and try again.",
            "CommandNotFoundException,Microsoft.PowerShell.Commands.GetCommandCommand",
            "ObjectNotFound",
            "System.Management.Automation.CommandNotFoundException",
        )
    return known


def _implementation(known: Contract, bound: Bound) -> Implementation:
    found = CMDLETS.get(known.name.lower())
    if found is None:
        raise NotEmulatedError(f"the lab does not emulate {known.name} ({', '.join(bound) or 'without parameters'})")
    return found.run


def _is_accepted(error: CmdletError, accepted: Sequence[str]) -> bool:
    if isinstance(error, InvalidCallError):
        return False
    wanted = {item.lower() for item in accepted}
    return bool(wanted & {"*", error.error_id.lower(), error.error_id.partition(",")[0].lower()})


def _attachments(batch: Batch, name: str, wanted: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in wanted:
        path = part(batch.results[name], item.split("."))
        if path is MISSING or not isinstance(path, str):
            raise InvalidCallError(f"the result has no path '{item}'")
        try:
            found[item] = base64.b64encode(files.read(batch.machine, path)).decode()
        except (FileNotFoundError, files.BadPathError) as error:
            raise CmdletError(
                f"Cannot find path '{path}' because it does not exist.",
                "PathNotFound,Microsoft.PowerShell.Commands.GetContentCommand",
                "ObjectNotFound",
                "System.Management.Automation.ItemNotFoundException",
            ) from error
    return found


def _message(entry: Mapping[str, object]) -> str:
    error = entry["error"]
    return str(error["message"]) if isinstance(error, Mapping) else ""


def _result(
    machine: Machine, entries: list[dict[str, object]], failure: str | None, *, changed: bool
) -> dict[str, object]:
    result: dict[str, object] = {
        "changed": changed,
        "results": entries,
        "language_mode": "ConstrainedLanguage" if scripts_are_constrained(machine) else "FullLanguage",
        "powershell": f"5.1.{machine.build}",
    }
    return result if failure is None else {**result, "failed": True, "msg": failure}
