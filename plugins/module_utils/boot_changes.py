# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What else changed between two starts: firmware, option ROMs, boot programs and order, what Windows says of itself.

By what is public HGS compares none of it with a baseline (`tpm_baseline` is that); some is what its built-in policies
ask for. It tells a person why what is compared changed: a dbx that grew along with another firmware version is a
firmware update. Which PCR tells of what: TCG PC Client Platform Firmware Profile, "PCR Usage".
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils import device_path, sipa, tcg_log, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import BootFacts, boot_facts
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import Event, EventLog

_ABSENT: Final = "not measured"
_LOAD_HEAD: Final = struct.Struct("<QQQQ")
_IMAGES: Final = (
    tcg_log.EV_EFI_BOOT_SERVICES_APPLICATION,
    tcg_log.EV_EFI_BOOT_SERVICES_DRIVER,
    tcg_log.EV_EFI_RUNTIME_SERVICES_DRIVER,
)
_FIRMWARE_PCR: Final = 0
_OPTIONS_PCR: Final = 1
_OPTION_ROM_PCR: Final = 2
_PROGRAM_PCR: Final = 4
_WINDOWS_PCR: Final = 13
_GUID_BYTES: Final = 16
_MOST_SHOWN: Final = 32
"""Bytes of a version that is no text."""
_TOLD_ELSEWHERE: Final = frozenset(
    {
        *("secure_boot", "firmware_debugging", "boot_debugging", "kernel_debugging", "hypervisor_debugging"),
        "identity_key",  # made anew at every start
    }
)
"""Facts that are part of the baseline, and one that always differs."""


class Topic(Enum):
    """What a change is about."""

    FIRMWARE_VERSION = "firmware version"
    FIRMWARE_CODE = "firmware code"
    OPTION_ROM = "option ROM or driver"
    BOOT_PROGRAM = "boot program"
    BOOT_OPTION = "boot option"
    WINDOWS = "Windows"


CAUSES: Final[Mapping[Topic, str]] = {
    Topic.FIRMWARE_VERSION: "the firmware was updated",
    Topic.FIRMWARE_CODE: "the firmware was updated, or a part of it is loaded that was not before",
    Topic.OPTION_ROM: "an adapter was added, removed or moved to another slot, or its firmware was updated",
    Topic.BOOT_PROGRAM: "a Windows update brought another boot manager, or the machine started from another medium",
    Topic.BOOT_OPTION: "the boot order or a boot option was changed in the firmware settings or with bcdedit",
    Topic.WINDOWS: "a setting of Windows or of the firmware was changed, or a policy was deployed",
}
"""What usually is behind each."""


@dataclass(frozen=True)
class Image:
    """Something the firmware loaded. `path` is the device path as text, `digest` in hex after the bank's name."""

    pcr: int
    event: str
    path: str
    digest: str

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.path} ({self.digest})"


@dataclass(frozen=True)
class Change:
    """One thing that changed: where it is measured, and both values in words."""

    topic: Topic
    element: str
    pcr: int
    event: str
    old: str
    new: str


def firmware_versions(log: EventLog) -> tuple[str, ...]:
    """Return how the firmware calls its version (EV_S_CRTM_VERSION, UTF-16 by the Firmware Profile)."""
    return tuple(
        _text(event.data)
        for event in log.events
        if event.pcr == _FIRMWARE_PCR and event.type == tcg_log.EV_S_CRTM_VERSION
    )


def images(log: EventLog) -> tuple[Image, ...]:
    """Return what the firmware loaded, in order. A description that cannot be read is shown as such."""
    return tuple(
        Image(event.pcr, event.type_name, _path(event.data), _digest(event))
        for event in log.events
        if event.type in _IMAGES
    )


def changes(old: EventLog, new: EventLog) -> tuple[Change, ...]:
    """Say in words what else changed. Raises FormatError where an event is damaged."""
    return (
        *_firmware_changes(old, new),
        *_image_changes(Topic.OPTION_ROM, _OPTION_ROM_PCR, old, new),
        *_image_changes(Topic.BOOT_PROGRAM, _PROGRAM_PCR, old, new),
        *_option_changes(old, new),
        *_windows_changes(old, new),
    )


def _firmware_changes(old: EventLog, new: EventLog) -> Iterator[Change]:
    before, after = (", ".join(firmware_versions(log)) or _ABSENT for log in (old, new))
    if before != after:
        yield Change(Topic.FIRMWARE_VERSION, "firmware version", _FIRMWARE_PCR, "EV_S_CRTM_VERSION", before, after)
    blobs = (tcg_log.EV_EFI_PLATFORM_FIRMWARE_BLOB, tcg_log.EV_EFI_PLATFORM_FIRMWARE_BLOB2)
    codes = [
        [_digest(event) for event in log.events if event.pcr == _FIRMWARE_PCR and event.type in blobs]
        for log in (old, new)
    ]
    if codes[0] != codes[1]:
        before, after = (", ".join(code) or _ABSENT for code in codes)
        event = "EV_EFI_PLATFORM_FIRMWARE_BLOB"
        yield Change(Topic.FIRMWARE_CODE, "firmware code", _FIRMWARE_PCR, event, before, after)


def _image_changes(topic: Topic, pcr: int, old: EventLog, new: EventLog) -> Iterator[Change]:
    before, after = (Counter(image for image in images(log) if image.pcr == pcr) for log in (old, new))
    gone, come = list((before - after).elements()), list((after - before).elements())
    # The same place with another digest is one change, not one thing gone and another come.
    for image in gone:
        match = next((other for other in come if other.path == image.path), None)
        if match is not None:
            come.remove(match)
        yield Change(topic, image.path, pcr, image.event, image.digest, match.digest if match else _ABSENT)
    for image in come:
        yield Change(topic, image.path, pcr, image.event, _ABSENT, image.digest)


def _option_changes(old: EventLog, new: EventLog) -> Iterator[Change]:
    before, after = _options(old), _options(new)
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            values = (before.get(name, _ABSENT), after.get(name, _ABSENT))
            yield Change(Topic.BOOT_OPTION, f"variable {name}", _OPTIONS_PCR, "EV_EFI_VARIABLE_BOOT", *values)


def _options(log: EventLog) -> dict[str, str]:
    kinds = (tcg_log.EV_EFI_VARIABLE_BOOT, tcg_log.EV_EFI_VARIABLE_BOOT2)
    found = (uefi.parse_variable(event.data) for event in log.events if event.type in kinds)
    return {uefi.shown_name(variable): variable.content.hex() for variable in found}


def _windows_changes(old: EventLog, new: EventLog) -> Iterator[Change]:
    before, after = boot_facts(old), boot_facts(new)
    for item in fields(BootFacts):
        values = [getattr(facts, item.name) for facts in (before, after)]
        if item.name not in _TOLD_ELSEWHERE and values[0] != values[1]:
            element = item.name.replace("_", " ")
            yield Change(Topic.WINDOWS, element, _WINDOWS_PCR, "EV_EVENT_TAG", *(map(_shown, values)))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    if isinstance(value, sipa.CodeIntegrityPolicy):
        version = ".".join(map(str, value.version))
        return f"{value.name} {version} ({tcg_log.algorithm_name(value.algorithm)} {value.digest.hex()})"
    if isinstance(value, bytes):
        return value.hex()
    words = {True: "yes", False: "no", None: "unknown"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _digest(event: Event) -> str:
    algorithm = tcg_log.SHA256 if tcg_log.SHA256 in event.digests else next(iter(event.digests), None)
    return "no digest" if algorithm is None else f"{tcg_log.algorithm_name(algorithm)} {event.digests[algorithm].hex()}"


def _path(data: bytes) -> str:
    """Read UEFI_IMAGE_LOAD_EVENT: address, length, link-time address, length of the device path, device path."""
    if len(data) < _LOAD_HEAD.size:
        return "unreadable device path"
    size = _LOAD_HEAD.unpack_from(data)[3]
    try:
        return device_path.describe(data[_LOAD_HEAD.size : _LOAD_HEAD.size + size]) or "no device path"
    except FormatError:
        return "unreadable device path"


def _text(data: bytes) -> str:
    """Read a version: UTF-16, ASCII as older firmware has it, or a GUID; anything else is shown in hex."""
    wide = len(data) % 2 == 0 and data[1:2] == b"\0"
    text = data.decode("utf-16-le" if wide else "latin-1", "replace").rstrip("\0")
    if text.isprintable():
        return text.strip()
    if len(data) == _GUID_BYTES:
        return str(UUID(bytes_le=data))
    return data[:_MOST_SHOWN].hex() + ("..." if len(data) > _MOST_SHOWN else "")
