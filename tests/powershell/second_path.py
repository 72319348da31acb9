# SPDX-License-Identifier: GPL-3.0-or-later
"""A second path to the lab's cmdlets, which owes nothing to the lab's own reading of a batch.

invoke_cmdlets.ps1 itself runs in PowerShell 7. Stubs with the published syntax let PowerShell bind each call, and hand
it to the function of the lab that plays the cmdlet; what that returns becomes an object of PowerShell again.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ansible_collections.guarded.fabric.lab.cmdlets.availability import has_module
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import UnknownCmdletError, contract
from ansible_collections.guarded.fabric.lab.cmdlets.registry import (
    CMDLETS,
    Bound,
    CmdletError,
    Credential,
    PSObject,
    SecureString,
    Session,
)
from ansible_collections.guarded.fabric.lab.output_values import pipeline
from ansible_collections.guarded.fabric.lab.reading import Reader, User
from ansible_collections.guarded.fabric.lab.world import file_times, files
from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.model import Machine, World

from .generate_stubs import write_module
from .shell import LanguageMode, Shell

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Contract

_LAB: Final = Path(__file__).with_name("Lab")
_CERTIFICATE: Final = "System.Security.Cryptography.X509Certificates.X509Certificate2"
_XML: Final = "System.Xml.XmlDocument"

# The stub's own name tells which cmdlet it stands for: cmdlets that PowerShell really has must not be hidden.
_BODY: Final = """\
    $stub_name = $MyInvocation.MyCommand.Name -replace '-Stub', '-'
    Invoke-LabCmdlet $stub_name $PSCmdlet.ParameterSetName $PSBoundParameters $PSCmdlet
"""


@dataclass
class Forwarder:
    """Plays cmdlets for stubs; `machine` and `user` are those of the batch that runs."""

    world: World
    clock: Clock
    machine: Machine
    user: User
    drive: Path
    temporary: Path
    _objects: list[PSObject] = field(default_factory=list)
    _uploaded: list[str] = field(default_factory=list)

    def play(self, request: Mapping[str, Any]) -> dict[str, object]:
        """Run a cmdlet that PowerShell has bound."""
        warnings: list[str] = []
        session = Session(self.world, self.machine, self.clock, self.user.name, warnings.append)
        values = {name: self._value(value) for name, value in request["parameters"].items()}
        try:
            output = pipeline(CMDLETS[request["cmdlet"].lower()].run(session, Bound(request["set"], values)))
        except CmdletError as error:
            described = {"id": error.error_id.split(",")[0], "category": error.category, "message": str(error)}
            return {"warnings": warnings, "error": described, "output": []}
        return {"warnings": warnings, "error": None, "output": [self._wire(item) for item in output]}

    def _value(self, value: object) -> object:
        """Return what a cmdlet is given for what ConvertTo-Wire made of a bound value."""
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, str) and value.startswith(str(self.temporary)):
            return self._upload(Path(value))
        if not isinstance(value, Mapping):
            return value
        ((tag, content),) = value.items()
        readers: Mapping[str, Callable[[Any], object]] = {
            "$bytes": base64.b64decode,
            "$secret": SecureString,
            "$credential": lambda named: Credential(named["username"], SecureString(named["password"])),
            "$date": datetime.fromisoformat,
            "$span": lambda seconds: timedelta(seconds=seconds),
            "$guid": UUID,
            "$object": lambda handle: self._objects[handle],
            "$table": lambda table: {name: self._value(item) for name, item in table.items()},
        }
        return readers[tag](content)

    def _wire(self, value: object) -> object:
        """Return what ConvertFrom-Wire makes a value of a cmdlet from."""
        if isinstance(value, list | tuple):
            return [self._wire(item) for item in value]
        if isinstance(value, Mapping):
            return {"$table": {name: self._wire(item) for name, item in value.items()}}
        if isinstance(value, PSObject):
            return self._object(value)
        writers: Mapping[type, Callable[[Any], object]] = {
            bytes: lambda data: {"$bytes": base64.b64encode(data).decode()},
            datetime: lambda date: {"$date": date.isoformat()},
            timedelta: lambda span: {"$span": span.total_seconds()},
            UUID: lambda guid: {"$guid": str(guid)},
            SecureString: lambda _text: {"$secret": True},
        }
        write = writers.get(type(value))
        return write(value) if write else value

    def _object(self, value: PSObject) -> object:
        if value.type_name == _XML:
            return {"$xml": value.properties["OuterXml"]}
        if value.type_name == _CERTIFICATE:
            return {"$certificate": self._wire(value.properties["RawData"])}
        self._objects.append(value)
        path = value.properties.get("FullName")
        if isinstance(path, str) and files.exists(self.machine, path):
            self._download(path)
        described = {"type": value.type_name, "handle": len(self._objects) - 1}
        properties = {name: self._wire(item) for name, item in value.properties.items()}
        return {"$new": {**described, "properties": properties}}

    def _upload(self, path: Path) -> str:
        """Bring a temporary file of the batch to the machine, where the cmdlet will look for it."""
        there = rf"C:\Windows\Temp\{path.parent.name}\{path.name}"
        files.write(self.machine, there, path.read_bytes())
        file_times.stamp(self.machine, there, self.clock.now())
        self._uploaded.append(there)
        return there

    def close(self) -> None:
        """Remove the temporary files of the batch from the machine, as invoke_cmdlets.ps1 does from where it runs."""
        for path in self._uploaded:
            self.machine.files.pop(files.key(path), None)
            self.machine.file_times.pop(files.key(path), None)
        self._uploaded.clear()

    def _download(self, path: str) -> None:
        """Bring a file of the machine to where PowerShell's drive C is."""
        here = self.drive.joinpath(*path.replace("/", "\\").split("\\")[1:])
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(files.read(self.machine, path))


class SecondPath(AbstractContextManager["SecondPath"]):
    """PowerShell 7 with stubs, ready for the batches of many worlds."""

    def __init__(self, pwsh: Path, folder: Path) -> None:
        self._folder = folder
        self.drive, self.temporary = folder / "C", folder / "temp"
        for path in (self.drive, self.temporary):
            path.mkdir()
        self.forwarder: Forwarder | None = None
        self._faults: list[BaseException] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        host, port = self._server.server_address[:2]
        environment = {"GUARDED_FABRIC_LAB": f"http://{host!s}:{port}/", "GUARDED_FABRIC_DRIVE": str(self.drive)}
        self._shell = Shell(pwsh, self.temporary, environment)
        self._modules: dict[tuple[str, ...], Path] = {}

    def __exit__(self, *error: object) -> None:
        """End PowerShell and the server."""
        self._shell.__exit__(None, None, None)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        path = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    answer = path.play(request)
                except Exception as fault:  # noqa: BLE001 - it is raised again where the batch was started
                    path.note(fault)
                    error = {"id": "Fault", "category": "NotSpecified", "message": repr(fault)}
                    answer = {"warnings": [], "output": [], "error": error}
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        return Handler

    def play(self, request: Mapping[str, Any]) -> dict[str, object]:
        """Run a cmdlet for the batch that runs."""
        assert self.forwarder is not None
        return self.forwarder.play(request)

    def note(self, fault: BaseException) -> None:
        """Keep a fault of the lab, which is no answer of a cmdlet."""
        self._faults.append(fault)

    def _stubs(self, machine: Machine, cmdlets: Iterable[str]) -> Path:
        """Return a module of stubs for those of the cmdlets that the machine has."""
        found = {name: _contract(machine, name) for name in cmdlets}
        known = {name: item for name, item in found.items() if item is not None}
        key = (machine.version, *sorted(known))
        if key not in self._modules:
            stubs = [replace(item, name=_stub_name(name)) for name, item in known.items()]
            self._modules[key] = write_module(self._folder, f"Lab{len(self._modules)}", stubs, _BODY)
        return self._modules[key]

    def run(
        self, forwarder: Forwarder, arguments: Mapping[str, Any], language_mode: LanguageMode, *, check_mode: bool
    ) -> dict[str, Any]:
        """Run a batch in PowerShell."""
        self.forwarder = forwarder
        calls = arguments["calls"]
        modules = [_LAB, self._stubs(forwarder.machine, {call["cmdlet"] for call in calls})]
        stubbed = [{**call, "cmdlet": _stub_name(call["cmdlet"])} for call in calls]
        answer = self._shell.invoke(stubbed, language_mode=language_mode, modules=modules, check_mode=check_mode)
        forwarder.close()
        if self._faults:
            raise self._faults.pop()
        return answer


def _contract(machine: Machine, cmdlet: str) -> Contract | None:
    try:
        known = contract(cmdlet, machine.version)
    except UnknownCmdletError:
        return None
    return known if has_module(machine, known.module) else None


def _stub_name(cmdlet: str) -> str:
    return cmdlet.replace("-", "-Stub", 1)


# What is made anew each time: thumbprints and digests, GUIDs, names of temporary files.
_RANDOM: Final = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# A function and a compiled cmdlet have different ids for a value that does not convert.
_CONVERSION: Final = frozenset({"CannotConvertArgumentNoMessage", "ParameterArgumentTransformationError"})


def differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[str]:
    """Say where two answers to a batch differ in more than what is random."""
    for name in ("changed", "failed"):
        if expected.get(name) != actual.get(name):
            yield f"{name} is {expected.get(name)!r} and {actual.get(name)!r}"
    ids = [[entry["id"] for entry in answer["results"]] for answer in (expected, actual)]
    if ids[0] != ids[1]:
        yield f"the calls that ran are {ids[0]} and {ids[1]}"
    for ours, theirs in zip(expected["results"], actual["results"], strict=False):
        for name in {*ours, *theirs}:
            if not _alike(_comparable(name, ours.get(name)), _comparable(name, theirs.get(name))):
                yield f"{name} of {ours['id']} is {ours.get(name)!r} and {theirs.get(name)!r}"


def _comparable(name: str, value: Any) -> object:  # noqa: ANN401 - JSON
    if name != "error" or value is None:
        return value
    code = value["id"].split(",")[0]
    if code in _CONVERSION:
        return "conversion"
    if code == "CommandNotFoundException":
        # PowerShell 7 has other words for it than Windows PowerShell.
        return code
    return (code, value["category"], value["message"].replace("-Stub", "-"))


def _alike(ours: object, theirs: object) -> bool:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        if set(ours) == set(theirs) == {"$bytes"}:
            return bool(ours["$bytes"]) == bool(theirs["$bytes"])
        return set(ours) == set(theirs) and all(_alike(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, str):
        # XmlDocument writes an empty element with a space.
        return _RANDOM.sub("", ours) == _RANDOM.sub("", theirs.replace(" />", "/>"))
    return ours == theirs


@dataclass(frozen=True, kw_only=True)
class TwinReader(Reader):
    """Runs each batch on two copies of one world: by the lab's own reading, and in PowerShell, whose answer counts.

    `differences` are those of the answers, `language_modes` what PowerShell says that its batches ran in.
    """

    path: SecondPath
    mode: LanguageMode
    differences: list[str] = field(default_factory=list)
    language_modes: set[str] = field(default_factory=set)

    def run(
        self, machine: Machine, user: User, arguments: Mapping[str, object], *, check_mode: bool
    ) -> dict[str, object]:
        """Run a batch; return PowerShell's answer."""
        twin = deepcopy(self.world)
        reader = Reader(twin, self.clock, self.statistics)
        expected = reader.run(twin.machines[machine.name], user, arguments, check_mode=check_mode)
        forwarder = Forwarder(self.world, self.clock, machine, user, self.path.drive, self.path.temporary)
        answer = self.path.run(forwarder, arguments, self.mode, check_mode=check_mode)
        self.language_modes.add(answer["language_mode"])
        self.differences.extend(f"{machine.name}: {text}" for text in differences(expected, answer))
        return answer
