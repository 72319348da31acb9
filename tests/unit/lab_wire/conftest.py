# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that listens on the loopback interface, over HTTPS and over plain HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.wire import certificates
from ansible_collections.guarded.fabric.lab.wire.certificates import ServerCertificate
from ansible_collections.guarded.fabric.lab.wire.endpoint import Endpoint
from ansible_collections.guarded.fabric.lab.wire.http import Limits
from ansible_collections.guarded.fabric.lab.wire.ntlm import CredentialFile

from .machine import LoopThread, Machine, loop_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Listening:
    """A machine with its listeners and what a client needs to know of them."""

    machine: Machine
    https: Endpoint
    http: Endpoint
    certificate: ServerCertificate
    credentials: CredentialFile
    thread: LoopThread


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    return certificates.ensure(tmp_path_factory.mktemp("tls"), ["127.0.0.1"], datetime.now(UTC))


@pytest.fixture(scope="session")
def thread() -> Iterator[LoopThread]:
    with loop_thread() as thread:
        yield thread


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def listening(
    machine: Machine, certificate: ServerCertificate, thread: LoopThread, tmp_path: Path
) -> Iterator[Listening]:
    credentials = CredentialFile(tmp_path / "ntlm")
    limits = Limits(idle=20.0, read=0.5, linger=0.5)
    https = Endpoint(machine, "127.0.0.1", 0, credentials, certificate.context(), limits)
    http = Endpoint(machine, "127.0.0.1", 0, credentials, None, limits)
    for endpoint in (https, http):
        thread.run(endpoint.come_up())
    yield Listening(machine, https, http, certificate, credentials, thread)
    for endpoint in (https, http):
        thread.run(endpoint.go_down())
