# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine listens: one address and port, from power-on to power-off."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from http import HTTPStatus

from .auth import Authenticator
from .http import Capacity, Handler, HttpListener, HttpRequest, HttpResponse, Limits
from .ntlm import CredentialFile
from .target import Target
from .wsman import Quotas, WsManService


@dataclass
class Endpoint:
    """The WinRM listener of one machine: HTTPS with `tls`, else plain HTTP that takes encrypted NTLM messages only.

    Nothing listens before `come_up`. Port 0 takes a free port and keeps it over restarts.
    """

    target: Target
    address: str
    port: int
    credentials: CredentialFile
    tls: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)
    quotas: Quotas = field(default_factory=Quotas)
    capacity: Capacity = field(default_factory=Capacity)
    _service: WsManService = field(init=False)
    _listener: HttpListener = field(init=False)

    def __post_init__(self) -> None:
        """Put the layers together."""
        self._service = WsManService(self.target, self.quotas)
        self._listener = HttpListener(
            self.address, self.port, self._new_connection, self.tls, self.limits, self.capacity
        )

    async def come_up(self) -> None:
        """Listen. Raises OSError where the address or port cannot be had."""
        await self._listener.open()
        self.port = self._listener.port

    async def go_down(self) -> None:
        """Refuse connections, reset the open ones, lose all shells: what a restart looks like from outside."""
        self._service.drop_shells()
        await self._listener.close()

    def _new_connection(self) -> Handler:
        authenticator = Authenticator(self.target.password_of, self.credentials, tls=self.tls is not None)

        async def handle(request: HttpRequest) -> HttpResponse:
            if request.target.split("?")[0].rstrip("/").lower() != "/wsman":
                return HttpResponse(HTTPStatus.NOT_FOUND)
            if request.method != "POST":
                return HttpResponse(HTTPStatus.METHOD_NOT_ALLOWED, (("Allow", "POST"),))
            known = authenticator.authenticate(request)
            if isinstance(known, HttpResponse):
                return known
            return known.reply(*await self._service.answer(known.body, known.user))

        return handle
