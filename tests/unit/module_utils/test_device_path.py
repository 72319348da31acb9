# SPDX-License-Identifier: GPL-3.0-or-later
"""Device paths written by hand, byte by byte, after the UEFI Specification's "Device Path Protocol"."""

from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import device_path
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

END = "7fff0400"
# GUIDs are mixed-endian: the first three fields are little endian.
GUID, GUID_TEXT = "78563412bc9af0de0123456789abcdef", "12345678-9abc-def0-0123-456789abcdef"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # Type, subtype, length (little endian), contents. PNP0A03 in compressed form is 0x0a0341d0.
        ("02010c00 d041030a 00000000" + END, "PciRoot(0x0)"),
        ("02010c00 d041080a 02000000" + END, "PciRoot(0x2)"),
        ("02010c00 d0410805 00000000" + END, "Acpi(0x050841d0,0x0)"),
        ("01010600 04 1c" + END, "Pci(0x1c,0x4)"),
        ("03171000 01000000 efcdab8967452301" + END, "NVMe(0x1,0123456789abcdef)"),
        ("03120a00 0200 ffff 0000" + END, "Sata(0x2,0xffff,0x0)"),
        ("030b2500 0cc47a3a785e" + "00" * 26 + "01" + END, "MAC(0cc47a3a785e)"),
        (f"04012a00 01000000 {'00' * 16} {GUID} 02 02" + END, f"HD(1,GPT,{GUID_TEXT})"),
        (
            f"04012a00 02000000 0008000000000000 0010000000000000 a1b2c3d4{'00' * 12} 01 01" + END,
            "HD(2,a1b2c3d4,0x800,0x1000)",
        ),
        (f"04071400 {GUID}" + END, f"Fv({GUID_TEXT})"),
        (f"04061400 {GUID}" + END, f"FvFile({GUID_TEXT})"),
        ("04081800 00000000 0000000000000000 ffb1000000000000" + END, "Offset(0x0,0xb1ff)"),
        ("04040a00 5c00 6100 0000" + END, "\\a"),
        ("04040a00 1b00 6100 0000" + END, "'\\x1ba'"),
        ("02010c00 d041030a 00000000 01010600 02 01" + END, "PciRoot(0x0)/Pci(0x1,0x2)"),
        ("05010800 01020304" + END, "Path(5,1,01020304)"),
        ("05012c00" + "ab" * 40 + END, "Path(5,1," + "ab" * 32 + "...)"),
        # Too short for its kind.
        ("01010500 04" + END, "Path(1,1,04)"),
        ("04070500 04" + END, "Path(4,7,04)"),
        (END + "ffff", ""),
        ("", ""),
    ],
)
def test_nodes(data: str, text: str) -> None:
    assert device_path.describe(bytes.fromhex(data)) == text


@pytest.mark.parametrize(
    ("data", "offset", "expected"),
    [
        ("010106", 0, "a node head of 4 bytes"),
        ("01010600 04 1c 0101", 6, "a node head of 4 bytes"),
        ("01010300", 2, "a node of 4 to 4 bytes, not 3"),
        ("01010900 04 1c", 2, "a node of 4 to 6 bytes, not 9"),
    ],
)
def test_damaged(data: str, offset: int, expected: str) -> None:
    with pytest.raises(FormatError) as caught:
        device_path.describe(bytes.fromhex(data))
    assert (caught.value.offset, caught.value.expected) == (offset, expected)
