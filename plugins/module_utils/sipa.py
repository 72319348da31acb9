# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Windows says about its own start: the SIPA events in the tagged records of a boot log ("WBCL").

Layout: wbcl.h of the Windows SDK. A record is `u32 number, u32 size, payload`, several in a row, little endian; bit
0x80000000 of the number means not measured, bit 0x40000000 means that the payload is more records. Windows measures
them into PCR 11 to 14 only and ends its part of the log with an EV_SEPARATOR "WBCL" in PCR 12, 13 and 14; other
software uses the same record type elsewhere for other things.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, TypeAlias

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.sipa_events import EVENT_TYPES, EventType, Kind
from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import (
    EV_EVENT_TAG,
    EV_NO_ACTION,
    EV_SEPARATOR,
    SHA1,
    WINDOWS_UNMEASURED_PCR,
    EventLog,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WHAT: Final = "SIPA events"
WINDOWS_PCRS: Final = (11, 12, 13, 14)
CLOSING_PCRS: Final = (12, 13, 14)
CLOSING_SEPARATOR: Final = b"WBCL"
_CONTAINER_BIT: Final = 0x40000000
_DEEPEST: Final = 8
"""Windows nests three deep; a bound keeps hostile input from exhausting the stack."""
_WIDEST_NUMBER: Final = 8
_FILETIME_EPOCH: Final = datetime(1601, 1, 1, tzinfo=timezone.utc)

_HEAD: Final = struct.Struct("<II")
_POLICY_HEAD: Final = struct.Struct("<QHHI")
_REVOCATION_HEAD: Final = struct.Struct("<qIH")
_KEY_HEAD: Final = struct.Struct("<IIII")
_SIGNER_HEAD: Final = struct.Struct("<IIHHHH")
_CERTIFICATE_HEAD: Final = struct.Struct("<HHIH")
_SECURE_BOOT_HEAD: Final = struct.Struct("<IIHHII")


@dataclass(frozen=True)
class CodeIntegrityPolicy:
    """SI_POLICY: a code integrity policy that was active. `version` has four parts, `algorithm` is a TPM_ALG_ID."""

    name: str
    version: tuple[int, int, int, int]
    algorithm: int
    digest: bytes


@dataclass(frozen=True)
class SignerCertificate:
    """A certificate in SI_POLICY_SIGNER; `algorithm` is a CAPI ALG_ID."""

    publisher: str
    issuer: str
    algorithm: int
    digest: bytes


@dataclass(frozen=True)
class CodeIntegritySigner:
    """SI_POLICY_SIGNER: who signed the policy, or may sign its update."""

    name: str
    root: int
    ekus: tuple[bytes, ...]
    certificates: tuple[SignerCertificate, ...]


@dataclass(frozen=True)
class RevocationList:
    """REVOCATION_LIST. `created` is None where the time is outside the range of dates; `algorithm` is a TPM_ALG_ID."""

    created: datetime | None
    algorithm: int
    digest: bytes


@dataclass(frozen=True)
class IdentityKey:
    """VSM_IDK_INFO: the public key that virtualization-based security made for itself. `algorithm` 1 is RSA."""

    algorithm: int
    bits: int
    exponent: int
    modulus: int


@dataclass(frozen=True)
class SecureBootPolicy:
    """SBCP_INFO: the custom Secure Boot policy in force. `algorithm` is a TPM_ALG_ID."""

    algorithm: int
    options: int
    signers: int
    digest: bytes


@dataclass(frozen=True)
class Record:
    """One SIPA event. `offset` counts from the start of the event data it stands in. A container's value is records."""

    number: int
    offset: int
    value: Value

    @property
    def name(self) -> str:
        """The name from wbcl.h in Windows' usual spelling, or the number where it has none."""
        known = EVENT_TYPES.get(self.number)
        return known.name if known else f"0x{self.number:08x}"


Value: TypeAlias = (
    "tuple[Record, ...] | bool | int | str | bytes | CodeIntegrityPolicy | CodeIntegritySigner | RevocationList"
    " | IdentityKey | SecureBootPolicy"
)


def parse(data: bytes) -> tuple[Record, ...]:
    """Read the SIPA events in the data of one log record. Raises FormatError."""
    return _records(data, 0, len(data), _DEEPEST)


def measurements(log: EventLog) -> tuple[Record, ...]:
    """Read the SIPA events that Windows measured, up to its closing separator, in order. Raises FormatError."""
    found: list[Record] = []
    closed: set[int] = set()
    for event in log.events:
        if event.pcr not in WINDOWS_PCRS or event.pcr in closed:
            continue
        if event.type == EV_SEPARATOR and event.data == CLOSING_SEPARATOR:
            closed.add(event.pcr)
        elif event.type == EV_EVENT_TAG:
            found.extend(parse(event.data))
    return tuple(found)


def trust_point(log: EventLog) -> tuple[Record, ...]:
    """Read what Windows appends without measuring it: its own quote and key. Raises FormatError."""
    return tuple(
        record
        for event in log.events
        if event.type == EV_NO_ACTION and event.pcr == WINDOWS_UNMEASURED_PCR
        for record in parse(event.data)
    )


def flatten(records: tuple[Record, ...]) -> Iterator[Record]:
    """Go through all records, the contents of a container in its place, in order."""
    for record in records:
        if isinstance(record.value, tuple):
            yield from flatten(record.value)
        else:
            yield record


def is_closed(log: EventLog) -> bool:
    """Say if Windows finished its part of the log, with a closing separator in each of PCR 12, 13 and 14."""
    closed = {e.pcr for e in log.events if e.type == EV_SEPARATOR and e.data == CLOSING_SEPARATOR}
    return closed.issuperset(CLOSING_PCRS)


def bank(log: EventLog) -> int | None:
    """Return the TPM_ALG_ID of the bank that Windows measured into; None where Windows measured nothing.

    Windows uses one bank, whatever the firmware used; in others, PCR 11 to 14 hold something that is not in the log.
    """
    tagged = (e for e in log.events if e.type == EV_EVENT_TAG and e.pcr in WINDOWS_PCRS)
    return next((algorithm for e in tagged for algorithm in sorted(e.digests, key=_by_preference)), None)


def _by_preference(algorithm: int) -> tuple[bool, int]:
    return algorithm == SHA1, algorithm


def _records(data: bytes, start: int, end: int, depth: int) -> tuple[Record, ...]:
    if depth == 0:
        raise FormatError(WHAT, f"containers at most {_DEEPEST} deep", start)
    found: list[Record] = []
    position = start
    while position < end:
        if position + _HEAD.size > end:
            raise FormatError(WHAT, f"an event head of {_HEAD.size} bytes, not {end - position}", position)
        number, size = _HEAD.unpack_from(data, position)
        body = position + _HEAD.size
        if body + size > end:
            raise FormatError(WHAT, f"{size} bytes of event 0x{number:08x}, not {end - body}", body)
        found.append(Record(number, position, _value(number, data, body, body + size, depth)))
        position = body + size
    return tuple(found)


def _value(number: int, data: bytes, start: int, end: int, depth: int) -> Value:
    fallback = Kind.CONTAINER if number & _CONTAINER_BIT else Kind.BYTES
    kind = EVENT_TYPES.get(number, EventType("", fallback)).kind
    if kind is Kind.CONTAINER:
        return _records(data, start, end, depth - 1)
    payload = data[start:end]
    try:
        return _READERS[kind](payload)
    except (_BadPayloadError, struct.error) as error:
        name = EVENT_TYPES[number].name
        raise FormatError(WHAT, f"a payload of {name} ({kind.value}): {error}", start) from error


class _BadPayloadError(Exception):
    """A payload is not of its kind; becomes a FormatError where the offset is known."""


def _flag(payload: bytes) -> bool:
    return any(payload)


def _number(payload: bytes) -> int:
    if len(payload) > _WIDEST_NUMBER:
        raise _BadPayloadError(f"a number of {len(payload)} bytes")
    return int.from_bytes(payload, "little")


def _text(payload: bytes) -> str:
    return payload.decode("utf-16-le", "replace").rstrip("\0")


def _policy(payload: bytes) -> CodeIntegrityPolicy:
    version, name_size, algorithm, digest_size = _POLICY_HEAD.unpack_from(payload)
    name, digest = _parts(payload, _POLICY_HEAD.size, name_size, digest_size)
    parts = (version >> 48, version >> 32 & 0xFFFF, version >> 16 & 0xFFFF, version & 0xFFFF)
    return CodeIntegrityPolicy(_text(name), parts, algorithm, digest)


def _signer(payload: bytes) -> CodeIntegritySigner:
    root, certificates_size, count, name_size, ekus_size, eku_count = _SIGNER_HEAD.unpack_from(payload)
    name, ekus, certificates = _parts(payload, _SIGNER_HEAD.size, name_size, ekus_size, certificates_size)
    found = CodeIntegritySigner(_text(name), root, _ekus(ekus), _certificates(certificates))
    if (len(found.ekus), len(found.certificates)) != (eku_count, count):
        raise _BadPayloadError(f"{len(found.ekus)} EKUs and {len(found.certificates)} certificates")
    return found


def _ekus(data: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + 1 + data[position]
        if end > len(data):
            raise _BadPayloadError("an EKU is cut off")
        found.append(data[position + 1 : end])
        position = end
    return tuple(found)


def _certificates(data: bytes) -> tuple[SignerCertificate, ...]:
    found: list[SignerCertificate] = []
    position = 0
    while position < len(data):
        publisher_size, issuer_size, algorithm, digest_size = _CERTIFICATE_HEAD.unpack_from(data, position)
        start = position + _CERTIFICATE_HEAD.size
        position = start + publisher_size + issuer_size + digest_size
        publisher, issuer, digest = _parts(data[:position], start, publisher_size, issuer_size, digest_size)
        found.append(SignerCertificate(_text(publisher), _text(issuer), algorithm, digest))
    return tuple(found)


def _revocation_list(payload: bytes) -> RevocationList:
    filetime, digest_size, algorithm = _REVOCATION_HEAD.unpack_from(payload)
    (digest,) = _parts(payload, _REVOCATION_HEAD.size, digest_size)
    try:
        created = _FILETIME_EPOCH + timedelta(microseconds=filetime // 10)
    except OverflowError:
        created = None
    return RevocationList(created, algorithm, digest)


def _identity_key(payload: bytes) -> IdentityKey:
    algorithm, bits, exponent_size, modulus_size = _KEY_HEAD.unpack_from(payload)
    exponent, modulus = _parts(payload, _KEY_HEAD.size, exponent_size, modulus_size)
    return IdentityKey(algorithm, bits, int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))


def _secure_boot_policy(payload: bytes) -> SecureBootPolicy:
    _version, offset, algorithm, digest_size, options, signers = _SECURE_BOOT_HEAD.unpack_from(payload)
    if offset + digest_size > len(payload):
        raise _BadPayloadError("the digest lies outside of it")
    return SecureBootPolicy(algorithm, options, signers, payload[offset : offset + digest_size])


def _parts(payload: bytes, start: int, *sizes: int) -> list[bytes]:
    """Cut what follows `start` into parts; they must fill the payload exactly."""
    if start + sum(sizes) != len(payload):
        raise _BadPayloadError(f"{len(payload)} bytes, not {start + sum(sizes)}")
    found: list[bytes] = []
    for size in sizes:
        found.append(payload[start : start + size])
        start += size
    return found


_READERS: Final[Mapping[Kind, Callable[[bytes], Value]]] = {
    Kind.FLAG: _flag,
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.BYTES: bytes,
    Kind.CODE_INTEGRITY_POLICY: _policy,
    Kind.CODE_INTEGRITY_SIGNER: _signer,
    Kind.REVOCATION_LIST: _revocation_list,
    Kind.IDENTITY_KEY: _identity_key,
    Kind.SECURE_BOOT_POLICY: _secure_boot_policy,
}
