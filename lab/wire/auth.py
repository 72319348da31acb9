# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a request comes from: Basic, or NTLM bare or in Negotiate, and NTLM's encryption of messages over plain HTTP.

As WinRM does it out of the box: nothing unencrypted is taken, so over plain HTTP Basic is not offered and a body must
be encrypted ([MS-WSMV] 2.2.9.1). Kerberos, CredSSP and client certificates are not offered.
"""

from __future__ import annotations

import base64
import hmac
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from .http import HttpRequest, HttpResponse
from .ntlm import CredentialFile, NtlmAcceptor, NtlmError

_BOUNDARY: Final = b"--Encrypted Boundary"
_ENCRYPTED_PART: Final = re.compile(
    rb"--Encrypted Boundary\r\n\s*Content-Type: (?P<protocol>application/HTTP-[\w-]+)\r\n"
    rb"\s*OriginalContent: type=(?P<type>[^\r\n]*?);Length=(?P<length>\d{1,9})\r\n"
    rb"--Encrypted Boundary\r\n\s*Content-Type: application/octet-stream\r\n(?P<sealed>.*)"
    rb"--Encrypted Boundary--(?:\r\n)?",
    re.DOTALL | re.IGNORECASE,
)
_SOAP_TYPE: Final = "application/soap+xml;charset=UTF-8"


@dataclass(frozen=True)
class Authenticated:
    """A request whose sender is known, with its body decrypted; `reply` makes the answer, encrypted where it was."""

    user: str
    body: bytes
    reply: Callable[[int, bytes], HttpResponse]


class Authenticator:
    """Authenticates the requests of one connection; NTLM holds for the rest of it."""

    def __init__(self, password_of: Callable[[str], str | None], credentials: CredentialFile, *, tls: bool) -> None:
        """`tls`: the connection is encrypted, so that Basic and plain bodies are safe."""
        self._password_of = password_of
        self._credentials = credentials
        self._tls = tls
        self._exchange: NtlmAcceptor | None = None

    def authenticate(self, request: HttpRequest) -> Authenticated | HttpResponse:
        """Return who asks for what, or the answer that asks for (other) credentials."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "basic" if self._tls:
                user = self._basic(credentials)
                return self._refuse() if user is None else Authenticated(user, request.body, _plain)
            case "negotiate" | "ntlm":
                return self._negotiate(scheme, credentials, request)
            case "":
                return self._on_connection(request)
            case _:
                return self._refuse()

    def _refuse(self) -> HttpResponse:
        self._exchange = None
        schemes = ("Negotiate", "NTLM", 'Basic realm="WSMAN"') if self._tls else ("Negotiate", "NTLM")
        return HttpResponse(HTTPStatus.UNAUTHORIZED, tuple(("WWW-Authenticate", scheme) for scheme in schemes))

    def _basic(self, credentials: str) -> str | None:
        try:
            pair = base64.b64decode(credentials, validate=True)
        except ValueError:
            return None
        user, _, password = _decoded(pair).partition(":")
        expected = self._password_of(user)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            return None
        return user

    def _negotiate(self, scheme: str, credentials: str, request: HttpRequest) -> Authenticated | HttpResponse:
        try:
            token = base64.b64decode(credentials, validate=True)
            if self._exchange is None or self._exchange.user is not None:
                self._exchange = NtlmAcceptor(self._credentials, self._password_of, token)
            answer = self._exchange.step(token)
        except (ValueError, NtlmError):
            return self._refuse()
        header = ("WWW-Authenticate", f"{scheme} {base64.b64encode(answer).decode()}")
        if self._exchange.user is None:
            return HttpResponse(HTTPStatus.UNAUTHORIZED, (header,))
        if not request.body:
            return HttpResponse(HTTPStatus.OK, (header,) if answer else ())
        return self._on_connection(request)

    def _on_connection(self, request: HttpRequest) -> Authenticated | HttpResponse:
        """Take the identity that the connection's NTLM exchange left."""
        exchange = self._exchange
        if exchange is None or exchange.user is None:
            return self._refuse()
        if "multipart/encrypted" not in request.headers.get("content-type", ""):
            return Authenticated(exchange.user, request.body, _plain) if self._tls else self._refuse()
        try:
            part = _encrypted_part(request.body)
            body = exchange.unwrap(part["header"], part["data"])
        except NtlmError:
            return HttpResponse(HTTPStatus.BAD_REQUEST)
        protocol = part["protocol"].decode("ascii")
        return Authenticated(exchange.user, body, lambda status, data: _encrypted(exchange, protocol, status, data))


def _decoded(pair: bytes) -> str:
    """Decode user and password; RFC 7617 leaves the encoding open: requests sends Latin-1, others UTF-8."""
    try:
        return pair.decode()
    except UnicodeDecodeError:
        return pair.decode("latin-1")


def _plain(status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status, (("Content-Type", _SOAP_TYPE),) if body else (), body)


def _encrypted_part(body: bytes) -> Mapping[str, bytes]:
    found = _ENCRYPTED_PART.fullmatch(body)
    sealed = found["sealed"] if found else b""
    size = struct.unpack("<I", sealed[:4])[0] if len(sealed) > struct.calcsize("<I") else 0
    if found is None or not 0 < size < len(sealed):
        raise NtlmError("not an encrypted message")
    return {"protocol": found["protocol"], "header": sealed[4 : 4 + size], "data": sealed[4 + size :]}


def _encrypted(exchange: NtlmAcceptor, protocol: str, status: int, body: bytes) -> HttpResponse:
    header, data = exchange.wrap(body)
    sealed = b"\r\n".join(
        (
            _BOUNDARY,
            f"\tContent-Type: {protocol}".encode(),
            f"\tOriginalContent: type={_SOAP_TYPE};Length={len(body)}".encode(),
            _BOUNDARY,
            b"\tContent-Type: application/octet-stream",
            struct.pack("<I", len(header)) + header + data + _BOUNDARY + b"--",
            b"",
        )
    )
    kind = f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"'
    return HttpResponse(status, (("Content-Type", kind),), sealed)
