# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that no good client sends."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.wire.http import Capacity, HttpListener, HttpRequest, HttpResponse, Limits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .machine import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.guarded.fabric.lab.wire.certificates import ServerCertificate

    from .conftest import Listening
    from .machine import LoopThread

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, (("X-Target", request.target),), request.body)


@pytest.fixture
def listener(thread: LoopThread) -> Iterator[HttpListener]:
    listener = HttpListener("127.0.0.1", 0, lambda: echo, None, Limits(8192, 100_000, idle=0.5, read=0.5, write=0.5))
    thread.run(listener.open())
    yield listener
    thread.run(listener.close())


def exchange(port: int, data: bytes) -> bytes:
    """Send and read until the server closes; what was not read before a reset is lost."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def status(answer: bytes) -> bytes:
    return answer.split(b"\r\n")[0].removeprefix(b"HTTP/1.1 ")


def test_requests_follow_each_other_on_one_connection(listener: HttpListener) -> None:
    request = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    last = b"POST /b HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    answer = exchange(listener.port, request + request + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"\r\n\r\nabc") == 2
    assert b"X-Target: /b" in answer


def test_a_client_may_ask_before_it_sends_a_body(listener: HttpListener) -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    assert exchange(listener.port, head + b"abc").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/2.0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"431"),
        (b"x" * 20_000, b"431"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_connection_closed(
    listener: HttpListener, data: bytes, code: bytes
) -> None:
    assert status(exchange(listener.port, data)).startswith(code)


@pytest.mark.parametrize("data", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"])
def test_a_slow_client_is_dropped(listener: HttpListener, data: bytes) -> None:
    started = time.monotonic()
    assert exchange(listener.port, data) == b""
    assert 0.4 < time.monotonic() - started < 3


def test_a_client_that_does_not_take_its_answer_is_dropped(listener: HttpListener) -> None:
    request = b"POST / HTTP/1.1\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(request * 1000)


def test_a_client_that_sends_a_byte_now_and_then_is_dropped(listener: HttpListener) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as connection:
        while sends(connection, b"x"):
            assert time.monotonic() - started < 5
            time.sleep(0.1)


def sends(connection: socket.socket, data: bytes) -> bool:
    """Send, and say if the other side still took it."""
    try:
        connection.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=10)


def is_refused(connection: socket.socket) -> bool:
    """Say if the server closes a connection instead of answering a request on it."""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        return connection.recv(10) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("connections", [(3, 1000), (300, 3)], ids=["of a listener", "of all listeners"])
def test_connections_are_limited_and_a_place_is_free_once_a_client_has_gone(
    thread: LoopThread, connections: tuple[int, int]
) -> None:
    of_one, of_all = connections
    capacity = Capacity(of_all)
    listener = HttpListener("127.0.0.1", 0, lambda: echo, None, Limits(connections=of_one), capacity)
    thread.run(listener.open())
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: thread.run(listener.close()))
        first, *others = [stack.enter_context(connect(("127.0.0.1", listener.port))) for _ in range(3)]
        wait_for(lambda: capacity.taken == 3)
        assert is_refused(stack.enter_context(connect(("127.0.0.1", listener.port))))
        first.close()
        wait_for(lambda: capacity.taken == 2)
        assert not is_refused(stack.enter_context(connect(("127.0.0.1", listener.port))))
        assert not any(is_refused(each) for each in others)
    assert capacity.taken == 0


def test_a_client_that_never_begins_tls_counts_and_is_dropped(listening: Listening) -> None:
    capacity = listening.https.capacity
    with connect(("127.0.0.1", listening.https.port)) as connection:
        wait_for(lambda: capacity.taken == 1)
        started = time.monotonic()
        assert connection.recv(10) == b""
        assert time.monotonic() - started < 3
    wait_for(lambda: capacity.taken == 0)


def test_a_client_that_never_ends_tls_is_dropped(listening: Listening) -> None:
    context = ssl.create_default_context(cafile=str(listening.certificate.authority))
    request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    with connect(("127.0.0.1", listening.https.port)) as plain:
        connection = context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=True)
        connection.sendall(request)
        wait_for(lambda: listening.https.capacity.taken == 0)
        connection.close()


def test_a_machine_that_goes_down_drops_clients_that_have_not_begun_tls(
    thread: LoopThread, certificate: ServerCertificate
) -> None:
    listener = HttpListener("127.0.0.1", 0, lambda: echo, certificate.context())
    thread.run(listener.open())
    with connect(("127.0.0.1", listener.port)) as connection:
        wait_for(lambda: listener.capacity.taken == 1)
        thread.run(listener.close())
        assert is_refused(connection)
    assert listener.capacity.taken == 0


def post(listening: Listening, body: bytes) -> bytes:
    head = f"POST /wsman HTTP/1.1\r\nAuthorization: {BASIC}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    context = ssl.create_default_context(cafile=str(listening.certificate.authority))
    received = b""
    with (
        socket.create_connection(("127.0.0.1", listening.https.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(head.encode() + body)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_five_megabytes_are_refused_with_an_answer(listening: Listening) -> None:
    assert status(post(listening, b"<" * 5 * 1024 * 1024)) == b"413 Request Entity Too Large"


def test_more_than_the_envelope_quota_is_a_fault(listening: Listening) -> None:
    envelope = (
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>%s</s:Body></s:Envelope>'
    )
    answer = post(listening, envelope % (b" " * 600_000))
    assert status(answer) == b"500 Internal Server Error"
    assert b'Code="2150858790"' in answer


@pytest.mark.parametrize(
    ("target", "method", "code"), [("/", "POST", b"404"), ("/wsman", "GET", b"405"), ("/wsman?x=y", "POST", b"401")]
)
def test_only_posts_to_the_service_are_taken(listening: Listening, target: str, method: str, code: bytes) -> None:
    request = f"{method} {target} HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert status(exchange(listening.http.port, request.encode())).startswith(code)


def token(message: bytes) -> str:
    return base64.b64encode(message).decode()


headers = st.sampled_from(
    [
        BASIC,
        "Basic !",
        "Basic",
        f"Negotiate {token(b'NTLMSSP' + bytes([0, 1, 0, 0, 0, 0x37, 0x82, 0x08, 0xE2]) + bytes(32))}",
        "Kerberos x",
    ]
) | st.binary(max_size=200).map(lambda rest: f"NTLM {token(b'NTLMSSP' + bytes([0, 3, 0, 0, 0]) + rest)}")
bodies = st.sampled_from([b"", b"<", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', bytes(10)]) | st.binary()


@st.composite
def broken_requests(draw: st.DrawFn) -> bytes:
    """Make a request that is nearly right: cut, doubled, overwritten."""
    body = draw(bodies)
    kind = draw(st.sampled_from(["application/soap+xml", "multipart/encrypted", "\xe9"]))
    request = bytearray(
        f"POST /wsman HTTP/1.1\r\nAuthorization: {draw(headers)}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode("latin-1")
        + body
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(request) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                request[at] = draw(st.integers(0, 255))
            case 1:
                request[at:] = b"\r\n\r\n"
            case _:
                request[at:at] = request[:at]
    return bytes(request)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(requests=st.lists(broken_requests(), min_size=10, max_size=20))
def test_hundreds_of_broken_requests_leave_the_server_standing(
    listening: Listening, caplog: pytest.LogCaptureFixture, requests: list[bytes]
) -> None:
    with contextlib.ExitStack() as stack:
        for data in requests:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", listening.http.port), timeout=10))
            connection.sendall(data)
        last = b"GET /wsman HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert status(exchange(listening.http.port, last)) == b"405 Method Not Allowed"
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert listening.machine.executions == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_any_body_of_a_known_user_is_answered(listening: Listening, body: bytes) -> None:
    assert status(post(listening, body)) == b"400 Bad Request"
