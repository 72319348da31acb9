# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a boot log shows: how the machine started, whether it makes a baseline, and what differs from another start."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import boot_changes, tcg_log, tpm_baseline, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import boot_facts
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import FindingKind, Severity
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner

from .model import EvidenceKind, Judgement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import EventLog

_FIRST_RECORD = 32
_APPROVE = "compare with what was changed on purpose; if it was meant, approve the new baseline and register it too"
_RESTART = "restart the machine (no fast startup, no hibernation) and capture again"
_CAUSES = tpm_baseline.CAUSES
_CHANGES = boot_changes.CAUSES

REASONS: Mapping[tpm_baseline.Topic, FindingKind] = {
    tpm_baseline.Topic.NOT_WINDOWS: FindingKind(
        "GF-EVD-001",
        Owner.FABRIC,
        "is no log of a start of Windows",
        "capture it on the host with Get-HgsAttestationBaselinePolicy",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.NOT_WINDOWS],
    ),
    tpm_baseline.Topic.NOT_UEFI: FindingKind(
        "GF-EVD-002",
        Owner.FABRIC,
        "shows a start without UEFI, which no baseline can be made of",
        "set the firmware to UEFI with Secure Boot, install Windows so, and capture again",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.NOT_UEFI],
    ),
    tpm_baseline.Topic.RESUMED: FindingKind(
        "GF-EVD-003",
        Owner.FABRIC,
        "is of a machine that resumed instead of starting",
        _RESTART,
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.RESUMED],
    ),
    tpm_baseline.Topic.INCOMPLETE: FindingKind(
        "GF-EVD-004",
        Owner.FABRIC,
        "is not whole",
        _RESTART,
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.INCOMPLETE],
    ),
    tpm_baseline.Topic.CONTRADICTORY: FindingKind(
        "GF-EVD-005",
        Owner.FABRIC,
        "contradicts itself",
        "capture it again; if it still does, update the firmware, and trust no baseline of this machine until then",
        Severity.CRITICAL,
        _CAUSES[tpm_baseline.Topic.CONTRADICTORY],
    ),
    tpm_baseline.Topic.DAMAGED: FindingKind(
        "GF-EVD-006",
        Owner.FABRIC,
        "holds a measurement that cannot be read",
        "capture it again",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.DAMAGED],
    ),
}

DIFFERENCES: Mapping[tpm_baseline.Topic, FindingKind] = {
    tpm_baseline.Topic.SECURE_BOOT: FindingKind(
        "GF-EVD-101",
        Owner.FABRIC,
        "says otherwise whether Secure Boot is on",
        "switch Secure Boot back in the firmware settings and restart; HGS does not take a host without it",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.SECURE_BOOT],
    ),
    tpm_baseline.Topic.PLATFORM_KEY: FindingKind(
        "GF-EVD-102",
        Owner.GUARDIAN,
        "is another platform key: somebody else owns Secure Boot's settings",
        "find out who replaced it before anything is approved: its owner decides what may start",
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.PLATFORM_KEY],
    ),
    tpm_baseline.Topic.KEY_EXCHANGE_KEYS: FindingKind(
        "GF-EVD-103",
        Owner.GUARDIAN,
        "lists other keys that may change db and dbx",
        _APPROVE,
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.KEY_EXCHANGE_KEYS],
    ),
    tpm_baseline.Topic.ALLOWED: FindingKind(
        "GF-EVD-104",
        Owner.GUARDIAN,
        "lists other authorities that may vouch for what starts",
        _APPROVE,
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.ALLOWED],
    ),
    tpm_baseline.Topic.FORBIDDEN: FindingKind(
        "GF-EVD-105",
        Owner.GUARDIAN,
        "lists other programs that must not start",
        f"{_APPROVE}; a list that became shorter is a step back: do not approve it",
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.FORBIDDEN],
    ),
    tpm_baseline.Topic.OTHER_VARIABLE: FindingKind(
        "GF-EVD-106",
        Owner.GUARDIAN,
        "is a variable of Secure Boot with other contents",
        _APPROVE,
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.OTHER_VARIABLE],
    ),
    tpm_baseline.Topic.AUTHORITY: FindingKind(
        "GF-EVD-107",
        Owner.GUARDIAN,
        "vouches for something that started, in one of the two starts only",
        f"look at which option ROM or boot program came or went (GF-EVD-123, GF-EVD-124); {_APPROVE}",
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.AUTHORITY],
    ),
    tpm_baseline.Topic.FIRMWARE_DEBUGGING: FindingKind(
        "GF-EVD-108",
        Owner.FABRIC,
        "tells that a firmware debugger is on, in one of the two starts only",
        "switch the firmware debugger off and restart",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.FIRMWARE_DEBUGGING],
    ),
    tpm_baseline.Topic.DMA_PROTECTION: FindingKind(
        "GF-EVD-109",
        Owner.FABRIC,
        "tells that memory is open to devices, in one of the two starts only",
        "switch VT-d or AMD-Vi and DMA protection on in the firmware settings, and restart",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.DMA_PROTECTION],
    ),
    tpm_baseline.Topic.FIRMWARE_ACTION: FindingKind(
        "GF-EVD-110",
        Owner.GUARDIAN,
        "is something the firmware did in one of the two starts only",
        _APPROVE,
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.FIRMWARE_ACTION],
    ),
    tpm_baseline.Topic.WINDOWS_DEBUGGING: FindingKind(
        "GF-EVD-111",
        Owner.FABRIC,
        "is on in one of the two starts only",
        "switch debugging off with bcdedit and restart",
        Severity.ERROR,
        _CAUSES[tpm_baseline.Topic.WINDOWS_DEBUGGING],
    ),
    tpm_baseline.Topic.SECURE_BOOT_POLICY: FindingKind(
        "GF-EVD-112",
        Owner.GUARDIAN,
        "is another one",
        _APPROVE,
        Severity.WARNING,
        _CAUSES[tpm_baseline.Topic.SECURE_BOOT_POLICY],
    ),
}
"""By what HGS compares, as far as that is public."""

_NOT_COMPARED = "nothing by itself: by what is public HGS compares no such thing; it tells why something else changed"

CHANGES: Mapping[boot_changes.Topic, FindingKind] = {
    boot_changes.Topic.FIRMWARE_VERSION: FindingKind(
        "GF-EVD-121",
        Owner.FABRIC,
        "is another one",
        _NOT_COMPARED,
        Severity.INFO,
        _CHANGES[boot_changes.Topic.FIRMWARE_VERSION],
    ),
    boot_changes.Topic.FIRMWARE_CODE: FindingKind(
        "GF-EVD-122",
        Owner.FABRIC,
        "is other code",
        _NOT_COMPARED,
        Severity.INFO,
        _CHANGES[boot_changes.Topic.FIRMWARE_CODE],
    ),
    boot_changes.Topic.OPTION_ROM: FindingKind(
        "GF-EVD-123",
        Owner.FABRIC,
        "was loaded from an adapter in one of the two starts only, or is another version",
        "if nobody changed an adapter, find out what it is before a new baseline is approved",
        Severity.INFO,
        _CHANGES[boot_changes.Topic.OPTION_ROM],
    ),
    boot_changes.Topic.BOOT_PROGRAM: FindingKind(
        "GF-EVD-124",
        Owner.FABRIC,
        "was started in one of the two starts only, or is another version",
        "if Windows was not updated between the two, find out what started before a new baseline is approved",
        Severity.INFO,
        _CHANGES[boot_changes.Topic.BOOT_PROGRAM],
    ),
    boot_changes.Topic.BOOT_OPTION: FindingKind(
        "GF-EVD-125",
        Owner.FABRIC,
        "is another boot option or order",
        _NOT_COMPARED,
        Severity.INFO,
        _CHANGES[boot_changes.Topic.BOOT_OPTION],
    ),
    boot_changes.Topic.WINDOWS: FindingKind(
        "GF-EVD-126",
        Owner.FABRIC,
        "is otherwise in Windows",
        "compare with what the policies Hgs_* of the attestation service ask for",
        Severity.INFO,
        _CHANGES[boot_changes.Topic.WINDOWS],
    ),
}
"""By what HGS does not compare, and which tells a person the cause."""


def _claims(data: bytes) -> bool:
    if len(data) < _FIRST_RECORD:
        return False
    # A code integrity policy begins with the number of its format, which is no PCR that a log begins with.
    starts = int.from_bytes(data[:4], "little")
    return starts == 0 or (starts <= tcg_log.LAST_PCR and b"Spec ID Event" in data[: _FIRST_RECORD + 16])


def _facts(log: EventLog) -> Mapping[str, object]:
    reasons = tpm_baseline.why_not(log)
    facts: dict[str, object] = {
        "banks": [tcg_log.algorithm_name(algorithm) for algorithm in log.algorithms],
        "events": len(log.events),
        "pcrs": _pcrs(log),
        "usable_as_baseline": not reasons,
        "reasons": list(reasons),
        "firmware_versions": boot_changes.firmware_versions(log),
        "images": boot_changes.images(log),
    }
    try:
        found = tpm_baseline.baseline(log)
        windows = boot_facts(log)
    except FormatError:
        return facts
    return {
        **facts,
        "fingerprint": tpm_baseline.fingerprint(found),
        "variables": {name: _variable(content) for name, content in found.variables.items()},
        "authorities": sorted(f"{item.variable}: {uefi.describe(item.signature)}" for item in found.authorities),
        "firmware_actions": sorted(found.firmware_actions),
        "windows": windows,
    }


def _pcrs(log: EventLog) -> dict[str, dict[int, bytes]]:
    found = {}
    for algorithm in log.algorithms:
        with suppress(FormatError):  # a hash that this Python cannot compute
            found[tcg_log.algorithm_name(algorithm)] = dict(sorted(tcg_log.replay(log, algorithm).items()))
    return found


def _variable(content: bytes) -> dict[str, object]:
    described: dict[str, object] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with suppress(FormatError):
        entries = uefi.parse_signature_lists(content)
        return {**described, "entries": [uefi.describe(entry) for entry in entries]}
    return described


def _problems(log: EventLog) -> Iterator[Judgement]:
    for reason in tpm_baseline.reasons_against(log):
        yield Judgement(REASONS[reason.topic], actual=reason.text)


def _differences(old: EventLog, new: EventLog) -> Iterator[Judgement]:
    for item in tpm_baseline.differences(tpm_baseline.baseline(old), tpm_baseline.baseline(new)):
        place = f"PCR {item.pcr}, {item.event}"
        yield Judgement(DIFFERENCES[item.topic], item.element, place, item.old, item.new)
    for change in boot_changes.changes(old, new):
        place = f"PCR {change.pcr}, {change.event}"
        yield Judgement(CHANGES[change.topic], change.element, place, change.old, change.new)


BOOT_LOG: EvidenceKind[EventLog] = EvidenceKind("boot_log", _claims, tcg_log.parse, _facts, _problems, _differences)
