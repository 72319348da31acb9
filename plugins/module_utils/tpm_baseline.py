# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The TPM baseline of a machine: what HGS compares at attestation, why two of them differ, and when a log is none.

HGS stores the boot log that Get-HgsAttestationBaselinePolicy returns. Which parts of it HGS compares is not public in
full. WSD guarded-fabric-troubleshoot-hosts says a baseline stops matching when "UEFI launch authorities, DBX variable,
debug flag, or custom Secure Boot policies" change; read as events of the log, those are EV_EFI_VARIABLE_AUTHORITY, the
Secure Boot variables and EV_EFI_ACTION at PCR 7, and Windows' BootDebugging, OsKernelDebug, HypervisorDebug and
SbcpInfo.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import sipa, tcg_log, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import (
    DMA_PROTECTION_DISABLED,
    RESUME,
    SECURE_BOOT_PCR,
    UEFI_DEBUG_MODE,
    BootFacts,
    boot_facts,
    firmware_actions,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import Event, EventLog

_SIGNATURE_LISTS: Final = ("PK", "KEK", "db", "dbx")
_MOST_ENTRIES_NAMED: Final = 5
_ABSENT: Final = "not measured"
_WINDOWS_PCR: Final = 13
"""Where Windows measures its configuration."""


class Topic(Enum):
    """What a difference, or a reason why a log is no baseline, is about."""

    SECURE_BOOT = "SecureBoot"
    PLATFORM_KEY = "PK"
    KEY_EXCHANGE_KEYS = "KEK"
    ALLOWED = "db"
    FORBIDDEN = "dbx"
    OTHER_VARIABLE = "another variable"
    AUTHORITY = "authority"
    FIRMWARE_DEBUGGING = "firmware debugging"
    DMA_PROTECTION = "DMA protection"
    FIRMWARE_ACTION = "firmware action"
    WINDOWS_DEBUGGING = "Windows debugging"
    SECURE_BOOT_POLICY = "Secure Boot policy"
    NOT_WINDOWS = "not Windows"
    NOT_UEFI = "not UEFI"
    RESUMED = "resumed"
    INCOMPLETE = "incomplete"
    CONTRADICTORY = "contradictory"
    DAMAGED = "damaged"


CAUSES: Final[Mapping[Topic, str]] = {
    Topic.SECURE_BOOT: "Secure Boot was switched on or off in the firmware settings",
    Topic.PLATFORM_KEY: "the platform key was replaced, or Secure Boot was reset to its factory state",
    Topic.KEY_EXCHANGE_KEYS: (
        "a firmware update or Windows Update brought a new key exchange key, or Secure Boot keys were reset"
    ),
    Topic.ALLOWED: "a firmware update or Windows Update added a signing authority, or somebody enrolled one",
    Topic.FORBIDDEN: "Windows Update or a firmware update extended the list of boot programs that must not run",
    Topic.OTHER_VARIABLE: "a firmware update or a changed firmware setting",
    Topic.AUTHORITY: (
        "another authority vouches for something that runs before Windows: an adapter with an option ROM was added or"
        " removed, or an update brought a boot manager signed by a newer authority"
    ),
    Topic.FIRMWARE_DEBUGGING: "a firmware debugger was switched on or off in the firmware settings",
    Topic.DMA_PROTECTION: "DMA protection (the IOMMU) was switched on or off in the firmware settings",
    Topic.FIRMWARE_ACTION: "a firmware update or a changed firmware setting",
    Topic.WINDOWS_DEBUGGING: "debugging was switched on or off with bcdedit",
    Topic.SECURE_BOOT_POLICY: "a Windows update brought a newer Secure Boot policy, or a custom one was deployed",
    Topic.NOT_WINDOWS: "the log was captured from another system, or its end was lost",
    Topic.NOT_UEFI: "the machine starts in legacy BIOS mode",
    Topic.RESUMED: "the machine was hibernated, or shut down with fast startup on, instead of restarted",
    Topic.INCOMPLETE: "the log was cut off when it was copied, or captured while Windows was still starting",
    Topic.CONTRADICTORY: "the log was edited, or firmware logs something else than it measures",
    Topic.DAMAGED: "the log was damaged when it was copied, or edited",
}
"""What usually is behind each. Which PCR tells of what: TCG PC Client Platform Firmware Profile, "PCR Usage". What
changes the Secure Boot variables: WSD guarded-fabric-troubleshoot-hosts; UEFI Specification, "Firmware/OS Key Exchange"
(KEK, db and dbx are updated by the operating system, PK by the platform's owner). Fast startup resumes (WSD
guarded-fabric-manage-hgs, Hgs_FullBoot)."""

_VARIABLES: Final = {
    topic.value: topic
    for topic in (Topic.SECURE_BOOT, Topic.PLATFORM_KEY, Topic.KEY_EXCHANGE_KEYS, Topic.ALLOWED, Topic.FORBIDDEN)
}
_ACTIONS: Final = {UEFI_DEBUG_MODE: Topic.FIRMWARE_DEBUGGING, DMA_PROTECTION_DISABLED: Topic.DMA_PROTECTION}


@dataclass(frozen=True)
class Authority:
    """A certificate or hash that vouched for something the firmware started; `variable` is the list it stands in."""

    variable: str
    signature: uefi.Signature


@dataclass(frozen=True)
class Baseline:
    """What is compared. `variables` are those measured into PCR 7, by name, with their contents.

    Debug flags are None where the log does not have them.
    """

    variables: Mapping[str, bytes]
    authorities: frozenset[Authority]
    firmware_actions: frozenset[str]
    boot_debugging: bool | None
    kernel_debugging: bool | None
    hypervisor_debugging: bool | None
    secure_boot_policies: frozenset[sipa.SecureBootPolicy]


@dataclass(frozen=True)
class Difference:
    """One thing that differs: where it is measured, both values in words, and what it is about."""

    topic: Topic
    element: str
    pcr: int
    event: str
    old: str
    new: str

    @property
    def usual_cause(self) -> str:
        """What usually changes it."""
        return CAUSES[self.topic]


@dataclass(frozen=True)
class Reason:
    """Why a log is no baseline."""

    topic: Topic
    text: str


def baseline(log: EventLog) -> Baseline:
    """Read what is compared out of a log. Raises FormatError where an event of it is damaged."""
    facts = boot_facts(log)
    policies = (r.value for r in sipa.flatten(sipa.measurements(log)) if isinstance(r.value, sipa.SecureBootPolicy))
    return Baseline(
        variables={uefi.shown_name(variable): variable.content for variable in _secure_boot_variables(log)},
        authorities=frozenset(_authorities(log)),
        firmware_actions=frozenset(firmware_actions(log)),
        boot_debugging=facts.boot_debugging,
        kernel_debugging=facts.kernel_debugging,
        hypervisor_debugging=facts.hypervisor_debugging,
        secure_boot_policies=frozenset(policies),
    )


def fingerprint(baseline: Baseline) -> str:
    """Return SHA-256 (lower-case hex) of the baseline: equal for two starts of a machine on which nothing changed."""
    canonical = {
        "variables": {name: hashlib.sha256(content).hexdigest() for name, content in baseline.variables.items()},
        "authorities": sorted(
            [a.variable, str(a.signature.owner), a.signature.data.hex()] for a in baseline.authorities
        ),
        "firmware_actions": sorted(baseline.firmware_actions),
        "debugging": [baseline.boot_debugging, baseline.kernel_debugging, baseline.hypervisor_debugging],
        "secure_boot_policies": sorted(
            [p.algorithm, p.options, p.signers, p.digest.hex()] for p in baseline.secure_boot_policies
        ),
    }
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(old: Baseline, new: Baseline) -> tuple[Difference, ...]:
    """Say in words what differs; empty exactly where the fingerprints are equal."""
    return (
        *_variable_differences(old, new),
        *_authority_differences(old, new),
        *_action_differences(old, new),
        *_debug_differences(old, new),
        *_policy_differences(old, new),
    )


def why_not(log: EventLog) -> tuple[str, ...]:
    """Say why a log is no usable baseline; empty if it is one."""
    return tuple(reason.text for reason in reasons_against(log))


def reasons_against(log: EventLog) -> tuple[Reason, ...]:
    """Return why a log is no usable baseline; empty if it is one."""
    bank = sipa.bank(log)
    if bank is None:
        text = "the log holds no measurements of Windows: it is of another system, or its end is missing"
        return (Reason(Topic.NOT_WINDOWS, text),)
    try:
        facts = boot_facts(log)
        reasons = [*_incomplete(log, facts)]
        reasons += [Reason(Topic.CONTRADICTORY, text) for text in contradictions(log, bank)]
        found = baseline(log)
    except FormatError as error:
        return (Reason(Topic.DAMAGED, f"a measurement is damaged: {error}"),)
    if not found.variables and not found.authorities:
        text = "no Secure Boot variable or authority is measured into PCR 7: the machine did not start by UEFI"
        reasons.append(Reason(Topic.NOT_UEFI, text))
    return tuple(reasons)


def _incomplete(log: EventLog, facts: BootFacts) -> Iterator[Reason]:
    if facts.full_boot is False:
        text = (
            f"the machine resumed from hibernation (TransferControl {RESUME}), so most facts about Windows are not in"
            " the log: restart it and capture again"
        )
        yield Reason(Topic.RESUMED, text)
    elif facts.kernel_debugging is None:
        text = "Windows' kernel did not measure how it was started: the log is incomplete"
        yield Reason(Topic.INCOMPLETE, text)
    if not sipa.is_closed(log):
        text = "Windows' closing separators at PCR 12, 13 and 14 are missing: the log ends early"
        yield Reason(Topic.INCOMPLETE, text)


def contradictions(log: EventLog, bank: int) -> Iterator[str]:
    """Say where a log contradicts itself: replaying proves its digests only, this that its data are what was measured.

    `bank` is a TPM_ALG_ID. Raises FormatError where a variable is damaged.
    """
    for event in log.events:
        if _digest_covers_data(event) and not _matches(event, bank):
            yield (
                f"record {event.index} ({event.type_name} at PCR {event.pcr}, offset {event.offset}) contradicts"
                " itself: its digest is not that of its data"
            )
    contents: dict[str, bytes] = {}
    for variable in _secure_boot_variables(log):
        name = uefi.shown_name(variable)
        if contents.setdefault(name, variable.content) != variable.content:
            yield f"the variable {name} is measured twice with different contents"


def _digest_covers_data(event: Event) -> bool:
    """Say if an event is of those whose data, not only a description, is measured (PFP; so in all published logs)."""
    if event.type in (tcg_log.EV_SEPARATOR, tcg_log.EV_EFI_ACTION):
        return True
    if event.pcr in sipa.WINDOWS_PCRS:
        return event.type in (tcg_log.EV_EVENT_TAG, tcg_log.EV_COMPACT_HASH)
    return event.pcr == SECURE_BOOT_PCR and event.type in (
        tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG,
        tcg_log.EV_EFI_VARIABLE_AUTHORITY,
    )


def _matches(event: Event, bank: int) -> bool:
    matches = tcg_log.covers_data(event, bank)
    if matches is False and event.pcr == SECURE_BOOT_PCR and event.type == tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG:
        # Some firmware hashes the contents of a variable without its name.
        content = uefi.parse_variable(event.data).content
        matches = tcg_log.hash_of(content, bank) == event.digests[bank]
    return matches is not False


def _secure_boot_variables(log: EventLog) -> Iterator[uefi.Variable]:
    for event in log.events:
        if event.pcr == SECURE_BOOT_PCR and event.type == tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG:
            yield uefi.parse_variable(event.data)


def _authorities(log: EventLog) -> Iterator[Authority]:
    for event in log.events:
        if event.pcr == SECURE_BOOT_PCR and event.type == tcg_log.EV_EFI_VARIABLE_AUTHORITY:
            variable = uefi.parse_variable(event.data)
            yield Authority(uefi.shown_name(variable), uefi.parse_authority(variable.content))


def _variable_differences(old: Baseline, new: Baseline) -> Iterator[Difference]:
    for name in (*old.variables, *(name for name in new.variables if name not in old.variables)):
        before, after = old.variables.get(name), new.variables.get(name)
        if before != after:
            yield Difference(
                topic=_VARIABLES.get(name, Topic.OTHER_VARIABLE),
                element=f"variable {name}",
                pcr=SECURE_BOOT_PCR,
                event="EV_EFI_VARIABLE_DRIVER_CONFIG",
                old=_content(name, before),
                new=_content(name, after) + _change(name, before, after),
            )


def _content(name: str, content: bytes | None) -> str:
    if content is None:
        return _ABSENT
    if name == "SecureBoot" and content in (b"\0", b"\1"):
        return "on" if content == b"\1" else "off"
    digest = f"SHA-256 of the contents {hashlib.sha256(content).hexdigest()}"
    if name in _SIGNATURE_LISTS:
        try:
            return f"{len(uefi.parse_signature_lists(content))} entries, {digest}"
        except FormatError:
            pass
    return f"{len(content)} bytes, {digest}"


def _change(name: str, old: bytes | None, new: bytes | None) -> str:
    """Say which entries of a signature list came and went."""
    if name not in _SIGNATURE_LISTS or old is None or new is None:
        return ""
    try:
        before, after = Counter(uefi.parse_signature_lists(old)), Counter(uefi.parse_signature_lists(new))
    except FormatError:
        return ""
    changes = [
        f"{word} {_named(entries)}"
        for word, entries in (("added", after - before), ("removed", before - after))
        if entries
    ]
    return "; " + ("; ".join(changes) or "the same entries in another arrangement")


def _named(entries: Counter[uefi.Signature]) -> str:
    found = list(entries.elements())
    names = ", ".join(uefi.describe(entry) for entry in found[:_MOST_ENTRIES_NAMED])
    more = len(found) - _MOST_ENTRIES_NAMED
    return f"{len(found)}: {names}" + (f" and {more} more" if more > 0 else "")


def _authority_differences(old: Baseline, new: Baseline) -> Iterator[Difference]:
    def one(authority: Authority, before: str, after: str) -> Difference:
        entry = f"{uefi.describe(authority.signature)}, owner {authority.signature.owner}"
        element = f"UEFI launch authority in {authority.variable}: {entry}"
        event = "EV_EFI_VARIABLE_AUTHORITY"
        return Difference(Topic.AUTHORITY, element, SECURE_BOOT_PCR, event, before, after)

    for authority in sorted(old.authorities - new.authorities, key=repr):
        yield one(authority, "vouched for something that was started", _ABSENT)
    for authority in sorted(new.authorities - old.authorities, key=repr):
        yield one(authority, _ABSENT, "vouched for something that was started")


def _action_differences(old: Baseline, new: Baseline) -> Iterator[Difference]:
    for action in sorted(old.firmware_actions ^ new.firmware_actions):
        before, after = ("measured" if action in side.firmware_actions else _ABSENT for side in (old, new))
        topic = _ACTIONS.get(action, Topic.FIRMWARE_ACTION)
        yield Difference(topic, f"firmware action {action!r}", SECURE_BOOT_PCR, "EV_EFI_ACTION", before, after)


def _debug_differences(old: Baseline, new: Baseline) -> Iterator[Difference]:
    flags = (
        ("boot debugging", "BootDebugging", old.boot_debugging, new.boot_debugging),
        ("kernel debugging", "OsKernelDebug", old.kernel_debugging, new.kernel_debugging),
        ("hypervisor debugging", "HypervisorDebug", old.hypervisor_debugging, new.hypervisor_debugging),
    )
    words = {True: "on", False: "off", None: _ABSENT}
    for element, event, before, after in flags:
        if before != after:
            topic = Topic.WINDOWS_DEBUGGING
            yield Difference(topic, element, _WINDOWS_PCR, event, words[before], words[after])


def _policy_differences(old: Baseline, new: Baseline) -> Iterator[Difference]:
    if old.secure_boot_policies != new.secure_boot_policies:
        before, after = (_policies(side.secure_boot_policies) for side in (old, new))
        topic = Topic.SECURE_BOOT_POLICY
        yield Difference(topic, "custom Secure Boot policy", _WINDOWS_PCR, "SbcpInfo", before, after)


def _policies(policies: frozenset[sipa.SecureBootPolicy]) -> str:
    words = sorted(
        f"{tcg_log.algorithm_name(p.algorithm)} {p.digest.hex()}, options 0x{p.options:x}, {p.signers} signers"
        for p in policies
    )
    return " and ".join(words) or _ABSENT
