# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP/1.1 server on asyncio: bounded in size and time, and no bytes from outside can make it raise.

Written by hand because NTLM authenticates a connection, not a request: each connection has a handler of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast

logger = logging.getLogger(__name__)

_REQUEST_LINE: Final = re.compile(r"([A-Z]{1,20}) (\S{1,2048}) HTTP/1\.([01])")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")


@dataclass(frozen=True)
class Limits:
    """What clients may ask of a listener; times in seconds, sizes in bytes."""

    header_bytes: int = 32 * 1024
    body_bytes: int = 1024 * 1024
    """Twice what WinRM takes for an envelope, ten times an attestation with a long boot log."""
    connections: int = 300
    """At one time (winrm/config, MaxConnections)."""
    idle: float = 120.0
    """Between two requests of a connection."""
    read: float = 30.0
    """For TLS to begin; and from the first byte of a request to its last."""
    write: float = 30.0
    """To take an answer."""
    linger: float = 2.0
    """To read on after a refusal, and for TLS to end."""


@dataclass
class Capacity:
    """How many connections all listeners of a process have together at one time: each is an open file."""

    connections: int = 1000
    taken: int = 0


@dataclass(frozen=True)
class HttpRequest:
    """A request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpResponse:
    """An answer; Content-Length is added."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


_FAREWELL = 1.0
"""Seconds that the tasks of reset connections get to end."""


class _RefusedError(Exception):
    """A request that cannot be read; the connection is closed after the answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


@dataclass
class HttpListener:
    """Listens on one address and port; `new_handler` makes the handler of each connection."""

    address: str
    port: int
    new_handler: Callable[[], Handler]
    tls: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)
    capacity: Capacity = field(default_factory=Capacity)
    _server: asyncio.Server | None = field(default=None, init=False)
    _connections: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict, init=False)

    async def open(self) -> None:
        """Start to listen. Port 0 takes a free one and keeps it. Raises OSError where that cannot be."""
        self._server = await asyncio.start_server(
            self._accept, self.address, self.port, limit=self.limits.header_bytes, backlog=256
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop to listen and reset every connection, as a machine does that goes down."""
        if self._server is not None:
            self._server.close()
            self._server = None
        running = dict(self._connections)
        for writer in running.values():
            _reset(writer)
        others = [task for task in running if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        # Python 3.11's wait_for can swallow a cancellation; a connection that lingers must not hold up the lab.
        if others and (await asyncio.wait(others, timeout=_FAREWELL))[1]:
            logger.warning("%s:%d: a connection outlives its listener", self.address, self.port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Without a server: accepted just before the listener was closed.
        if self._server is None or not self._has_room():
            _reset(writer)
            return
        if self.tls is not None:
            # What the client says first is for TLS, which begins with the task.
            cast("asyncio.Transport", writer.transport).pause_reading()
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = writer
        self.capacity.taken += 1
        task.add_done_callback(self._gone)

    def _has_room(self) -> bool:
        return len(self._connections) < self.limits.connections and self.capacity.taken < self.capacity.connections

    def _gone(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        self.capacity.taken -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.tls is not None:
                # Here and not by the server, so that who connects and says nothing is counted like everybody else.
                await writer.start_tls(self.tls, ssl_handshake_timeout=self.limits.read)
            await self._answer_all(reader, writer, self.new_handler())
        except (OSError, EOFError, TimeoutError):
            _reset(writer)  # The client went away, or is too slow: nobody is left to be told.
        except Exception:
            logger.exception("a bug of the lab")
        finally:
            await self._close(writer)

    async def _close(self, writer: asyncio.StreamWriter) -> None:
        if writer.is_closing():  # Was reset, or never got as far as TLS: nobody would say when it is closed.
            return
        writer.close()
        try:
            async with asyncio.timeout(self.limits.linger):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            _reset(writer)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        keep = True
        while keep:
            try:
                request = await self._read(reader, writer)
            except _RefusedError as refused:
                await self._write(writer, HttpResponse(refused.status, (("Connection", "close"),)))
                await self._linger(reader, writer)
                return
            await self._write(writer, await handler(request))
            keep = request.headers.get("connection", "").lower() != "close"

    async def _write(self, writer: asyncio.StreamWriter, response: HttpResponse) -> None:
        writer.write(_serialise(response))
        await asyncio.wait_for(writer.drain(), self.limits.write)

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read on for a moment: closing on a client that still sends would reset the connection and lose the answer."""
        if writer.can_write_eof():
            writer.write_eof()
        left = 2 * self.limits.body_bytes
        async with asyncio.timeout(self.limits.linger):
            while left > 0 and (data := await reader.read(65536)):
                left -= len(data)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> HttpRequest:
        first = await asyncio.wait_for(reader.readexactly(1), self.limits.idle)
        async with asyncio.timeout(self.limits.read):
            try:
                head = first + await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError as error:
                raise _RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from error
            method, target, headers = _parse_head(head)
            length = self._body_length(headers)
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return HttpRequest(method, target, headers, await reader.readexactly(length))

    def _body_length(self, headers: Mapping[str, str]) -> int:
        if "transfer-encoding" in headers:
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED)
        text = headers.get("content-length", "0")
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise _RefusedError(HTTPStatus.BAD_REQUEST)
        if int(text) > self.limits.body_bytes:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return int(text)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once and drop what was not sent yet."""
    writer.transport.abort()


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    start = _REQUEST_LINE.fullmatch(first)
    if start is None:
        raise _RefusedError(HTTPStatus.BAD_REQUEST)
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None or found[1].lower() in headers:
            raise _RefusedError(HTTPStatus.BAD_REQUEST)
        headers[found[1].lower()] = found[2]
    return start[1], start[2], headers


def _serialise(response: HttpResponse) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        "Server: Microsoft-HTTPAPI/2.0",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + response.body
