# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring: a digest goes into the TPM, and what was measured goes into the event log.

The log is crypto agile with one bank, SHA-256 (TCG PC Client Platform Firmware Profile, "Event Logging").
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.sipa_events import NUMBERS

from . import tpm as chip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from .model import Tpm

_SPEC_ID: Final = struct.Struct("<16sIBBBBIHHB")
_LEGACY_HEAD: Final = struct.Struct("<II20sI")
_HEAD: Final = struct.Struct("<IIIH32sI")


class Recorder:
    """Measures into one TPM from its start on and keeps the log."""

    def __init__(self, tpm: Tpm) -> None:
        """Start the TPM; the log begins with the record that says how to read the others."""
        chip.start(tpm, locality=0)
        spec_id = _SPEC_ID.pack(
            b"Spec ID Event03\0",
            0,  # platform class: client
            0,  # minor version
            2,  # major version
            0,  # errata
            2,  # size of UINTN in units of 4 bytes
            1,  # number of algorithms
            tcg_log.SHA256,
            chip.DIGEST_SIZE,
            0,  # no vendor information
        )
        self._tpm = tpm
        self._log = bytearray(_LEGACY_HEAD.pack(0, tcg_log.EV_NO_ACTION, bytes(20), len(spec_id)) + spec_id)

    def measure(self, pcr: int, kind: int, data: bytes) -> None:
        """Measure `data` itself."""
        self.measure_image(pcr, kind, hashlib.sha256(data).digest(), data)

    def measure_image(self, pcr: int, kind: int, digest: bytes, description: bytes) -> None:
        """Measure something that is not in the log; `description` stands there in its place."""
        chip.extend(self._tpm, pcr, digest)
        self._log += _HEAD.pack(pcr, kind, 1, tcg_log.SHA256, digest, len(description)) + description

    @property
    def log(self) -> bytes:
        """The log so far."""
        return bytes(self._log)


def sipa(name: str, payload: bytes) -> bytes:
    """Return one SIPA event, by its name."""
    return struct.pack("<II", NUMBERS[name], len(payload)) + payload


def flag(name: str, value: bool) -> bytes:  # noqa: FBT001 - the value of the event, not a choice of what to do
    """Return a SIPA event that holds a truth value."""
    return sipa(name, bytes([value]))


def number(name: str, value: int, size: int = 8) -> bytes:
    """Return a SIPA event that holds a number of `size` bytes."""
    return sipa(name, value.to_bytes(size, "little"))


def text(name: str, value: str) -> bytes:
    """Return a SIPA event that holds a text, closed by NUL as Windows does."""
    return sipa(name, utf16(value))


def container(name: str, events: Sequence[bytes]) -> bytes:
    """Return a SIPA event that holds others."""
    return sipa(name, b"".join(events))


def uefi_variable(vendor: UUID, name: str, content: bytes) -> bytes:
    """Return UEFI_VARIABLE_DATA."""
    return struct.pack("<16sQQ", vendor.bytes_le, len(name), len(content)) + name.encode("utf-16-le") + content


def utf16(value: str) -> bytes:
    """Return the text in UTF-16, closed by NUL."""
    return (value + "\0").encode("utf-16-le")
