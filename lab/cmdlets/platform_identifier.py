# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module PlatformIdentifier: what HGS needs to know of a host's TPM.

Published are the namespace, the root element, PlatformIdMessages, Version, ForeignKey and MachineGuid in this order
(one captured file, cut short), and that the document holds MAC addresses, SMBIOS GUID, serial number, endorsement key
and its certificate (PSD Get-PlatformIdentifier, WSD capturing-hardware). Lab only: the names of all other elements,
keys and certificates as base64 of DER, the words of messages, and every value that is not of the TPM.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_DNS, uuid5

from ansible_collections.guarded.fabric.lab.world import tpm as chip
from lxml import etree

from .registry import PSObject, cmdlet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound, Session

MODULE: Final = "PlatformIdentifier"
NAMESPACE: Final = "http://microsoft.com/windows/ptp/platformidentifier/2016/04"


@cmdlet(MODULE, "Get-PlatformIdentifier")
def get_platform_identifier(session: Session, p: Bound) -> object:
    """Return the platform identifier of this computer under a name; its endorsement key is the TPM's for life."""
    text = etree.tostring(_document(session.machine, p.text("Name")), encoding="unicode")
    return PSObject("System.Xml.XmlDocument", {"OuterXml": text, "InnerXml": text}, base=text)


def _document(machine: Machine, name: str) -> etree._Element:
    root = etree.fromstring(f'<PlatformIdentifiers xmlns="{NAMESPACE}"/>')
    messages = _add(root, "PlatformIdMessages")
    for message in _messages(machine):
        _add(messages, "PlatformIdMessage", message)
    _add(root, "Version", "1.0.0.0")
    _add(root, "ForeignKey", name)
    _add(root, "MachineGuid", _made_up(machine, "machine"))
    _add(root, "SmbiosGuid", _made_up(machine, "smbios"))
    _add(root, "SerialNumber", _made_up(machine, "serial")[:8].upper())
    addresses = _add(root, "MacAddresses")
    _add(addresses, "MacAddress", _hardware_address(machine))
    if machine.tpm is not None and machine.tpm.ready:
        _add(root, "EndorsementKey", _base64(chip.endorsement_key(machine.tpm)))
        if machine.tpm.ek_certificate is not None:
            _add(root, "EndorsementKeyCertificate", _base64(machine.tpm.ek_certificate))
    return root


def _messages(machine: Machine) -> Iterator[str]:
    if machine.tpm is None or not machine.tpm.ready:
        yield "The TPM is not ready for use."
    elif machine.tpm.ek_certificate is None:
        yield "The TPM has no endorsement key certificate."


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    element.text = text
    return element


def _made_up(machine: Machine, what: str) -> str:
    return str(uuid5(NAMESPACE_DNS, f"{what}.{machine.name}"))


def _hardware_address(machine: Machine) -> str:
    """Make up an address with Hyper-V's prefix."""
    digits = _made_up(machine, "network").upper()
    return "-".join(("00", "15", "5D", digits[:2], digits[2:4], digits[4:6]))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
