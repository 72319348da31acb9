# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand requests that are nearly good, and two hundred clients at once: the lab is the same afterwards."""

from __future__ import annotations

import base64
import json
import lzma
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Barrier
from typing import TYPE_CHECKING, Final

import pytest
import winrm
from ansible_collections.guarded.fabric.tests.unit.lab_wire import soap
from pypsrp import wsman
from pypsrp.powershell import PowerShell, RunspacePool
from winrm import transport
from winrm.protocol import Protocol

from . import served
from .mutations import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.tests.unit.lab_protection.tenancy import Tenancy

    from .served import HttpCall, ServedLab

REQUESTS: Final = 10_000
CLIENTS: Final = 200
MISTAKEN: Final = 0.8
"""Share of the requests with a mistake; the others bring the next one to where it can do harm."""
MEBIBYTES: Final = 16
"""By which the lab may have grown: a kilobyte and a half for each malformed request would be more."""
CLIENT_MEBIBYTES: Final = 64
"""The same after many clients at once, whose buffers the allocator keeps for the next ones."""
PAYLOADS: Final = Path(__file__).parents[1] / "data/payloads"
AUTHORIZATION: Final = "Basic " + base64.b64encode(f"{served.USER}:{served.PASSWORD}".encode()).decode()
_SHELL_ID: Final = re.compile(rb'Name="ShellId">([0-9A-Fa-f-]{36})<')
_MADE: Final = re.compile(rb"ShellId>([0-9A-Fa-f-]{36})<")


@dataclass
class Client:
    """A connection that is opened again whenever the lab has closed it; counts what came back."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None
    answers: list[int] = field(default_factory=list)
    closed: int = 0
    _socket: socket.socket | None = None

    def connect(self) -> socket.socket:
        if self._socket is None:
            plain = socket.create_connection(self.address, timeout=20)
            self._socket = self.tls.wrap_socket(plain, server_hostname=self.address[0]) if self.tls else plain
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def post(self, path: str, body: bytes, method: str = "POST") -> tuple[int, bytes]:
        """Send a request whose head is right, which must be answered; return status and body."""
        head = f"{method} {path} HTTP/1.1\r\nAuthorization: {AUTHORIZATION}\r\nContent-Length: {len(body)}\r\n\r\n"
        stream = self.connect()
        stream.sendall(head.encode() + body)
        status, answer = _answer(stream)
        self.answers.append(status)
        return status, answer

    def throw(self, data: bytes) -> None:
        """Send bytes that may not be a request, and go."""
        try:
            self.connect().sendall(data)
        except OSError:
            self.closed += 1
        self.close()


def _answer(stream: socket.socket) -> tuple[int, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = stream.recv(65536)
        assert chunk, f"closed without an answer: {received!r}"
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
    while len(body) < length:
        chunk = stream.recv(65536)
        assert chunk, "closed within an answer"
        body += chunk
    return int(head.split(b" ")[1]), body


@pytest.fixture
def calls(tenancy: Tenancy, monkeypatch: pytest.MonkeyPatch) -> list[HttpCall]:
    return served.record(tenancy, monkeypatch)


@pytest.fixture
def lab(tenancy: Tenancy, calls: list[HttpCall], tmp_path: Path, network: str) -> Iterator[ServedLab]:
    assert calls
    made = served.serve(tmp_path, network, tenancy)
    yield made
    made.process.kill()
    made.process.wait()


def record_winrm(lab: ServedLab, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Let pywinrm run a command and two of Ansible's modules; return the messages that it sent."""
    sent: list[str | bytes] = []
    original = transport.Transport.send_message

    def send_message(self: transport.Transport, message: str | bytes) -> object:
        sent.append(message)
        return original(self, message)

    with monkeypatch.context() as patched:
        patched.setattr(transport.Transport, "send_message", send_message)
        address = lab.machines["idle0"]
        protocol = Protocol(
            f"https://{address}:{lab.winrm_port}/wsman",
            transport="basic",
            username=served.USER,
            password=served.PASSWORD,
            ca_trust_path=str(lab.authority),
            operation_timeout_sec=1,
            read_timeout_sec=20,
        )
        shell = protocol.open_shell(codepage=65001)
        for line, stdin in (("whoami", b""), *captured("winrm")):
            command = protocol.run_command(shell, line, console_mode_stdin=not stdin)
            if stdin:
                protocol.send_command_input(shell, command, stdin, end=True)
            protocol.get_command_output(shell, command)
            protocol.cleanup_command(shell, command)
        protocol.close_shell(shell)
    return [_hasty(message) for message in sent]


def record_psrp(lab: ServedLab, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Let pypsrp run a script and two of Ansible's modules; return the messages that it sent."""
    sent: list[bytes] = []
    original = wsman._TransportHTTP.send

    def send(self: wsman._TransportHTTP, message: bytes, **options: int) -> bytes:
        sent.append(message)
        return original(self, message, **options)

    with (
        monkeypatch.context() as patched,
        wsman.WSMan(
            lab.machines["idle0"],
            port=lab.winrm_port,
            auth="basic",
            username=served.USER,
            password=served.PASSWORD,
            cert_validation=str(lab.authority),  # type: ignore[arg-type]  # a path is documented
            operation_timeout=1,
        ) as connection,
    ):
        patched.setattr(wsman._TransportHTTP, "send", send)
        with RunspacePool(connection) as pool:
            for script, stdin in (("whoami", b"one\ntwo"), *captured("psrp")):
                pipeline = PowerShell(pool)
                pipeline.add_script(script)
                pipeline.invoke(stdin.decode().splitlines())  # type: ignore[arg-type]  # a list is documented
                pipeline.close()
    return [_hasty(message) for message in sent]


def _hasty(message: str | bytes) -> bytes:
    """Do not wait long for output that a mistake before has cost."""
    data = message.encode() if isinstance(message, str) else message
    return re.sub(rb"PT1(\.000)?S", b"PT0.01S", data)


def captured(connection: str) -> list[tuple[str, bytes]]:
    """Return modules as ansible-core 2.19 and 2.22, which compresses them, have sent them."""
    found = []
    for release in ("2.19", "2.22"):
        entries = json.loads(lzma.decompress((PAYLOADS / f"core-{release}.json.xz").read_bytes()))
        (entry,) = (item for item in entries if (item["connection"], item["case"]) == (connection, "module"))
        found.append((entry["text"], entry["stdin"].encode()))
    return found


def attack_machine(client: Client, messages: list[bytes], count: int, random: Random) -> None:
    """Live the lives of shells with mistakes in them."""
    known = _SHELL_ID.search(b"".join(messages))
    assert known is not None
    shell = known[1]
    for number in range(count):
        message = messages[number % len(messages)].replace(known[1], shell)
        # Who waits for output waits for a moment, as long as the message says so.
        if b"/Receive<" not in message and random.random() < MISTAKEN:
            message = mutated(message, random)
        _, answer = client.post("/wsman", message)
        if made := _MADE.search(answer):
            shell = made[1]


def attack_service(client: Client, calls: list[HttpCall], count: int, random: Random) -> None:
    """Ask the Host Guardian Service like hosts that make mistakes."""
    for number in range(count):
        call = calls[number % len(calls)]
        if random.random() < MISTAKEN or call.method == "GET":
            client.post(call.path, mutated(call.body, random), call.method)
        else:
            head = f"{call.method} {call.path} HTTP/1.1\r\nHost: hgs\r\nContent-Length: {len(call.body)}\r\n\r\n"
            client.throw(mutated(head.encode() + call.body, random))


def seeded(*of: object) -> Random:
    """Return chance that is the same in each run."""
    return Random(repr(of))  # noqa: S311 - nothing is kept secret with it


def attack(lab: ServedLab, messages: list[list[bytes]], calls: list[HttpCall], seed: int, requests: int) -> list[int]:
    """Send so many requests, from a client for each machine and as many for the service; return the answers."""
    tls = ssl.create_default_context(cafile=str(lab.authority))
    idle = [address for name, address in lab.machines.items() if name.startswith("idle")]
    machines = [Client((address, lab.winrm_port), tls) for address in idle]
    services = [Client((lab.machines[served.HGS], lab.http_port), None) for _ in idle]
    each = -(-requests // len(machines + services))
    with ThreadPoolExecutor(len(machines + services)) as pool:
        running = [
            pool.submit(attack_machine, client, messages[number % 2], each, seeded(seed, "machine", number))
            for number, client in enumerate(machines)
        ]
        running += [
            pool.submit(attack_service, client, calls, each, seeded(seed, "service", number))
            for number, client in enumerate(services)
        ]
        for one in running:
            one.result()
    for client in (*machines, *services):
        client.close()
    return [status for client in (*machines, *services) for status in client.answers]


def ping(lab: ServedLab, name: str) -> str:
    """Ask a machine who one is there."""
    session = winrm.Session(
        f"https://{lab.machines[name]}:{lab.winrm_port}/wsman",
        auth=(served.USER, served.PASSWORD),
        transport="ntlm",
        ca_trust_path=str(lab.authority),
    )
    output: bytes = session.run_cmd("whoami").std_out
    session.protocol.transport.close_session()
    return output.decode().strip()


def settled(lab: ServedLab) -> bool:
    """Wait until no connection is left."""
    deadline = time.monotonic() + 20
    while lab.connections() and time.monotonic() < deadline:
        time.sleep(0.1)
    return lab.connections() == 0


def test_ten_thousand_malformed_requests_leave_the_lab_as_it_was(
    lab: ServedLab, calls: list[HttpCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [record_winrm(lab, monkeypatch), record_psrp(lab, monkeypatch)]
    world = lab.world()
    # What the first requests of a kind load and cache is no growth.
    attack(lab, messages, calls, seed=0, requests=REQUESTS // 20)
    assert settled(lab)
    files, memory = lab.open_files(), lab.memory()
    answers = attack(lab, messages, calls, seed=1, requests=REQUESTS)
    assert settled(lab)
    assert len(answers) > REQUESTS * 3 // 4
    assert {200, 400, 403, 500} <= set(answers) <= {200, 400, 403, 405, 500}
    assert lab.open_files() == files
    assert lab.memory() - memory < MEBIBYTES
    assert ping(lab, "idle0") == "idle0\\administrator"
    assert lab.complaints() == []
    assert lab.world() == world


def test_two_hundred_clients_at_once_are_all_served(lab: ServedLab) -> None:
    ping(lab, "idle0")
    assert settled(lab)
    files, memory, world = lab.open_files(), lab.memory(), lab.world()
    everybody = Barrier(CLIENTS)
    tls = ssl.create_default_context(cafile=str(lab.authority))
    idle = [address for name, address in lab.machines.items() if name.startswith("idle")]

    def run_a_command(number: int) -> None:
        client = Client((idle[number % len(idle)], lab.winrm_port), tls)
        client.connect()
        everybody.wait(60)
        shell, command = f"S{number}", f"C{number}"
        requests = (
            soap.create(shell),
            soap.command(shell, identifier=command).replace(b">FALSE<", b">TRUE<"),
            soap.receive(command, shell=shell),
            soap.delete(shell),
        )
        answers = [client.post("/wsman", request) for request in requests]
        assert [status for status, _ in answers] == [200] * 4
        assert base64.b64encode(b"idle")[:4] in answers[2][1]
        client.close()

    def ask_the_service(_number: int) -> None:
        client = Client((lab.machines[served.HGS], lab.http_port), None)
        client.connect()
        everybody.wait(60)
        assert client.post("/Attestation/getinfo", b"", "GET")[0] == 200
        client.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        work = [run_a_command if number % 2 else ask_the_service for number in range(CLIENTS)]
        for one in [pool.submit(task, number) for number, task in enumerate(work)]:
            one.result()
    assert settled(lab)
    assert lab.open_files() == files
    assert lab.memory() - memory < CLIENT_MEBIBYTES
    assert ping(lab, "idle0") == "idle0\\administrator"
    assert lab.complaints() == []
    assert lab.world() == world
