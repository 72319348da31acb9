# SPDX-License-Identifier: GPL-3.0-or-later
"""NTLM on the accepting side, by pyspnego, with the passwords that a machine has at this moment.

pyspnego's acceptor takes credentials from nowhere but the file that NTLM_USER_FILE names, and one process plays many
machines whose Administrators have different passwords. So the file is written anew for the one account that a client
names, just for the step that checks it (a step never yields to the event loop), and emptied after it.
"""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import spnego
from spnego._ntlm_raw.crypto import ntowfv1
from spnego.exceptions import SpnegoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNATURE: Final = b"NTLMSSP\0"
_AUTHENTICATE: Final = _SIGNATURE + struct.pack("<I", 3)
_UNICODE: Final = 0x1
_NO_LM_HASH: Final = "aad3b435b51404eeaad3b435b51404ee"
"""That of an empty password, which Windows keeps in place of the weak hash: LM and NTLMv1 responses prove nothing."""
_FIXED_BYTES: Final = 64
"""Of an AUTHENTICATE message, up to and with its flags."""


class NtlmError(Exception):
    """The client's token is malformed or its proof of the password is wrong."""


@dataclass(frozen=True)
class CredentialFile:
    """The file NTLM_USER_FILE names, readable by the owner only."""

    path: Path

    @contextmanager
    def holding(self, account: str) -> Iterator[None]:
        """Let pyspnego find this one account, a line as `_account` makes it."""
        before = os.environ.get("NTLM_USER_FILE")
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(account)
        os.environ["NTLM_USER_FILE"] = str(self.path)
        try:
            yield
        finally:
            os.truncate(self.path, 0)
            if before is None:
                del os.environ["NTLM_USER_FILE"]
            else:
                os.environ["NTLM_USER_FILE"] = before


class NtlmAcceptor:
    """One NTLM exchange, bare or in SPNEGO, and the keys it ends with."""

    def __init__(self, file: CredentialFile, password_of: Callable[[str], str | None], first_token: bytes) -> None:
        """Prepare for the kind of token the client begins with."""
        self._file = file
        self._password_of = password_of
        bare = first_token.startswith(_SIGNATURE)
        # The options name pyspnego's own implementations: a gssapi library of the machine would look for a keytab.
        options = spnego.NegotiateOptions.use_ntlm if bare else spnego.NegotiateOptions.use_negotiate
        with file.holding(""):
            self._context = spnego.server(protocol="ntlm" if bare else "negotiate", options=options)

    def step(self, token: bytes) -> bytes:
        """Take the client's token, return the one to send back (may be empty). Raises NtlmError."""
        username = _claimed_username(token)
        password = self._password_of(username) if username else None
        try:
            with self._file.holding("" if password is None else _account(username, password)):
                return self._context.step(token) or b""
        except (SpnegoError, ValueError, IndexError, KeyError, struct.error, NotImplementedError) as error:
            raise NtlmError(str(error)) from error

    @property
    def user(self) -> str | None:
        r"""`DOMAIN\user` or `user` as the client named it; None until the exchange is complete."""
        return str(self._context.client_principal) if self._context.complete else None

    def unwrap(self, header: bytes, data: bytes) -> bytes:
        """Decrypt and check a message. Raises NtlmError."""
        try:
            return self._context.unwrap_winrm(header, data)
        except (SpnegoError, ValueError) as error:
            raise NtlmError(str(error)) from error

    def wrap(self, data: bytes) -> tuple[bytes, bytes]:
        """Encrypt a message; returns its signature and the ciphertext."""
        wrapped = self._context.wrap_winrm(data)
        return wrapped.header, wrapped.data


def _account(username: str, password: str) -> str:
    """Return a line in smbpasswd's format: hashes, because a colon in a password would break the other one."""
    return f"{username}:0:{_NO_LM_HASH}:{ntowfv1(password).hex()}:[U]:LCT-0\n"


def _claimed_username(token: bytes) -> str:
    """Read the account out of an AUTHENTICATE message ([MS-NLMP] 2.2.1.3); empty for the other messages."""
    start = token.find(_AUTHENTICATE)
    message = token[start:] if start >= 0 else b""
    if len(message) < _FIXED_BYTES:
        return ""
    flags = struct.unpack_from("<I", message, 60)[0]
    encoding = "utf-16-le" if flags & _UNICODE else "latin-1"
    domain, user = (_field(message, offset).decode(encoding, "replace") for offset in (28, 36))
    name = f"{domain}\\{user}" if domain else user
    return "" if set(name) & set(":\n\r\0") else name


def _field(message: bytes, offset: int) -> bytes:
    length, _, start = struct.unpack_from("<HHI", message, offset)
    return message[start : start + length]
