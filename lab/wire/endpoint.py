# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine listens: one address and port, from power-on to power-off."""

from __future__ import annotations

import ssl
from http import HTTPStatus

from .auth import Authenticator
from .http import Handler, HttpListener, HttpRequest, HttpResponse, Limits
from .ntlm import CredentialFile
from .target import Target
from .wsman import Quotas, WsManService


class Endpoint:
    """The WinRM listener of one machine; with `tls` HTTPS, without plain HTTP that takes encrypted NTLM messages only."""

    def __init__(  # noqa: PLR0913
        self,
        target: Target,
        address: str,
        port: int,
        credentials: CredentialFile,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        """Prepare; nothing listens before `come_up`. Port 0 takes a free port and keeps it over restarts."""
        self._target = target
        self._credentials = credentials
        self._tls = tls
        self._service = WsManService(target, quotas or Quotas())
        self._listener = HttpListener(address, port, self._new_connection, tls, limits or Limits())

    @property
    def address(self) -> str:
        """The address listened on."""
        return self._listener.address

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._listener.port

    async def come_up(self) -> None:
        """Listen. Raises OSError where the address or port cannot be had."""
        await self._listener.open()

    async def go_down(self) -> None:
        """Refuse connections, reset the open ones, lose all shells: what a restart looks like from outside."""
        self._service.drop_shells()
        await self._listener.close()

    def _new_connection(self) -> Handler:
        authenticator = Authenticator(self._target.password_of, self._credentials, tls=self._tls is not None)

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
