# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers that read what a host, a guardian or a tenant sent, each with all that is done with what it read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ansible_collections.guarded.fabric.plugins.module_utils import (
    boot_facts,
    ek_certificate,
    endorsement_key,
    guardian_metadata,
    key_protector,
    key_protector_access,
    platform_identifier,
    si_policy_binary,
    si_policy_comparison,
    si_policy_xml,
    signed_policy,
    sipa,
    tcg_log,
    tpm_baseline,
    uefi,
)

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
    for algorithm in log.algorithms:
        tcg_log.replay(log, algorithm)
    tpm_baseline.why_not(log)
    boot_facts.boot_facts(log)
    found = tpm_baseline.baseline(log)
    tpm_baseline.fingerprint(found)
    tpm_baseline.differences(found, tpm_baseline.baseline(tcg_log.EventLog(log.spec, ())))


def _windows_events(data: bytes) -> None:
    for record in sipa.flatten(sipa.parse(data)):
        assert record.name


def _signature_lists(data: bytes) -> None:
    for signature in uefi.parse_signature_lists(data):
        uefi.describe(signature)


def _policy(data: bytes) -> None:
    policy = si_policy_binary.read(data)
    si_policy_binary.digest(data)
    assert si_policy_comparison.content_equal(policy, policy)


def _policy_document(data: bytes) -> None:
    policy = si_policy_xml.read(data)
    assert si_policy_comparison.content_equal(policy, policy)


def _ek_certificate(data: bytes) -> None:
    found = ek_certificate.parse(data)
    ek_certificate.verify_chain(found, [data], [data], datetime(2026, 1, 1, tzinfo=UTC))


def _platform_identifier(data: bytes) -> None:
    platform_identifier.why_not(platform_identifier.parse(data))


def _guardian_metadata(data: bytes) -> None:
    guardian_metadata.read(data)
    guardian_metadata.problems(data)


def _key_protector(data: bytes) -> None:
    found = key_protector.read(data)
    if found is not None:
        key_protector_access.problems(found)
        key_protector.owner(found)


def _with_its_length(data: bytes) -> bytes:
    return len(data).to_bytes(_PREFIX_BYTES, "big") + data[_PREFIX_BYTES:]


TARGETS: Final = (
    Target("tcg_log", _boot_log),
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
