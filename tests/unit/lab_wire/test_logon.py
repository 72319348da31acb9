# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in: logons put together by hand, as no client library sends them."""

from __future__ import annotations

import base64
import http.client
import ssl
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import spnego

from .machine import PASSWORD, USER
from .soap import create

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Listening


@contextmanager
def client(listening: Listening) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(listening.certificate.authority))
    connection = http.client.HTTPSConnection("127.0.0.1", listening.https.port, timeout=10, context=context)
    try:
        yield connection
    finally:
        connection.close()


def post(connection: http.client.HTTPSConnection, authorization: str | None) -> tuple[int, list[str]]:
    """Ask for a shell; return the status and what the server asks for."""
    shell = create(str(uuid.uuid4()))
    connection.request("POST", "/wsman", shell, {} if authorization is None else {"Authorization": authorization})
    response = connection.getresponse()
    response.read()
    return response.status, response.headers.get_all("WWW-Authenticate") or []


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def ntlm(token: bytes | None) -> str:
    return "NTLM " + base64.b64encode(token or b"").decode()


def challenge(asked: list[str]) -> bytes:
    (header,) = asked
    return base64.b64decode(header.removeprefix("NTLM "))


def logon(user: str, password: str) -> spnego.ContextProxy:
    return spnego.client(user, password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)


def log_on(connection: http.client.HTTPSConnection, user: str, password: str) -> tuple[list[bytes], int]:
    """Log on by NTLM; return what was sent, and the last answer."""
    context = logon(user, password)
    first = context.step()
    assert first is not None
    status, asked = post(connection, ntlm(first))
    assert status == 401
    second = context.step(challenge(asked))
    assert second is not None
    return [first, second], post(connection, ntlm(second))[0]


def test_nobody_gets_in_without_credentials(listening: Listening) -> None:
    with client(listening) as connection:
        assert post(connection, None) == (401, ["Negotiate", "NTLM", 'Basic realm="WSMAN"'])


@pytest.mark.parametrize(
    "pair",
    [
        f"{USER}:{PASSWORD}x",
        f"{USER}:{PASSWORD[:-1]}",
        f"{USER}:{PASSWORD.upper()}",
        f"{USER}:",
        f"{USER}",
        f"nobody:{PASSWORD}",
        f":{PASSWORD}",
        ":",
        "",
        f"{USER}\0:{PASSWORD}",
    ],
)
def test_basic_lets_in_nobody_with_anything_but_name_and_password(listening: Listening, pair: str) -> None:
    with client(listening) as connection:
        assert post(connection, basic(pair))[0] == 401
        assert post(connection, basic(f"{USER}:{PASSWORD}"))[0] == 200


@pytest.mark.parametrize("user", [USER, "nobody"])
@pytest.mark.parametrize("password", ["", PASSWORD + "x"])
def test_ntlm_lets_in_nobody_with_another_password(listening: Listening, user: str, password: str) -> None:
    with client(listening) as connection:
        assert log_on(connection, user, password)[1] == 401
        assert post(connection, None)[0] == 401


def test_ntlm_lets_nobody_in_anonymously(listening: Listening) -> None:
    with client(listening) as connection:
        _, asked = post(connection, ntlm(logon(USER, PASSWORD).step()))
        assert challenge(asked).startswith(b"NTLMSSP\0\x02")
        flags = 0xE2088A15 | 0x800  # NTLMSSP_NEGOTIATE_ANONYMOUS, [MS-NLMP] 2.2.2.5
        empty = (0).to_bytes(4, "little") + (72).to_bytes(4, "little")
        message = b"NTLMSSP\0\x03\0\0\0" + empty * 6 + flags.to_bytes(4, "little") + bytes(8)
        assert post(connection, ntlm(message))[0] == 401
        assert post(connection, None)[0] == 401


def test_an_ntlm_logon_that_somebody_recorded_is_good_for_nothing(listening: Listening) -> None:
    with client(listening) as connection:
        recorded, status = log_on(connection, USER, PASSWORD)
        assert status == 200
        assert post(connection, None)[0] == 200
    with client(listening) as connection:
        assert [post(connection, ntlm(token))[0] for token in recorded] == [401, 401]
        assert post(connection, ntlm(recorded[1]))[0] == 401
        assert post(connection, None)[0] == 401


def test_a_failed_logon_ends_the_one_that_was_good(listening: Listening) -> None:
    with client(listening) as connection:
        assert log_on(connection, USER, PASSWORD)[1] == 200
        assert log_on(connection, USER, PASSWORD + "x")[1] == 401
        assert post(connection, None)[0] == 401


def test_a_logon_is_good_for_its_own_connection_only(listening: Listening) -> None:
    with client(listening) as mine, client(listening) as theirs:
        assert log_on(mine, USER, PASSWORD)[1] == 200
        assert post(theirs, None)[0] == 401
