# SPDX-License-Identifier: GPL-3.0-or-later
"""Cmdlets of Microsoft.PowerShell.Utility."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import files, network
from ansible_collections.guarded.fabric.lab.world.machine_clock import time_of

from . import item_paths
from .item_paths import FilePath
from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "Microsoft.PowerShell.Utility"
_HASHES: Final = {"SHA1": "sha1", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512", "MD5": "md5"}
_WEB_ERROR: Final = "WebCmdletWebResponseException,Microsoft.PowerShell.Commands.InvokeWebRequestCommand"


@cmdlet(MODULE, "Get-FileHash")
def get_file_hash(session: Session, p: Bound) -> object:
    """Return the hash of each file."""
    algorithm = p.text("Algorithm", "SHA256").upper()
    if algorithm not in _HASHES:
        raise NotEmulatedError(f"the lab does not hash with {algorithm}")
    found = []
    for text in item_paths.given(p):
        path = item_paths.parse(text)
        if not isinstance(path, FilePath) or not item_paths.is_file(session.machine, path):
            raise item_paths.not_found(path, "GetFileHashCommand")
        digest = hashlib.new(_HASHES[algorithm], item_paths.content(session.machine, path), usedforsecurity=False)
        found.append(
            PSObject(
                "Microsoft.PowerShell.Commands.FileHashInfo",
                {"Algorithm": algorithm, "Hash": digest.hexdigest().upper(), "Path": path.text},
            )
        )
    return found


@cmdlet(MODULE, "Get-Date")
def get_date(session: Session, p: Bound) -> object:
    """Return the time of the machine."""
    if [name for name in p if name not in {"DisplayHint", "ErrorAction"}]:
        raise NotEmulatedError("the lab's Get-Date tells the time and nothing else")
    return time_of(session.machine, session.clock)


@cmdlet(MODULE, "Invoke-WebRequest")
def invoke_web_request(session: Session, p: Bound) -> object:
    """Fetch a page from another machine of the lab; with -OutFile its bytes go into a file."""
    allowed = {"Uri", "UseBasicParsing", "OutFile", "PassThru", "Method", "TimeoutSec", "Body", "ErrorAction"}
    for name in p:
        if name not in allowed:
            raise NotEmulatedError(f"the lab does not emulate Invoke-WebRequest -{name}")
    method = "GET" if p.text("Method", "Default") == "Default" else p.text("Method").upper()
    body = p.get("Body")
    data = body if isinstance(body, bytes) else str(body or "").encode()
    try:
        reply = network.request(session.world, session.clock, session.machine, method, p.text("Uri"), data)
    except network.NameNotFoundError as error:
        host = p.text("Uri").split("/")[2:3]
        raise _failed(f"The remote name could not be resolved: '{''.join(host)}'") from error
    except network.NetworkError as error:
        raise _failed(str(error)) from error
    if reply.status >= HTTPStatus.BAD_REQUEST:
        phrase = HTTPStatus(reply.status).phrase
        raise _failed(f"The remote server returned an error: ({reply.status}) {phrase}.")
    if "OutFile" in p:
        try:
            files.write(session.machine, p.text("OutFile"), reply.body)
        except files.BadPathError as error:
            raise CmdletError(str(error), "InvalidPath", "InvalidArgument") from error
        if not p.flag("PassThru"):
            return None
    return PSObject(
        "Microsoft.PowerShell.Commands.BasicHtmlWebResponseObject",
        {
            "StatusCode": reply.status,
            "StatusDescription": HTTPStatus(reply.status).phrase,
            "Content": reply.body.decode(errors="replace")
            if "text" in reply.content_type or "xml" in reply.content_type
            else reply.body,
            "RawContentLength": len(reply.body),
            "Headers": {"Content-Type": reply.content_type},
        },
    )


def _failed(message: str) -> CmdletError:
    return CmdletError(message, _WEB_ERROR, "InvalidOperation", "System.Net.WebException")
