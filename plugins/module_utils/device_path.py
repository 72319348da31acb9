# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UEFI device paths as text: from which device, and there from which place, the firmware loaded something.

Layout and text form: UEFI Specification, chapter "Protocols - Device Path Protocol". Nodes without a text of their own
here are shown as `Path(type,subtype,contents in hex)`, as the specification has it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WHAT: Final = "UEFI device path"
_HEAD: Final = struct.Struct("<BBH")
_END_TYPE: Final = 0x7F
_MOST_SHOWN: Final = 32
"""Bytes of a node without a text of its own."""

_PCI: Final = struct.Struct("<BB")
_ACPI: Final = struct.Struct("<II")
_PCI_ROOT_IDS: Final = (0x0A0341D0, 0x0A0841D0)
"""PNP0A03 and PNP0A08, compressed: a PCI and a PCI Express root bridge."""
_HARD_DRIVE: Final = struct.Struct("<IQQ16sBB")
_GPT: Final = 2
_NAMESPACE: Final = struct.Struct("<IQ")
_SATA: Final = struct.Struct("<HHH")
_RANGE: Final = struct.Struct("<IQQ")
_MAC_BYTES: Final = 6


def describe(data: bytes) -> str:
    """Return the text of a device path. Raises FormatError; what follows the end node is ignored."""
    return "/".join(_nodes(data))


def _nodes(data: bytes) -> Iterator[str]:
    position = 0
    while position < len(data):
        if position + _HEAD.size > len(data):
            raise FormatError(WHAT, f"a node head of {_HEAD.size} bytes", position)
        kind, subtype, size = _HEAD.unpack_from(data, position)
        if size < _HEAD.size or position + size > len(data):
            raise FormatError(WHAT, f"a node of {_HEAD.size} to {len(data) - position} bytes, not {size}", position + 2)
        if kind == _END_TYPE:
            return
        yield _node(kind, subtype, data[position + _HEAD.size : position + size])
        position += size


def _node(kind: int, subtype: int, contents: bytes) -> str:
    write = _TEXTS.get((kind, subtype))
    try:
        if write is not None:
            return write(contents)
    except (struct.error, ValueError):  # shorter than its kind has to be
        pass
    more = "..." if len(contents) > _MOST_SHOWN else ""
    return f"Path({kind},{subtype},{contents[:_MOST_SHOWN].hex()}{more})"


def _pci(contents: bytes) -> str:
    function, device = _PCI.unpack_from(contents)
    return f"Pci(0x{device:x},0x{function:x})"


def _acpi(contents: bytes) -> str:
    hardware, unique = _ACPI.unpack_from(contents)
    return f"PciRoot(0x{unique:x})" if hardware in _PCI_ROOT_IDS else f"Acpi(0x{hardware:08x},0x{unique:x})"


def _hard_drive(contents: bytes) -> str:
    partition, start, size, signature, _format, kind = _HARD_DRIVE.unpack_from(contents)
    if kind == _GPT:
        return f"HD({partition},GPT,{UUID(bytes_le=signature)})"
    return f"HD({partition},{signature[:4].hex()},0x{start:x},0x{size:x})"


def _file(contents: bytes) -> str:
    text = contents.decode("utf-16-le").rstrip("\0")
    # It stands in reports for people; whoever wrote the log must not write there what a terminal obeys.
    return text if text.isprintable() else ascii(text)


def _offsets(contents: bytes) -> str:
    _reserved, start, end = _RANGE.unpack_from(contents)
    return f"Offset(0x{start:x},0x{end:x})"


def _nvme(contents: bytes) -> str:
    number, unique = _NAMESPACE.unpack_from(contents)
    return f"NVMe(0x{number:x},{unique:016x})"


def _sata(contents: bytes) -> str:
    port, multiplier, unit = _SATA.unpack_from(contents)
    return f"Sata(0x{port:x},0x{multiplier:x},0x{unit:x})"


def _mac(contents: bytes) -> str:
    if len(contents) < _MAC_BYTES:
        raise ValueError("a hardware address has six bytes")
    return f"MAC({contents[:_MAC_BYTES].hex()})"


def _named(name: str) -> Callable[[bytes], str]:
    return lambda contents: f"{name}({UUID(bytes_le=contents)})"


_TEXTS: Final[Mapping[tuple[int, int], Callable[[bytes], str]]] = {
    (1, 1): _pci,
    (2, 1): _acpi,
    (3, 11): _mac,
    (3, 18): _sata,
    (3, 23): _nvme,
    (4, 1): _hard_drive,
    (4, 4): _file,
    (4, 6): _named("FvFile"),
    (4, 7): _named("Fv"),
    (4, 8): _offsets,
}
"""By type and subtype."""
