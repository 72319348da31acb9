# SPDX-License-Identifier: GPL-3.0-or-later
"""SOAP envelopes of WS-Management: what a request says, and how an answer or a fault is written ([MS-WSMV] 2.2)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

if TYPE_CHECKING:
    from .faults import WsManFaultError

NAMESPACES: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
}
_ANONYMOUS: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_FAULT_ACTION: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_WSMAN_FAULT: Final = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
_MSFT_WMI_ERROR: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError"
_DURATION: Final = re.compile(r"P(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,7}(?:\.\d{1,9})?)S)?)?")
_DEFAULT_TIMEOUT: Final = 60.0
_DEFAULT_ENVELOPE: Final = 153600


class MalformedEnvelopeError(Exception):
    """The request is no SOAP envelope."""


@dataclass(frozen=True)
class Envelope:
    """A request: `operation_timeout` in seconds, `max_envelope` (of the answer) in bytes, `body` the s:Body element."""

    message_id: str
    action: str
    resource_uri: str
    shell_id: str
    options: Mapping[str, str]
    operation_timeout: float
    max_envelope: int
    body: etree._Element


def text_of(element: etree._Element | None) -> str:
    """Return an element's text without the white space around it; empty where there is no element."""
    return (element.text or "").strip() if element is not None else ""


def find(element: etree._Element, path: str) -> etree._Element | None:
    """Find an element by a path with the prefixes of NAMESPACES."""
    return element.find(path, NAMESPACES)


def find_all(element: etree._Element, path: str) -> list[etree._Element]:
    """Find all elements by a path with the prefixes of NAMESPACES."""
    return element.findall(path, NAMESPACES)


def parse(data: bytes) -> Envelope:
    """Read a request. Raises MalformedEnvelopeError."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedEnvelopeError(str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedEnvelopeError("a SOAP message has no document type")
    header, body = find(root, "s:Header"), find(root, "s:Body")
    is_envelope = root.tag == f"{{{NAMESPACES['s']}}}Envelope"
    if not is_envelope or header is None or body is None:
        raise MalformedEnvelopeError("no SOAP 1.2 envelope with a header and a body")
    selectors = _named(header, "w:SelectorSet/w:Selector")
    return Envelope(
        message_id=text_of(find(header, "a:MessageID")),
        action=text_of(find(header, "a:Action")),
        resource_uri=text_of(find(header, "w:ResourceURI")),
        shell_id=selectors.get("ShellId", ""),
        options=_named(header, "w:OptionSet/w:Option"),
        operation_timeout=_seconds(text_of(find(header, "w:OperationTimeout"))),
        max_envelope=_size(text_of(find(header, "w:MaxEnvelopeSize"))),
        body=body,
    )


def _named(header: etree._Element, path: str) -> dict[str, str]:
    return {element.get("Name", ""): text_of(element) for element in find_all(header, path)}


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if not found or not any(found.groups()):
        return _DEFAULT_TIMEOUT
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _size(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else _DEFAULT_ENVELOPE


def element(name: str, text: str = "", /, *children: etree._Element, **attributes: str) -> etree._Element:
    """Make an element; `name` has a prefix of NAMESPACES, characters that XML cannot hold become U+FFFD."""
    prefix, _, local = name.partition(":")
    made = etree.Element(f"{{{NAMESPACES[prefix]}}}{local}", attributes, nsmap=NAMESPACES)
    made.text = _xml_text(text) or None
    made.extend(children)
    return made


def _xml_text(text: str) -> str:
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def answer(action: str, relates_to: str, *body: etree._Element) -> bytes:
    """Write the answer to a request."""
    header = element(
        "s:Header",
        "",
        element("a:Action", action),
        element("a:MessageID", f"uuid:{str(uuid.uuid4()).upper()}"),
        element("a:To", _ANONYMOUS),
        element("a:RelatesTo", relates_to),
    )
    return etree.tostring(element("s:Envelope", "", header, element("s:Body", "", *body)), encoding="UTF-8")


def fault(machine: str, relates_to: str, failure: WsManFaultError) -> bytes:
    """Write a fault."""
    detail = etree.Element(f"{{{_WSMAN_FAULT}}}WSManFault", {"Code": str(failure.code), "Machine": machine})
    etree.SubElement(detail, f"{{{_WSMAN_FAULT}}}Message").text = _xml_text(str(failure))
    details = [detail]
    if failure.wmi_error is not None:
        wmi = etree.Element(f"{{{_MSFT_WMI_ERROR}}}MSFT_WmiError")
        etree.SubElement(wmi, f"{{{_MSFT_WMI_ERROR}}}error_Code").text = str(failure.wmi_error)
        details.append(wmi)
    reason = element("s:Text", str(failure))
    reason.set("{http://www.w3.org/XML/1998/namespace}lang", "en-US")
    subcode = element("s:Subcode", "", element("s:Value", failure.subcode))
    return answer(
        _FAULT_ACTION,
        relates_to,
        element(
            "s:Fault",
            "",
            element("s:Code", "", element("s:Value", "s:Receiver"), subcode),
            element("s:Reason", "", reason),
            element("s:Detail", "", *details),
        ),
    )
