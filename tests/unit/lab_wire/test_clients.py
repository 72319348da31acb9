# SPDX-License-Identifier: GPL-3.0-or-later
"""Stock pywinrm and pypsrp against the server."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pytest
import requests
from ansible_collections.guarded.fabric.lab.wire import wsman
from ansible_collections.guarded.fabric.lab.wire.target import ProcessResult, ScriptExecution
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError
from winrm.exceptions import WSManFaultError as WinRMFaultError
from winrm.protocol import Protocol

from .machine import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Listening

Transport = Literal["basic", "ntlm"]

winrm_transports = pytest.mark.parametrize(
    ("scheme", "transport"), [("https", "ntlm"), ("https", "basic"), ("http", "ntlm")]
)
psrp_transports = pytest.mark.parametrize(
    ("scheme", "auth"),
    [("https", "negotiate"), ("https", "ntlm"), ("https", "basic"), ("http", "negotiate"), ("http", "ntlm")],
)


@contextmanager
def winrm(
    listening: Listening,
    scheme: str,
    transport: Transport,
    account: tuple[str, str] = (USER, PASSWORD),
    timeout: int = 20,
) -> Iterator[Protocol]:
    user, password = account
    port = {"https": listening.https, "http": listening.http}[scheme].port
    protocol = Protocol(
        f"{scheme}://127.0.0.1:{port}/wsman",
        transport=transport,
        username=user,
        password=password,
        ca_trust_path=str(listening.certificate.authority),
        operation_timeout_sec=timeout,
        read_timeout_sec=timeout + 10,
    )
    try:
        yield protocol
    finally:
        protocol.transport.close_session()


def run(protocol: Protocol, line: str, stdin: bytes = b"") -> tuple[bytes, bytes, int]:
    shell = protocol.open_shell(codepage=65001)
    command = protocol.run_command(shell, line, console_mode_stdin=not stdin)
    if stdin:
        protocol.send_command_input(shell, command, stdin, end=True)
    output: tuple[bytes, bytes, int] = protocol.get_command_output(shell, command)
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell, close_session=False)
    return output


@contextmanager
def psrp(listening: Listening, scheme: str, auth: str, password: str = PASSWORD) -> Iterator[RunspacePool]:
    with (
        WSMan(
            "127.0.0.1",
            port={"https": listening.https, "http": listening.http}[scheme].port,
            ssl=scheme == "https",
            auth=auth,
            username=USER,
            password=password,
            cert_validation=str(listening.certificate.authority),  # type: ignore[arg-type]  # a path is documented
        ) as connection,
        RunspacePool(connection) as pool,
    ):
        yield pool


def invoke(pool: RunspacePool, script: str, stdin: list[str] | None = None) -> PowerShell:
    pipeline = PowerShell(pool)
    pipeline.add_script(script)
    pipeline.invoke(stdin)  # type: ignore[arg-type]  # a list is documented
    return pipeline


@winrm_transports
def test_winrm_runs_a_command(listening: Listening, scheme: str, transport: Transport) -> None:
    with winrm(listening, scheme, transport) as protocol:
        assert run(protocol, "whoami") == (b"lab\\administrator\r\n", b"", 0)
    ((execution, user),) = listening.machine.executions
    assert isinstance(execution, ScriptExecution)
    assert user == USER


@psrp_transports
def test_psrp_runs_a_script(listening: Listening, scheme: str, auth: str) -> None:
    with psrp(listening, scheme, auth) as pool:
        pipeline = invoke(pool, "whoami")
    assert pipeline.output == ["lab\\administrator"]
    assert not pipeline.streams.error


@winrm_transports
def test_winrm_refuses_a_wrong_password(listening: Listening, scheme: str, transport: Transport) -> None:
    with (
        winrm(listening, scheme, transport, (USER, PASSWORD + "x")) as protocol,
        pytest.raises((InvalidCredentialsError, WinRMTransportError)),
    ):
        protocol.open_shell()


@psrp_transports
def test_psrp_refuses_a_wrong_password(listening: Listening, scheme: str, auth: str) -> None:
    with pytest.raises(AuthenticationError), psrp(listening, scheme, auth, PASSWORD + "x"):
        pass


@pytest.mark.parametrize("user", ["nobody", "OTHER\\Administrator", "a:b"])
def test_an_unknown_account_is_refused(listening: Listening, user: str) -> None:
    transports: tuple[Transport, ...] = ("ntlm", "basic")
    for transport in transports:
        with (
            winrm(listening, "https", transport, (user, "")) as protocol,
            pytest.raises((InvalidCredentialsError, WinRMTransportError)),
        ):
            protocol.open_shell()


@pytest.mark.parametrize("user", ["ADMINISTRATOR", "CONTOSO\\hgsadmin", "hgsadmin@contoso.com"])
def test_accounts_are_named_as_the_client_names_them(listening: Listening, user: str) -> None:
    listening.machine.passwords[user.lower()] = PASSWORD
    with winrm(listening, "https", "ntlm", (user, PASSWORD)) as protocol:
        assert run(protocol, "whoami")[0] == f"lab\\{user}\r\n".lower().encode()


def test_basic_is_not_offered_over_plain_http(listening: Listening) -> None:
    with winrm(listening, "http", "basic") as protocol, pytest.raises((InvalidCredentialsError, WinRMTransportError)):
        protocol.open_shell()
    answer = requests.post(f"http://127.0.0.1:{listening.http.port}/wsman", timeout=5)
    assert answer.status_code == 401
    assert "Basic" not in answer.headers["WWW-Authenticate"]


def test_a_message_that_is_not_encrypted_is_refused_over_plain_http(listening: Listening) -> None:
    with winrm(listening, "http", "ntlm") as protocol:
        protocol.transport.message_encryption = "never"
        with pytest.raises((InvalidCredentialsError, WinRMTransportError)):
            protocol.open_shell()
    assert listening.machine.executions == []


def test_a_changed_password_counts_at_once(listening: Listening) -> None:
    listening.machine.passwords[USER.lower()] = "new"
    with winrm(listening, "https", "ntlm") as protocol, pytest.raises(InvalidCredentialsError):
        protocol.open_shell()
    with winrm(listening, "https", "ntlm", (USER, "new")) as protocol:
        assert run(protocol, "whoami")[2] == 0


def test_no_credentials_stay_behind(listening: Listening) -> None:
    before = os.environ.get("NTLM_USER_FILE")
    with winrm(listening, "https", "ntlm") as protocol:
        run(protocol, "whoami")
    assert listening.credentials.path.read_bytes() == b""
    assert stat.S_IMODE(listening.credentials.path.stat().st_mode) == 0o600
    assert os.environ.get("NTLM_USER_FILE") == before


def test_an_unknown_script_fails_and_says_why(listening: Listening) -> None:
    with winrm(listening, "https", "basic") as protocol:
        stdout, stderr, rc = run(protocol, "Get-Process")
    assert rc == 1
    assert stdout == stderr
    assert b"interprets no PowerShell" in stderr
    with psrp(listening, "https", "basic") as pool:
        pipeline = invoke(pool, "Get-Process")
    assert "interprets no PowerShell" in str(pipeline.streams.error[0])
    assert listening.machine.executions == []


def test_psrp_refuses_a_pipeline_of_cmdlets(listening: Listening) -> None:
    with psrp(listening, "https", "basic") as pool:
        pipeline = PowerShell(pool)
        pipeline.add_cmdlet("Get-Process")
        pipeline.invoke()
    assert "a pipeline must be one script" in str(pipeline.streams.error[0])


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_much_output_comes_back_whole(listening: Listening, scheme: str) -> None:
    text = "grüße 😀 " * 100_000
    listening.machine.says(ProcessResult(3, text.encode(), b"e" * 300_000))
    with winrm(listening, scheme, "ntlm") as protocol:
        assert run(protocol, "whoami") == (text.encode(), b"e" * 300_000, 3)
    with psrp(listening, scheme, "ntlm") as pool:
        pipeline = invoke(pool, "whoami")
    assert pipeline.output == [text]
    assert str(pipeline.streams.error[0]) == "e" * 300_000


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_much_input_arrives_whole(listening: Listening, scheme: str) -> None:
    lines = [f"{number} grüße " * 200 for number in range(300)]
    with psrp(listening, scheme, "ntlm") as pool:
        invoke(pool, "whoami", lines)
    ((execution, _),) = listening.machine.executions
    assert isinstance(execution, ScriptExecution)
    assert execution.stdin.decode() == "\n".join(lines)
    with winrm(listening, scheme, "ntlm") as protocol:
        run(protocol, "whoami", stdin=b"x" * 200_000)
    execution, _ = listening.machine.executions[1]
    assert isinstance(execution, ScriptExecution)
    assert execution.stdin == b"x" * 200_000


def test_a_command_may_take_longer_than_the_operation_timeout(listening: Listening) -> None:
    listening.machine.says(ProcessResult(0, b"late"), after=2.5)
    with winrm(listening, "https", "ntlm", timeout=1) as protocol:
        started = datetime.now(UTC)
        assert run(protocol, "whoami") == (b"late", b"", 0)
    assert timedelta(seconds=2.4) < datetime.now(UTC) - started < timedelta(seconds=6)


def test_a_bug_of_the_lab_is_a_failed_command(listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    with winrm(listening, "https", "basic") as protocol:
        _, stderr, rc = run(protocol, "hostname")
    assert rc == 1
    assert b"a bug of the lab" in stderr
    assert "NotImplementedError" in caplog.text


def test_a_machine_that_is_down_refuses_connections_and_has_lost_its_shells(listening: Listening) -> None:
    with winrm(listening, "https", "basic") as protocol:
        shell = protocol.open_shell()
        listening.thread.run(listening.https.go_down())
        with pytest.raises(requests.ConnectionError):
            protocol.open_shell()
        port = listening.https.port
        listening.thread.run(listening.https.come_up())
        assert listening.https.port == port
        with pytest.raises(WinRMFaultError) as caught:
            protocol.run_command(shell, "whoami")
        assert caught.value.wsman_fault_code == 2150858843
        assert run(protocol, "whoami")[2] == 0


def test_going_down_ends_a_command_and_who_waits_for_it(listening: Listening) -> None:
    listening.machine.says(ProcessResult(0), after=60)
    with winrm(listening, "https", "basic") as protocol:
        shell = protocol.open_shell()
        command = protocol.run_command(shell, "whoami")
        listening.thread.loop.call_soon_threadsafe(
            lambda: listening.thread.loop.call_later(
                0.3, lambda: listening.thread.loop.create_task(listening.https.go_down())
            )
        )
        with pytest.raises(requests.ConnectionError):
            protocol.get_command_output(shell, command)


def test_a_shell_belongs_to_who_opened_it(listening: Listening) -> None:
    listening.machine.passwords["other"] = PASSWORD
    with winrm(listening, "https", "basic") as mine, winrm(listening, "https", "basic", ("other", PASSWORD)) as theirs:
        shell = mine.open_shell()
        with pytest.raises(WinRMFaultError) as caught:
            theirs.run_command(shell, "whoami")
    assert caught.value.wsman_fault_code == 2150858843


def test_an_unknown_configuration_is_refused(listening: Listening) -> None:
    with (
        WSMan(
            "127.0.0.1",
            port=listening.https.port,
            auth="basic",
            username=USER,
            password=PASSWORD,
            cert_validation=str(listening.certificate.authority),  # type: ignore[arg-type]  # a path is documented
        ) as connection,
        pytest.raises(WSManFaultError) as caught,
        RunspacePool(connection, configuration_name="microsoft.windows.hgs"),
    ):
        pass
    assert caught.value.code == 2150858811


def test_concurrent_shells_of_a_user_are_limited(listening: Listening) -> None:
    limit = wsman.Quotas().shells_per_user
    with winrm(listening, "https", "basic") as protocol:
        for _ in range(limit):
            protocol.open_shell()
        with pytest.raises(WinRMFaultError) as caught:
            protocol.open_shell()
    assert caught.value.wsman_fault_code == 2150859173
