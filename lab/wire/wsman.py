# SPDX-License-Identifier: GPL-3.0-or-later
"""The WS-Management service of one machine: opens shells and passes their operations on ([MS-WSMV] 3.1.4)."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from . import faults, psrp, winrs
from .envelope import Envelope, MalformedEnvelopeError, answer, element, fault, find, find_all, parse, text_of
from .faults import WsManFaultError
from .psrp import PowerShellShell
from .shell import Input, Received, Shell, StreamPart
from .target import Target
from .winrs import CommandShell

if TYPE_CHECKING:
    from lxml import etree

logger = logging.getLogger(__name__)

_TRANSFER: Final = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
_SHELL: Final = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_ENVELOPE_OVERHEAD: Final = 4096
_SMALLEST_BUDGET: Final = 1024
_CREATION_XML: Final = "{http://schemas.microsoft.com/powershell}creationXml"


@dataclass(frozen=True)
class Quotas:
    """WinRM's defaults (winrm/config); sizes in bytes, times in seconds."""

    max_envelope: int = 500 * 1024
    shells_per_user: int = 30
    idle_timeout: float = 7200.0
    longest_operation: float = 60.0


@dataclass
class _Open:
    shell: Shell
    resource_uri: str
    used: float


@dataclass
class WsManService:
    """The service. What a client opened is lost with `drop_shells`, as by a restart."""

    target: Target
    quotas: Quotas = field(default_factory=Quotas)
    monotonic: Callable[[], float] = time.monotonic
    _shells: dict[str, _Open] = field(default_factory=dict)

    def drop_shells(self) -> None:
        """End all commands and forget all shells."""
        for opened in self._shells.values():
            opened.shell.close()
        self._shells.clear()

    async def answer(self, data: bytes, user: str) -> tuple[int, bytes]:
        """Answer a SOAP request with an HTTP status and a SOAP message."""
        try:
            request = parse(data)
        except MalformedEnvelopeError:
            return HTTPStatus.BAD_REQUEST, b""
        try:
            self._check_size(len(data))
            body = await self._operate(request, user)
        except WsManFaultError as failure:
            return self._fault(request, failure)
        except Exception as error:
            logger.exception("%s: a bug of the lab, or a message that psrpcore does not take", self.target.name)
            return self._fault(request, faults.internal_error(repr(error)))
        return HTTPStatus.OK, answer(f"{request.action}Response", request.message_id, *body)

    def _check_size(self, size: int) -> None:
        if size > self.quotas.max_envelope:
            raise faults.envelope_too_large(size, self.quotas.max_envelope)

    def _fault(self, request: Envelope, failure: WsManFaultError) -> tuple[int, bytes]:
        return HTTPStatus.INTERNAL_SERVER_ERROR, fault(self.target.name, request.message_id, failure)

    async def _operate(self, request: Envelope, user: str) -> tuple[etree._Element, ...]:
        match request.action:
            case str(action) if action == f"{_TRANSFER}Create":
                return self._create(request, user)
            case str(action) if action == f"{_TRANSFER}Delete":
                self._find(request, user).close()
                del self._shells[request.shell_id]
                return ()
            case str(action) if action == f"{_SHELL}/Command":
                return (self._command(request, user),)
            case str(action) if action == f"{_SHELL}/Send":
                return (self._send(request, user),)
            case str(action) if action == f"{_SHELL}/Receive":
                return (await self._receive(request, user),)
            case str(action) if action == f"{_SHELL}/Signal":
                signal = _required(request.body, "rsp:Signal")
                self._find(request, user).signal(signal.get("CommandId", ""))
                return (element("rsp:SignalResponse"),)
            case action:
                raise faults.invalid_action(action)

    def _find(self, request: Envelope, user: str) -> Shell:
        opened = self._shells.get(request.shell_id)
        if opened is None or opened.resource_uri != request.resource_uri or opened.shell.user != user:
            raise faults.unknown_shell(request.shell_id)
        opened.used = self.monotonic()
        return opened.shell

    def _create(self, request: Envelope, user: str) -> tuple[etree._Element, ...]:
        self._forget_idle_shells()
        if sum(opened.shell.user == user for opened in self._shells.values()) >= self.quotas.shells_per_user:
            raise faults.too_many_shells(self.quotas.shells_per_user)
        wanted = _required(request.body, "rsp:Shell")
        shell_id = wanted.get("ShellId") or str(uuid.uuid4()).upper()
        if shell_id in self._shells:
            raise faults.invalid_body(f"ShellId {shell_id} is in use")
        shell: Shell
        match request.resource_uri:
            case winrs.RESOURCE_URI:
                shell = CommandShell(self.target, user)
            case psrp.RESOURCE_URI:
                shell = PowerShellShell(self.target, user, text_of(wanted.find(_CREATION_XML)))
            case uri:
                raise faults.invalid_resource(uri)
        self._shells[shell_id] = _Open(shell, request.resource_uri, self.monotonic())
        return self._created(request, shell_id, shell)

    def _created(self, request: Envelope, shell_id: str, shell: Shell) -> tuple[etree._Element, ...]:
        selector = element("w:Selector", shell_id, Name="ShellId")
        reference = element(
            "a:ReferenceParameters",
            "",
            element("w:ResourceURI", request.resource_uri),
            element("w:SelectorSet", "", selector),
        )
        return (
            element("x:ResourceCreated", "", element("a:Address", f"http://{self.target.name}/wsman"), reference),
            element(
                "rsp:Shell",
                "",
                element("rsp:ShellId", shell_id),
                element("rsp:ResourceUri", request.resource_uri),
                element("rsp:Owner", shell.user),
                element("rsp:IdleTimeOut", f"PT{self.quotas.idle_timeout:.3f}S"),
                element("rsp:InputStreams", shell.input_streams),
                element("rsp:OutputStreams", shell.output_streams),
            ),
        )

    def _forget_idle_shells(self) -> None:
        oldest = self.monotonic() - self.quotas.idle_timeout
        for shell_id in [key for key, opened in self._shells.items() if opened.used < oldest]:
            self._shells.pop(shell_id).shell.close()

    def _command(self, request: Envelope, user: str) -> etree._Element:
        line = _required(request.body, "rsp:CommandLine")
        command_id = line.get("CommandId") or str(uuid.uuid4()).upper()
        self._find(request, user).command(
            command_id,
            text_of(find(line, "rsp:Command")),
            [argument.text or "" for argument in find_all(line, "rsp:Arguments")],
            request.options,
        )
        return element("rsp:CommandResponse", "", element("rsp:CommandId", command_id))

    def _send(self, request: Envelope, user: str) -> etree._Element:
        shell = self._find(request, user)
        for stream in find_all(_required(request.body, "rsp:Send"), "rsp:Stream"):
            try:
                data = base64.b64decode(text_of(stream), validate=True)
            except ValueError as error:
                raise faults.invalid_body("a stream is no base64") from error
            shell.send(Input(stream.get("CommandId", ""), data, end=stream.get("End", "").lower() in {"true", "1"}))
        return element("rsp:SendResponse")

    async def _receive(self, request: Envelope, user: str) -> etree._Element:
        shell = self._find(request, user)
        desired = _required(request.body, "rsp:Receive/rsp:DesiredStream")
        command_id = desired.get("CommandId", "")
        budget = max((request.max_envelope - _ENVELOPE_OVERHEAD) * 3 // 4, _SMALLEST_BUDGET)
        try:
            async with asyncio.timeout(min(request.operation_timeout, self.quotas.longest_operation)):
                received = await shell.receive(command_id, budget)
        except TimeoutError as error:
            raise faults.timed_out() from error
        return _receive_response(command_id, received)


def _required(body: etree._Element, path: str) -> etree._Element:
    found = find(body, path)
    if found is None:
        raise faults.invalid_body(f"{path} is missing")
    return found


def _receive_response(command_id: str, received: Received) -> etree._Element:
    owner = {"CommandId": command_id} if command_id else {}
    children = [_stream(part, owner) for part in received.parts]
    if received.done is not None:
        name = "Done" if received.done else "Running"
        state = element("rsp:CommandState", State=f"{_SHELL}/CommandState/{name}", **owner)
        if received.done:
            state.append(element("rsp:ExitCode", str(received.rc)))
        children.append(state)
    return element("rsp:ReceiveResponse", "", *children)


def _stream(part: StreamPart, owner: dict[str, str]) -> etree._Element:
    end = {"End": "true"} if part.end else {}
    return element("rsp:Stream", base64.b64encode(part.data).decode(), Name=part.name, **owner, **end)
