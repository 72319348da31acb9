# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import boot_changes, tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.boot_changes import Topic

from . import event_logs
from .event_logs import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

APPLICATION, DRIVER = tcg_log.EV_EFI_BOOT_SERVICES_APPLICATION, tcg_log.EV_EFI_BOOT_SERVICES_DRIVER
PLACE = bytes.fromhex("01010600041c 7fff0400")


def log(*records: Record) -> tcg_log.EventLog:
    return tcg_log.parse(event_logs.agile_log([tcg_log.SHA256], records))


def image(pcr: int, kind: int, path: bytes, digest: bytes) -> Record:
    """Return a record of an image; its digest is not that of the description."""
    data = struct.pack("<QQQQ", 0x80000000, 0x1000, 0, len(path)) + path
    return Record(pcr, kind, data, {tcg_log.SHA256: digest * 32})


def told(old: Sequence[Record], new: Sequence[Record]) -> list[tuple[Topic, str, str, str]]:
    changes = boot_changes.changes(log(*old), log(*new))
    return [(change.topic, change.element, change.old, change.new) for change in changes]


def test_an_image_in_its_place_with_another_digest_is_one_change() -> None:
    old, new = (image(2, DRIVER, PLACE, digest) for digest in (b"\1", b"\2"))
    expected = (Topic.OPTION_ROM, "Pci(0x1c,0x4)", "sha256 " + "01" * 32, "sha256 " + "02" * 32)
    assert told([old], [new]) == [expected]


def test_images_that_came_and_went_and_one_that_is_there_twice() -> None:
    rom = image(2, DRIVER, PLACE, b"\1")
    program = image(4, APPLICATION, bytes.fromhex("04040a005c0061000000 7fff0400"), b"\2")
    assert told([rom], [rom, rom]) == [(Topic.OPTION_ROM, "Pci(0x1c,0x4)", "not measured", "sha256 " + "01" * 32)]
    assert told([program], []) == [(Topic.BOOT_PROGRAM, "\\a", "sha256 " + "02" * 32, "not measured")]
    assert told([rom, program], [program, rom]) == []


@pytest.mark.parametrize("data", [b"", bytes(31), struct.pack("<QQQQ", 0, 0, 0, 5) + b"\1\1\xff\0\0"])
def test_a_description_that_cannot_be_read_is_shown_as_such(data: bytes) -> None:
    (found,) = boot_changes.images(log(Record(4, APPLICATION, data)))
    assert found.path == "unreadable device path"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("1.5\0".encode("utf-16-le"), "1.5"),
        (b"N32ET68W \0", "N32ET68W"),
        # The GUID 8be4df61-93ca-11d2-aa0d-00e098032b8c, mixed-endian.
        (bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c"), "8be4df61-93ca-11d2-aa0d-00e098032b8c"),
        (b"\x1b[31m\0\0", "1b5b33316d0000"),
        (b"\1" * 40, "01" * 32 + "..."),
    ],
)
def test_firmware_versions(data: bytes, text: str) -> None:
    assert boot_changes.firmware_versions(log(Record(0, tcg_log.EV_S_CRTM_VERSION, data))) == (text,)


def test_firmware_and_boot_options() -> None:
    def records(version: str, order: bytes) -> list[Record]:
        variable = event_logs.uefi_variable(bytes(16), "BootOrder", order)
        return [
            Record(0, tcg_log.EV_S_CRTM_VERSION, version.encode("utf-16-le")),
            Record(0, tcg_log.EV_EFI_PLATFORM_FIRMWARE_BLOB, version.encode()),
            Record(1, tcg_log.EV_EFI_VARIABLE_BOOT, variable),
        ]

    found = told(records("1", b"\0\0"), records("2", b"\1\0"))
    assert [topic for topic, *_ in found] == [Topic.FIRMWARE_VERSION, Topic.FIRMWARE_CODE, Topic.BOOT_OPTION]
    assert found[2][1:] == ("variable BootOrder of 00000000-0000-0000-0000-000000000000", "0000", "0100")
    assert all(change in boot_changes.CAUSES for change in Topic)
