# SPDX-License-Identifier: GPL-3.0-or-later
"""The service below HTTP: verbs, faults, quotas, and messages that no good client sends."""

from __future__ import annotations

import asyncio
import base64
import resource
import struct
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.wire import psrp, winrs
from ansible_collections.guarded.fabric.lab.wire.envelope import NAMESPACES
from ansible_collections.guarded.fabric.lab.wire.shell import MAX_COMMANDS
from ansible_collections.guarded.fabric.lab.wire.target import ProcessResult
from ansible_collections.guarded.fabric.lab.wire.wsman import Quotas, WsManService
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from psrpcore import ClientRunspacePool

from .machine import Machine
from .soap import SHELL, TRANSFER, command, create, delete, receive, send, signal, soap

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def ask(service: WsManService, request: bytes, user: str = "u") -> etree._Element:
    """Ask and expect an answer."""
    status, answer = await service.answer(request, user)
    assert status == 200, answer
    return etree.fromstring(answer)


async def fault(service: WsManService, request: bytes, user: str = "u") -> int:
    """Ask and expect a fault; return its code."""
    status, answer = await service.answer(request, user)
    assert status == 500, answer
    found = etree.fromstring(answer).find(".//{http://schemas.microsoft.com/wbem/wsman/1/wsmanfault}WSManFault")
    assert found is not None
    assert found.get("Machine") == "LAB"
    return int(found.get("Code", ""))


def run(work: Coroutine[object, object, None]) -> None:
    asyncio.run(work)


def test_an_answer_refers_to_its_request() -> None:
    async def work() -> None:
        answer = await ask(WsManService(Machine()), create())
        assert answer.findtext("s:Header/a:RelatesTo", "", NAMESPACES) == "uuid:1"
        assert answer.findtext("s:Header/a:Action", "", NAMESPACES) == f"{TRANSFER}/CreateResponse"
        assert answer.findtext("s:Body/rsp:Shell/rsp:ShellId", "", NAMESPACES) == "S"

    run(work())


def test_a_command_waits_for_its_last_input() -> None:
    async def work() -> None:
        machine = Machine()
        service = WsManService(machine)
        await ask(service, create())
        await ask(service, command())
        assert await fault(service, receive(timeout="PT0.1S")) == 2150858793
        await ask(service, send(b"one ", end="false"))
        await asyncio.sleep(0.01)
        assert machine.executions == []
        await ask(service, send(b"two"))
        answer = await ask(service, receive())
        state = answer.find("s:Body/rsp:ReceiveResponse/rsp:CommandState", NAMESPACES)
        assert state is not None
        assert state.get("State") == f"{SHELL}/CommandState/Done"
        assert state.findtext("rsp:ExitCode", "", NAMESPACES) == "0"
        ((execution, _),) = machine.executions
        assert getattr(execution, "stdin", None) == b"one two"

    run(work())


def test_what_does_not_exist_is_a_fault() -> None:
    async def work() -> None:
        service = WsManService(Machine())
        assert await fault(service, command()) == 2150858843
        await ask(service, create())
        assert await fault(service, create()) == 2150858791
        assert await fault(service, create("T", uri="http://schemas.microsoft.com/powershell/Other")) == 2150858811
        for request in (send(b""), receive()):
            assert await fault(service, request) == 2150858843
        assert await fault(service, soap(f"{SHELL}/Dance", "", shell_id="S")) == 2150858753
        assert await fault(service, soap(f"{SHELL}/Command", "", shell_id="S")) == 2150858791
        await ask(service, delete())
        assert await fault(service, delete()) == 2150858843

    run(work())


def test_a_command_identifier_is_free_after_its_signal_only() -> None:
    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create())
        await ask(service, command())
        assert await fault(service, command()) == 2150858791
        await ask(service, signal())
        assert await fault(service, receive()) == 2150858843
        await ask(service, command())

    run(work())


def test_input_of_a_command_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winrs, "MAX_INPUT_BYTES", 1000)
    monkeypatch.setattr(psrp, "MAX_INPUT_BYTES", len(OPENING) + 1000)

    async def work() -> None:
        service = WsManService(Machine())
        for request in (create(), command(), send(bytes(1000), end="false")):
            await ask(service, request)
        assert await fault(service, send(b"x", end="false")) == 2150859173
        remoting = WsManService(Machine())
        content = CREATION.format(base64.b64encode(OPENING).decode())
        await ask(remoting, create(content=content, uri=psrp.RESOURCE_URI))
        await ask(remoting, command(identifier=PIPELINE, uri=psrp.RESOURCE_URI, line=""))
        too_much = send(bytes(1001), identifier=PIPELINE, uri=psrp.RESOURCE_URI)
        assert await fault(remoting, too_much) == 2150859173

    run(work())


def test_input_is_limited_for_all_commands_of_a_shell_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winrs, "MAX_INPUT_BYTES", 1000)

    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create())
        for identifier in "AB":
            await ask(service, command(identifier=identifier))
            await ask(service, send(bytes(500), end="false", identifier=identifier))
        assert await fault(service, send(b"x", end="false", identifier="B")) == 2150859173
        await ask(service, signal("A"))
        await ask(service, send(b"x", end="false", identifier="B"))

    run(work())


def test_commands_whose_output_nobody_receives_are_limited() -> None:
    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create())
        for number in range(MAX_COMMANDS):
            await ask(service, command(identifier=f"C{number}"))
        assert await fault(service, command()) == 2150859173
        await ask(service, send(b"", identifier="C0"))
        await ask(service, receive("C0"))
        await ask(service, command())

    run(work())


def test_pipelines_whose_output_nobody_receives_are_limited() -> None:
    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create(content=CREATION.format(base64.b64encode(OPENING).decode()), uri=psrp.RESOURCE_URI))
        for number in range(MAX_COMMANDS):
            await ask(service, command(identifier=str(uuid.UUID(int=number + 1)), uri=psrp.RESOURCE_URI, line=""))
        assert await fault(service, command(identifier=str(uuid.uuid4()), uri=psrp.RESOURCE_URI)) == 2150859173

    run(work())


@pytest.mark.parametrize("text", ["%", "AAA", "AAAA\u0436AAAA"])
def test_what_is_no_base64_is_a_fault(text: str) -> None:
    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create())
        await ask(service, command())
        stream = f'<rsp:Send><rsp:Stream Name="stdin" CommandId="C">{text}</rsp:Stream></rsp:Send>'
        assert await fault(service, soap(f"{SHELL}/Send", stream, shell_id="S")) == 2150858791
        assert await fault(service, create("P", CREATION.format(text), psrp.RESOURCE_URI)) == 2150858791
        await ask(service, create("P", CREATION.format(base64.b64encode(OPENING).decode()), psrp.RESOURCE_URI))
        line = f'<rsp:CommandLine CommandId="{PIPELINE}"><rsp:Arguments>{text}</rsp:Arguments></rsp:CommandLine>'
        request = soap(f"{SHELL}/Command", line, uri=psrp.RESOURCE_URI, shell_id="P")
        assert await fault(service, request) == 2150858791

    run(work())


def test_a_runspace_pool_takes_nothing_more_after_a_malformed_message() -> None:
    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create(content=CREATION.format(base64.b64encode(OPENING).decode()), uri=psrp.RESOURCE_URI))
        assert await fault(service, send(b"x" * 30, identifier="", uri=psrp.RESOURCE_URI)) == 2150858791
        assert await fault(service, send(OPENING, identifier="", uri=psrp.RESOURCE_URI)) == 2150858791
        assert await fault(service, send(bytes(5), identifier="", uri=psrp.RESOURCE_URI)) == 2150858791

    run(work())


def remoting_message(xml: str) -> bytes:
    """Return a message of PowerShell remoting (SESSION_CAPABILITY) in one fragment."""
    message = struct.pack("<II", 2, 0x00010002) + bytes(32) + xml.encode()
    return struct.pack(">QQBI", 99, 0, 3, len(message)) + message


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "0123456789"}">' for n in range(9))


@pytest.mark.parametrize(
    "xml",
    [
        f"<!DOCTYPE o [{ENTITIES}]><Obj><MS><S>&e8;</S></MS></Obj>",
        "<Obj><LST>" * 10_000 + "</LST></Obj>" * 10_000,
        "<Obj>" * 60_000,
    ],
    ids=["entities", "nested", "open"],
)
def test_a_bomb_in_a_remoting_message_is_a_fault_at_once(xml: str) -> None:
    async def work() -> None:
        service = WsManService(Machine())
        await ask(service, create(content=CREATION.format(base64.b64encode(OPENING).decode()), uri=psrp.RESOURCE_URI))
        before, started = resident(), time.monotonic()
        assert await fault(service, send(remoting_message(xml), identifier="", uri=psrp.RESOURCE_URI)) == 2150858791
        assert time.monotonic() - started < 5
        assert resident() - before < 64

    run(work())


def bomb(encoding: str) -> bytes:
    """Return an envelope with a document type whose entities grow to gigabytes."""
    document = create().decode().replace("rsp:Shell ", 'rsp:Shell Bomb="&e8;" ', 1)
    return f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE s [{ENTITIES}]>{document}'.encode(encoding)


@pytest.mark.parametrize(
    "data",
    [
        bomb("UTF-8"),
        bomb("UTF-16"),
        b"<s:a>" * 30_000,
        create().replace(b"<s:Body>", b"<s:Body>" + b"<a>" * 20_000 + b"</a>" * 20_000),
    ],
    ids=["UTF-8", "UTF-16", "open", "nested"],
)
def test_a_bomb_in_an_envelope_is_a_bad_request_at_once(data: bytes) -> None:
    async def work() -> None:
        before, started = resident(), time.monotonic()
        assert await WsManService(Machine()).answer(data, "u") == (400, b"")
        assert time.monotonic() - started < 5
        assert resident() - before < 64

    run(work())


def test_a_harmless_document_type_is_a_bad_request_in_any_encoding() -> None:
    async def work() -> None:
        for encoding in ("UTF-8", "UTF-16"):
            document = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a>{create().decode()}'
            assert await WsManService(Machine()).answer(document.encode(encoding), "u") == (400, b"")

    run(work())


def resident() -> float:
    """Return the memory of this process in MiB at its largest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("end", [signal(), delete()])
def test_ending_a_command_wakes_who_waits_for_it(end: bytes) -> None:
    async def work() -> None:
        machine = Machine()
        machine.says(ProcessResult(0), after=60)
        service = WsManService(machine)
        for request in (create(), command(), send(b"")):
            await ask(service, request)
        waiting = asyncio.create_task(fault(service, receive()))
        await asyncio.sleep(0.05)
        await ask(service, end)
        assert await asyncio.wait_for(waiting, 1) == 995

    run(work())


def test_a_shell_that_nobody_uses_is_forgotten() -> None:
    async def work() -> None:
        now = 0.0
        service = WsManService(Machine(), Quotas(shells_per_user=1, idle_timeout=100), monotonic=lambda: now)
        await ask(service, create("A"))
        now = 99.0
        assert await fault(service, create("B")) == 2150859173
        await ask(service, create("C"), user="somebody else")
        await ask(service, command("A"))
        now = 198.0
        assert await fault(service, create("D")) == 2150859173
        now = 199.5
        await ask(service, create("E"))
        assert await fault(service, command("A")) == 2150858843

    run(work())


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    async def work() -> None:
        service = WsManService(Machine(name="LAB"))
        answer = await ask(service, create(), user="a\0\x1b\ud800b")
        assert answer.findtext("s:Body/rsp:Shell/rsp:Owner", "", NAMESPACES) == "a\ufffd\ufffd\ufffdb"

    run(work())


@pytest.mark.parametrize("data", [b"", b"<", b"<a/>", b"\0", b'<!DOCTYPE a [<!ENTITY b "c">]>' + create()])
def test_what_is_no_envelope_is_a_bad_request(data: bytes) -> None:
    async def work() -> None:
        assert await WsManService(Machine()).answer(data, "u") == (400, b"")

    run(work())


def opening() -> bytes:
    pool = ClientRunspacePool()
    pool.open()
    payload = pool.data_to_send()
    assert payload is not None
    return payload.data


OPENING = opening()
PIPELINE = str(uuid.UUID(int=1))
CREATION = '<creationXml xmlns="http://schemas.microsoft.com/powershell">{}</creationXml>'


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, overwrite and repeat parts of good data."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0:
                del data[at:]
            case 1:
                data[at:at] = data[:at]
            case 2:
                del data[at : at + draw(st.integers(1, 50))]
            case _:
                data[at : at + 4] = draw(st.binary(min_size=4, max_size=4))
    return bytes(data)


@settings(max_examples=300)
@given(first=st.just(OPENING) | damaged(OPENING) | st.binary(), then=damaged(OPENING) | st.binary())
def test_damaged_remoting_messages_are_faults(first: bytes, then: bytes) -> None:
    async def work() -> None:
        service = WsManService(Machine())
        content = CREATION.format(base64.b64encode(first).decode())
        stream = base64.b64encode(then).decode()
        line = f'<rsp:CommandLine CommandId="{PIPELINE}"><rsp:Arguments>{stream}</rsp:Arguments></rsp:CommandLine>'
        for request in (
            create(content=content, uri=psrp.RESOURCE_URI),
            soap(f"{SHELL}/Command", line, uri=psrp.RESOURCE_URI, shell_id="S"),
        ):
            _, answer = await service.answer(request, "u")
            assert b"bug of the lab" not in answer
        service.drop_shells()

    run(work())
