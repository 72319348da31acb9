# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The event log of a measured boot, and the PCR values that follow from it.

Layout: TCG PC Client Platform Firmware Profile, chapter "Event Logging" (TCG_PCClientPCREvent, TCG_PCR_EVENT2,
TCG_EfiSpecIdEvent); numbers and algorithms also in wbcl.h of the Windows SDK. All integers are little endian. Windows'
log (WBCL, "Windows boot configuration log") is such a log; what Windows puts into it is read by `sipa`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

WHAT: Final = "TCG event log"

SHA1: Final = 0x4
SHA256: Final = 0xB
SHA384: Final = 0xC
SHA512: Final = 0xD

ALGORITHM_NAMES: Final[Mapping[int, str]] = {
    SHA1: "sha1",
    SHA256: "sha256",
    SHA384: "sha384",
    SHA512: "sha512",
    0x12: "sm3",
    0x27: "sha3_256",
    0x28: "sha3_384",
    0x29: "sha3_512",
}
"""Names as hashlib has them, by TPM_ALG_ID."""

EV_NO_ACTION: Final = 0x3
EV_SEPARATOR: Final = 0x4
EV_EVENT_TAG: Final = 0x6
EV_S_CRTM_VERSION: Final = 0x8
EV_COMPACT_HASH: Final = 0xC
EV_IPL: Final = 0xD
EV_EFI_VARIABLE_DRIVER_CONFIG: Final = 0x80000001
EV_EFI_VARIABLE_BOOT: Final = 0x80000002
EV_EFI_BOOT_SERVICES_APPLICATION: Final = 0x80000003
EV_EFI_BOOT_SERVICES_DRIVER: Final = 0x80000004
EV_EFI_RUNTIME_SERVICES_DRIVER: Final = 0x80000005
EV_EFI_GPT_EVENT: Final = 0x80000006
EV_EFI_ACTION: Final = 0x80000007
EV_EFI_PLATFORM_FIRMWARE_BLOB: Final = 0x80000008
EV_EFI_HANDOFF_TABLES: Final = 0x80000009
EV_EFI_PLATFORM_FIRMWARE_BLOB2: Final = 0x8000000A
EV_EFI_VARIABLE_BOOT2: Final = 0x8000000C
EV_EFI_VARIABLE_AUTHORITY: Final = 0x800000E0

EVENT_NAMES: Final[Mapping[int, str]] = {
    0x0: "EV_PREBOOT_CERT",
    0x1: "EV_POST_CODE",
    0x2: "EV_UNUSED",
    EV_NO_ACTION: "EV_NO_ACTION",
    EV_SEPARATOR: "EV_SEPARATOR",
    0x5: "EV_ACTION",
    EV_EVENT_TAG: "EV_EVENT_TAG",
    0x7: "EV_S_CRTM_CONTENTS",
    EV_S_CRTM_VERSION: "EV_S_CRTM_VERSION",
    0x9: "EV_CPU_MICROCODE",
    0xA: "EV_PLATFORM_CONFIG_FLAGS",
    0xB: "EV_TABLE_OF_DEVICES",
    EV_COMPACT_HASH: "EV_COMPACT_HASH",
    EV_IPL: "EV_IPL",
    0xE: "EV_IPL_PARTITION_DATA",
    0xF: "EV_NONHOST_CODE",
    0x10: "EV_NONHOST_CONFIG",
    0x11: "EV_NONHOST_INFO",
    0x12: "EV_OMIT_BOOT_DEVICE_EVENTS",
    0x13: "EV_POST_CODE2",
    0x80000000: "EV_EFI_EVENT_BASE",
    EV_EFI_VARIABLE_DRIVER_CONFIG: "EV_EFI_VARIABLE_DRIVER_CONFIG",
    EV_EFI_VARIABLE_BOOT: "EV_EFI_VARIABLE_BOOT",
    EV_EFI_BOOT_SERVICES_APPLICATION: "EV_EFI_BOOT_SERVICES_APPLICATION",
    EV_EFI_BOOT_SERVICES_DRIVER: "EV_EFI_BOOT_SERVICES_DRIVER",
    EV_EFI_RUNTIME_SERVICES_DRIVER: "EV_EFI_RUNTIME_SERVICES_DRIVER",
    EV_EFI_GPT_EVENT: "EV_EFI_GPT_EVENT",
    EV_EFI_ACTION: "EV_EFI_ACTION",
    EV_EFI_PLATFORM_FIRMWARE_BLOB: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
    EV_EFI_HANDOFF_TABLES: "EV_EFI_HANDOFF_TABLES",
    EV_EFI_PLATFORM_FIRMWARE_BLOB2: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
    0x8000000B: "EV_EFI_HANDOFF_TABLES2",
    EV_EFI_VARIABLE_BOOT2: "EV_EFI_VARIABLE_BOOT2",
    0x8000000D: "EV_EFI_GPT_EVENT2",
    0x80000010: "EV_EFI_HCRTM_EVENT",
    EV_EFI_VARIABLE_AUTHORITY: "EV_EFI_VARIABLE_AUTHORITY",
    0x800000E1: "EV_EFI_SPDM_FIRMWARE_BLOB",
    0x800000E2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
    0x800000E3: "EV_EFI_SPDM_DEVICE_POLICY",
    0x800000E4: "EV_EFI_SPDM_DEVICE_AUTHORITY",
}

LAST_PCR: Final = 23
WINDOWS_UNMEASURED_PCR: Final = 0xFFFFFFFF
"""Where Windows puts its trust point, which is not extended into any PCR."""

_DYNAMIC_PCRS: Final = range(17, 23)
"""Dynamically launched code owns these; they start as all ones."""

_LEGACY_HEAD: Final = struct.Struct("<II20sI")
_AGILE_HEAD: Final = struct.Struct("<III")
_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_SPEC_ID_HEAD: Final = struct.Struct("<16sIBBBB")
_SPEC_ID_PREFIX: Final = b"Spec ID Event"
_AGILE_SIGNATURE: Final = b"Spec ID Event03\0"
_LEGACY_SIGNATURES: Final = (b"Spec ID Event00\0", b"Spec ID Event02\0")
_LARGEST_DIGEST: Final = 64
_STARTUP_LOCALITY: Final = b"StartupLocality\0"


@dataclass(frozen=True)
class SpecId:
    """What the first record says about the log (TCG_EfiSpecIDEvent).

    `version` is major, minor, errata; `uintn_size` is in bytes; `digest_sizes` maps TPM_ALG_ID to bytes, in the log's
    order, and is empty in the older forms of the structure, which know SHA-1 only.
    """

    signature: str
    platform_class: int
    version: tuple[int, int, int]
    uintn_size: int
    digest_sizes: Mapping[int, int]
    vendor_info: bytes


@dataclass(frozen=True)
class Event:
    """One record. `index` counts from 0, `offset` is where it starts, `digests` are by TPM_ALG_ID.

    `data` is what the log says was measured; for some types the digest covers it, for others (images, firmware) it only
    describes what was.
    """

    index: int
    offset: int
    pcr: int
    type: int
    digests: Mapping[int, bytes]
    data: bytes

    @property
    def type_name(self) -> str:
        """The name in the specification, or the number where it has none."""
        return EVENT_NAMES.get(self.type, f"0x{self.type:08x}")


@dataclass(frozen=True)
class EventLog:
    """A whole log. `spec` is None for a SHA-1 log that starts without a TCG_EfiSpecIDEvent."""

    spec: SpecId | None
    events: tuple[Event, ...]

    @property
    def algorithms(self) -> tuple[int, ...]:
        """The banks the log can have digests of, as TPM_ALG_ID."""
        return tuple(self.spec.digest_sizes) if self.spec and self.spec.digest_sizes else (SHA1,)


def algorithm_name(algorithm: int) -> str:
    """Name a TPM_ALG_ID as hashlib does, or by number where hashlib has no such hash."""
    return ALGORITHM_NAMES.get(algorithm, f"0x{algorithm:04x}")


def parse(data: bytes) -> EventLog:
    """Read a log, SHA-1 only or crypto agile. Raises FormatError, also for bytes after the last whole record."""
    pcr, kind, digest, size = _first_head(data)
    content = _take(data, _LEGACY_HEAD.size, size, "the data of the first record")
    end = _LEGACY_HEAD.size + size
    first = Event(0, 0, pcr, kind, {SHA1: digest}, content)
    if kind != EV_NO_ACTION or not content.startswith(_SPEC_ID_PREFIX):
        return EventLog(None, (first, *_legacy_events(data, end)))
    spec, end = _spec_id(data, content, end)
    rest = _agile_events(data, end, spec.digest_sizes) if spec.digest_sizes else _legacy_events(data, end)
    return EventLog(spec, (first, *rest))


def replay(log: EventLog, algorithm: int) -> dict[int, bytes]:
    """Return the value of every PCR that the log extends in the bank `algorithm` (a TPM_ALG_ID).

    PCR = H(PCR || digest), starting with zeros, except PCR 17-22 (ones) and PCR 0, which ends in the locality the TPM
    was started from where the log has a StartupLocality event. EV_NO_ACTION and PCR numbers above 23 are not extended.
    Raises FormatError if the log has no such bank or this Python cannot compute the hash.
    """
    if algorithm not in log.algorithms:
        banks = ", ".join(algorithm_name(known) for known in log.algorithms)
        raise FormatError(WHAT, f"a log with digests of {algorithm_name(algorithm)}, not of {banks}")
    hasher = _hasher(algorithm)
    size = len(hasher(b""))
    pcrs: dict[int, bytes] = {}
    locality = _startup_locality(log)
    for event in log.events:
        if event.type == EV_NO_ACTION or event.pcr > LAST_PCR or algorithm not in event.digests:
            continue
        before = pcrs.get(event.pcr) or start_value(event.pcr, size, locality)
        pcrs[event.pcr] = hasher(before + event.digests[algorithm])
    return pcrs


def start_value(pcr: int, size: int, locality: int) -> bytes:
    """Return what a PCR of `size` bytes holds before the first extend, for a TPM started from `locality`."""
    if pcr in _DYNAMIC_PCRS:
        return b"\xff" * size
    return bytes(size - 1) + bytes([locality if pcr == 0 else 0])


def covers_data(event: Event, algorithm: int) -> bool | None:
    """Say if the digest in bank `algorithm` is the hash of the event's data; None if unknown."""
    if algorithm not in event.digests or algorithm_name(algorithm) not in hashlib.algorithms_available:
        return None
    return event.digests[algorithm] == hash_of(event.data, algorithm)


def hash_of(data: bytes, algorithm: int) -> bytes:
    """Return the hash of `data`. Raises FormatError if this Python cannot compute it."""
    return _hasher(algorithm)(data)


def _first_head(data: bytes) -> tuple[int, int, bytes, int]:
    """Read the head of the first record and refuse what cannot be one: this is what tells a log from anything else."""
    if len(data) < _LEGACY_HEAD.size:
        raise FormatError(WHAT, f"a first record of at least {_LEGACY_HEAD.size} bytes, not {len(data)}", 0)
    pcr, kind, digest, size = _LEGACY_HEAD.unpack_from(data)
    if pcr > LAST_PCR:
        raise FormatError(WHAT, f"a PCR number from 0 to {LAST_PCR} in the first record, not {pcr}", 0)
    if kind not in EVENT_NAMES:
        raise FormatError(WHAT, f"a known event type in the first record, not 0x{kind:08x}", 4)
    if kind == EV_NO_ACTION and any(digest):
        raise FormatError(WHAT, "a digest of zeros in a first record of type EV_NO_ACTION", 8)
    return pcr, kind, digest, size


def _spec_id(data: bytes, content: bytes, end: int) -> tuple[SpecId, int]:
    """Read TCG_EfiSpecIDEvent from the first record; return it and where the second record starts."""
    start = _LEGACY_HEAD.size
    if len(content) < _SPEC_ID_HEAD.size:
        raise FormatError(WHAT, f"at least {_SPEC_ID_HEAD.size} bytes of TCG_EfiSpecIDEvent", start)
    signature, platform_class, minor, major, errata, uintn_size = _SPEC_ID_HEAD.unpack_from(content)
    position = _SPEC_ID_HEAD.size
    sizes: dict[int, int] = {}
    if signature == _AGILE_SIGNATURE:
        sizes, position = _digest_sizes(content, position)
    elif signature not in _LEGACY_SIGNATURES:
        raise FormatError(WHAT, f"signature Spec ID Event00, 02 or 03, not {signature!r}", start)
    vendor_info = b""
    if position < len(content):
        length = content[position]
        vendor_info = content[position + 1 : position + 1 + length]
        # Some writers leave the vendor's bytes out of the record's size; then they stand before the second record.
        missing = length - len(vendor_info)
        vendor_info += _take(data, end, missing, "the vendor's information")
        end += missing
    spec = SpecId(
        signature.rstrip(b"\0").decode("ascii"),
        platform_class,
        (major, minor, errata),
        uintn_size * 4,
        sizes,
        vendor_info,
    )
    return spec, end


def _digest_sizes(content: bytes, position: int) -> tuple[dict[int, int], int]:
    """Read the table of algorithms and their digest sizes; return it and the position after it."""
    start = _LEGACY_HEAD.size
    if position + 4 > len(content):
        raise FormatError(WHAT, "the number of digest algorithms", start + position)
    (count,) = _U32.unpack_from(content, position)
    position += 4
    if not count or position + 4 * count > len(content):
        raise FormatError(WHAT, f"a table of {count} digest algorithms, at least one", start + position)
    sizes: dict[int, int] = {}
    for algorithm, size in struct.iter_unpack("<HH", content[position : position + 4 * count]):
        if algorithm in sizes or not 0 < size <= _LARGEST_DIGEST:
            raise FormatError(WHAT, "different algorithms with digests of 1 to 64 bytes", start + position)
        known = ALGORITHM_NAMES.get(algorithm)
        if known in hashlib.algorithms_available and known is not None and hashlib.new(known).digest_size != size:
            raise FormatError(WHAT, f"the size of {known} digests, not {size} bytes", start + position)
        sizes[algorithm] = size
    return sizes, position + 4 * count


def _legacy_events(data: bytes, position: int) -> list[Event]:
    events: list[Event] = []
    head_size = _LEGACY_HEAD.size
    while position < len(data):
        if position + head_size > len(data):
            raise FormatError(WHAT, f"a record head of {head_size} bytes, not {len(data) - position}", position)
        pcr, kind, digest, size = _LEGACY_HEAD.unpack_from(data, position)
        content = _take(data, position + head_size, size, "event data")
        events.append(Event(len(events) + 1, position, pcr, kind, {SHA1: digest}, content))
        position += head_size + size
    return events


def _agile_events(data: bytes, position: int, sizes: Mapping[int, int]) -> list[Event]:
    events: list[Event] = []
    head_size = _AGILE_HEAD.size
    while position < len(data):
        start = position
        if position + head_size > len(data):
            raise FormatError(WHAT, f"a record head of {head_size} bytes, not {len(data) - position}", position)
        pcr, kind, count = _AGILE_HEAD.unpack_from(data, position)
        if count > len(sizes):
            raise FormatError(WHAT, f"at most {len(sizes)} digests, not {count}", position + 8)
        position += head_size
        digests: dict[int, bytes] = {}
        for _ in range(count):
            (algorithm,) = _U16.unpack(_take(data, position, 2, "a digest algorithm"))
            if algorithm not in sizes or algorithm in digests:
                raise FormatError(WHAT, f"another of the log's digest algorithms, not 0x{algorithm:04x}", position)
            position += 2
            digests[algorithm] = _take(data, position, sizes[algorithm], "a digest")
            position += sizes[algorithm]
        (size,) = _U32.unpack(_take(data, position, 4, "the size of the event data"))
        position += 4
        content = _take(data, position, size, "event data")
        position += size
        events.append(Event(len(events) + 1, start, pcr, kind, digests, content))
    return events


def _take(data: bytes, position: int, size: int, what: str) -> bytes:
    end = position + size
    if end > len(data):
        raise FormatError(WHAT, f"{size} bytes of {what}, not {max(0, len(data) - position)}", position)
    return data[position:end]


def _startup_locality(log: EventLog) -> int:
    """Return the locality the TPM was started from (PFP, "Startup Locality Event"), 0 if the log does not say."""
    for event in log.events:
        if event.type == EV_NO_ACTION and event.pcr == 0 and event.data.startswith(_STARTUP_LOCALITY):
            tail = event.data[len(_STARTUP_LOCALITY) :]
            if tail:
                return tail[0]
    return 0


def _hasher(algorithm: int) -> Callable[[bytes], bytes]:
    name = algorithm_name(algorithm)
    if name not in hashlib.algorithms_available:
        raise FormatError(WHAT, f"a hash this computer can compute, not {name}")
    new = partial(hashlib.new, name)
    return lambda data: new(data).digest()
