# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fields of an X.509 certificate (RFC 5280 4.1), read without minding what strict parsers mind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from ansible_collections.guarded.fabric.plugins.module_utils import der
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

_VERSION_FIELD: Final = 0xA0
_EXTENSIONS_FIELD: Final = 0xA3
_FIELDS: Final = 6
"""Serial number, signature algorithm, issuer, validity, subject, key; the version before and the rest are optional."""
_NAMES: Final[Mapping[str, str]] = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.23.133.2.1": "TPMManufacturer",
    "2.23.133.2.2": "TPMModel",
    "2.23.133.2.3": "TPMVersion",
}


@dataclass(frozen=True)
class CertificateFields:
    """Fields that somebody here looks at. `extensions` are by identifier, with the element inside the octet string."""

    issuer: der.Node
    subject: der.Node
    not_before: datetime
    not_after: datetime
    public_key: der.Node
    extensions: Mapping[str, der.Node]


def read(certificate: der.Node) -> CertificateFields:
    """Read the fields of a certificate. Raises FormatError."""
    parts = certificate.children()
    if not parts:
        raise FormatError(certificate.what, "the signed part of a certificate", certificate.body)
    fields = list(parts[0].expect(der.SEQUENCE, "the signed part of a certificate").children())
    if fields and fields[0].tag == _VERSION_FIELD:
        del fields[0]
    if len(fields) < _FIELDS:
        raise FormatError(certificate.what, f"at least {_FIELDS} fields, not {len(fields)}", parts[0].body)
    _serial, _algorithm, issuer, validity, subject, key, *rest = fields
    not_before, not_after = _validity(validity)
    return CertificateFields(issuer, subject, not_before, not_after, key, _extensions(rest))


def attributes(name: der.Node) -> Iterator[tuple[str, str]]:
    """Go through the attributes of a name: identifier and value. Raises FormatError."""
    for relative in name.children():
        for attribute in relative.children():
            parts = attribute.children()
            if len(parts) == 2:  # noqa: PLR2004 - identifier and value
                yield der.object_identifier(parts[0]), _printable(der.text(parts[1]))


def name_text(name: der.Node) -> str:
    """Write a name as Windows and RFC 4514 do, its last part first. Raises FormatError."""
    parts = [f"{_NAMES.get(identifier, identifier)}={value}" for identifier, value in attributes(name)]
    return ",".join(reversed(parts))


def _extensions(fields: list[der.Node]) -> dict[str, der.Node]:
    """Return the value of each extension, by identifier; the first where there are several."""
    found: dict[str, der.Node] = {}
    for field in fields:
        if field.tag != _EXTENSIONS_FIELD:
            continue
        for listed in field.children():
            for extension in listed.children():
                parts = extension.children()
                if parts and parts[-1].tag == der.OCTET_STRING:
                    for value in parts[-1].children()[:1]:
                        found.setdefault(der.object_identifier(parts[0]), value)
    return found


def _validity(node: der.Node) -> tuple[datetime, datetime]:
    times = node.children()
    if len(times) != 2:  # noqa: PLR2004 - from, to
        raise FormatError(node.what, "two times of validity", node.start)
    return _time(times[0]), _time(times[1])


def _time(node: der.Node) -> datetime:
    layout = "%y%m%d%H%M%SZ" if node.tag == der.UTC_TIME else "%Y%m%d%H%M%SZ"
    try:
        return datetime.strptime(node.contents.decode("ascii"), layout).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise FormatError(node.what, f"a time: {error}", node.start) from error


def _printable(text: str) -> str:
    """Replace what could move a terminal's cursor or break a line of a report."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
