# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of WS-Management, as short as they can be."""

from __future__ import annotations

import base64

from ansible_collections.guarded.fabric.lab.wire import winrs
from ansible_collections.guarded.fabric.lab.wire.envelope import NAMESPACES

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
DECLARATIONS = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def soap(action: str, body: str, *, uri: str = winrs.RESOURCE_URI, shell_id: str = "", timeout: str = "PT20S") -> bytes:
    return (
        f"<s:Envelope {DECLARATIONS}><s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:1</a:MessageID>"
        f"<w:ResourceURI>{uri}</w:ResourceURI><w:OperationTimeout>{timeout}</w:OperationTimeout>"
        "<w:MaxEnvelopeSize>153600</w:MaxEnvelopeSize>"
        '<w:OptionSet><w:Option Name="WINRS_CONSOLEMODE_STDIN">FALSE</w:Option></w:OptionSet>'
        f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet></s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def create(shell: str = "S", content: str = "", uri: str = winrs.RESOURCE_URI) -> bytes:
    return soap(f"{TRANSFER}/Create", f'<rsp:Shell ShellId="{shell}">{content}</rsp:Shell>', uri=uri)


def command(shell: str = "S", line: str = "whoami", identifier: str = "C", uri: str = winrs.RESOURCE_URI) -> bytes:
    body = f'<rsp:CommandLine CommandId="{identifier}"><rsp:Command>{line}</rsp:Command></rsp:CommandLine>'
    return soap(f"{SHELL}/Command", body, shell_id=shell, uri=uri)


def send(data: bytes, *, end: str = "true", identifier: str = "C", uri: str = winrs.RESOURCE_URI) -> bytes:
    stream = base64.b64encode(data).decode()
    body = f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{identifier}" End="{end}">{stream}</rsp:Stream></rsp:Send>'
    return soap(f"{SHELL}/Send", body, shell_id="S", uri=uri)


def receive(identifier: str = "C", timeout: str = "PT20S", shell: str = "S") -> bytes:
    body = f'<rsp:Receive><rsp:DesiredStream CommandId="{identifier}">stdout</rsp:DesiredStream></rsp:Receive>'
    return soap(f"{SHELL}/Receive", body, shell_id=shell, timeout=timeout)


def signal(identifier: str = "C") -> bytes:
    return soap(f"{SHELL}/Signal", f'<rsp:Signal CommandId="{identifier}"/>', shell_id="S")


def delete(shell: str = "S") -> bytes:
    return soap(f"{TRANSFER}/Delete", "", shell_id=shell)
