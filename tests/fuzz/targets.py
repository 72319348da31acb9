# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers that read what a host, a guardian or a tenant sent, each with all that is done with what it read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ansible_collections.guarded.fabric.plugins.module_utils import (
    boot_changes,
    device_path,
    ek_certificate,
    endorsement_key,
    platform_identifier,
    si_policy_comparison,
    si_policy_xml,
    signed_policy,
    sipa,
    tcg_log,
    tpm_baseline,
    uefi,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.boot_logs import BOOT_LOG
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.code_integrity import CODE_INTEGRITY_POLICY
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.identities import (
    EK_CERTIFICATE,
    PLATFORM_IDENTIFIER,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.plain_data import plain
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.protection import GUARDIAN_METADATA, KEY_PROTECTOR

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.model import EvidenceKind

T = TypeVar("T")

SEEDS: Final = Path(__file__).with_name("seeds")
_PREFIX_BYTES: Final = 4


def _unchanged(data: bytes) -> bytes:
    return data


@dataclass(frozen=True)
class Target:
    """A parser. `repair` puts right what would make it refuse nearly every mutated input at the door.

    Its inputs are kept in a folder of its name below `folder`.
    """

    name: str
    parse: Callable[[bytes], object]
    repair: Callable[[bytes], bytes] = _unchanged
    folder: Path = SEEDS

    def seeds(self) -> list[bytes]:
        """Return the inputs kept for it: what the lab made, and whatever once went wrong."""
        return [path.read_bytes() for path in sorted((self.folder / self.name).iterdir())]


def _boot_log(data: bytes) -> None:
    log = tcg_log.parse(data)
    _tell(BOOT_LOG, log)
    empty = tcg_log.EventLog(log.spec, ())
    tpm_baseline.differences(tpm_baseline.baseline(log), tpm_baseline.baseline(empty))
    boot_changes.changes(log, empty)


def _windows_events(data: bytes) -> None:
    for record in sipa.flatten(sipa.parse(data)):
        assert record.name


def _signature_lists(data: bytes) -> None:
    for signature in uefi.parse_signature_lists(data):
        uefi.describe(signature)


def _policy(data: bytes) -> None:
    _tell(CODE_INTEGRITY_POLICY, CODE_INTEGRITY_POLICY.read(data))


def _policy_document(data: bytes) -> None:
    policy = si_policy_xml.read(data)
    assert si_policy_comparison.content_equal(policy, policy)


def _ek_certificate(data: bytes) -> None:
    found = ek_certificate.parse(data)
    _tell(EK_CERTIFICATE, found)
    ek_certificate.verify_chain(found, [data], [data], datetime(2026, 1, 1, tzinfo=UTC))


def _platform_identifier(data: bytes) -> None:
    _tell(PLATFORM_IDENTIFIER, platform_identifier.parse(data))


def _guardian_metadata(data: bytes) -> None:
    _tell(GUARDIAN_METADATA, GUARDIAN_METADATA.read(data))


def _key_protector(data: bytes) -> None:
    _tell(KEY_PROTECTOR, KEY_PROTECTOR.read(data))


def _tell(kind: EvidenceKind[T], content: T) -> None:
    """Do with what was read all that the filters do."""
    json.dumps(plain(kind.facts(content)))
    for judgement in (*kind.problems(content), *kind.differences(content, content)):
        assert judgement.kind.id


def _with_its_length(data: bytes) -> bytes:
    return len(data).to_bytes(_PREFIX_BYTES, "big") + data[_PREFIX_BYTES:]


TARGETS: Final = (
    Target("tcg_log", _boot_log),
    Target("device_path", device_path.describe),
    Target("sipa", _windows_events),
    Target("uefi_variable", uefi.parse_variable),
    Target("uefi_signature_lists", _signature_lists),
    Target("si_policy_binary", _policy),
    Target("si_policy_xml", _policy_document),
    Target("signed_policy", signed_policy.unwrap),
    Target("ek_certificate", _ek_certificate),
    Target("endorsement_key", endorsement_key.parse),
    Target("platform_identifier", _platform_identifier),
    Target("guardian_metadata", _guardian_metadata),
    Target("key_protector", _key_protector, _with_its_length),
)
