# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policies a host's boot log meets.

A host passes when every locked and every enabled Hgs_* policy passes and it matches at least one TPM identity, one
baseline and one code integrity policy (WSD guarded-fabric-manage-hgs), all of one policy version (WSD guarded-fabric-
tpm-trusted-attestation-capturing-hardware). What the log does not say counts against the host. Which measurement
answers which policy, and what of a baseline is compared, is inferred: see boot_facts and tpm_baseline.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import sipa, tcg_log, tpm_baseline
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import SECURE_BOOT_PCR, BootFacts, boot_facts
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography.hazmat.primitives.asymmetric import rsa

from .attestation_policies import BASELINE, BUILT_IN, CODE_INTEGRITY, DUMP_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from .attestation import PolicyVersion
    from .model import AttestationState

_RSA_KEY: Final = 1
_SECURE_BOOT_EVENTS: Final = frozenset(
    {
        tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG,
        tcg_log.EV_EFI_VARIABLE_AUTHORITY,
        tcg_log.EV_EFI_ACTION,
        tcg_log.EV_SEPARATOR,
    }
)
_TAGGED: Final = frozenset({tcg_log.EV_EVENT_TAG, tcg_log.EV_SEPARATOR})
_EXPECTED_EVENTS: Final[Mapping[int, frozenset[int]]] = {
    SECURE_BOOT_PCR: _SECURE_BOOT_EVENTS,
    11: frozenset({tcg_log.EV_COMPACT_HASH}),
    12: _TAGGED,
    13: _TAGGED,
    14: _TAGGED,
}
_SEPARATORS: Final = frozenset({bytes(4), sipa.CLOSING_SEPARATOR})


@dataclass(frozen=True)
class Host:
    """What a host's boot log says. The signing identity key is not among the facts that policies ask for."""

    facts: BootFacts
    baseline: str
    """Fingerprint of what is compared with baselines."""
    signing_key: sipa.IdentityKey | None


@dataclass(frozen=True)
class Trusted:
    """The administrator's enabled policies of one version: fingerprints of baselines, digests of policies and keys."""

    baselines: frozenset[str]
    code_integrity: frozenset[bytes]
    dump_keys: frozenset[bytes]


def read_host(log: tcg_log.EventLog) -> Host:
    """Read a host's log, which replays to the TPM's PCRs in the SHA-256 bank.

    Raises FormatError, also for a log that Windows did not finish or whose data are not what the digests are of.
    """
    if not sipa.is_closed(log):
        raise FormatError(sipa.WHAT, "a log that Windows closed with separators in PCR 12, 13 and 14")
    _check_events(log)
    for contradiction in tpm_baseline.contradictions(log, tcg_log.SHA256):
        raise FormatError(tcg_log.WHAT, f"a log that agrees with itself: {contradiction}")
    signing = [record.value for record in sipa.flatten(sipa.measurements(log)) if record.name == "VsmIdksInfo"]
    key = signing[0] if signing else None
    return Host(boot_facts(log), _fingerprint(log), key if isinstance(key, sipa.IdentityKey) else None)


def _check_events(log: tcg_log.EventLog) -> None:
    """Refuse an event under a type that nobody reads there: a digest does not cover the type, so one could hide so."""
    for event in log.events:
        expected = _EXPECTED_EVENTS.get(event.pcr)
        if expected is None:
            continue
        if event.type not in expected or (event.type == tcg_log.EV_SEPARATOR and event.data not in _SEPARATORS):
            raise FormatError(
                tcg_log.WHAT, f"another event than {event.type_name} in PCR {event.pcr}, or other data", event.offset
            )


def public_key(key: sipa.IdentityKey | None) -> rsa.RSAPublicKey | None:
    """Return a measured identity key as a key; None where there is none, or none that is an RSA key."""
    if key is None or key.algorithm != _RSA_KEY:
        return None
    try:
        return rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
    except ValueError:
        return None


def evaluate(state: AttestationState, version: PolicyVersion, host: Host) -> tuple[tuple[UUID, bool], ...]:
    """Return for each built-in policy that is enabled or locked whether the host meets it."""
    trusted = _trusted(state, version)
    states = {name: policy.state for name, policy in state.policies.items()}
    asked = [policy for policy in BUILT_IN if states.get(policy.name.lower()) in {"Enabled", "Locked"}]
    dump_encryption = any(policy.type == "DumpEncryption" for policy in asked)
    return tuple(
        (policy.guid, _TESTS[policy.type](host, trusted))
        for policy in asked
        # The key is asked for only where encryption is: WSD guarded-fabric-manage-hgs.
        if policy.type != DUMP_KEY or dump_encryption
    )


def _trusted(state: AttestationState, version: PolicyVersion) -> Trusted:
    chosen = [policy for policy in state.policies.values() if policy.version == version and policy.state == "Enabled"]
    return Trusted(
        frozenset(_fingerprint(tcg_log.parse(policy.content)) for policy in chosen if policy.type == BASELINE),
        # A signed copy never matches: its signature is not measured (WSD capturing-hardware).
        frozenset(hashlib.sha256(policy.content).digest() for policy in chosen if policy.type == CODE_INTEGRITY),
        frozenset(policy.content for policy in chosen if policy.type == DUMP_KEY),
    )


def _fingerprint(log: tcg_log.EventLog) -> str:
    return tpm_baseline.fingerprint(tpm_baseline.baseline(log))


def _no_debugger(host: Host, _trusted: Trusted) -> bool:
    """Ask of a hypervisor only that it does not say it is debugged: one that was not started says nothing."""
    facts = host.facts
    windows_is_not_debugged = facts.boot_debugging is False and facts.kernel_debugging is False
    return windows_is_not_debugged and not facts.firmware_debugging and not facts.hypervisor_debugging


def _known_code_integrity_policy(host: Host, trusted: Trusted) -> bool:
    return any(policy.digest in trusted.code_integrity for policy in host.facts.code_integrity_policies)


def _dump_encryption(host: Host, _trusted: Trusted) -> bool:
    return host.facts.dumps_disabled is True or host.facts.dump_encryption is True


def _dump_key(host: Host, trusted: Trusted) -> bool:
    return host.facts.dumps_disabled is True or any(
        digest in trusted.dump_keys for digest in host.facts.dump_encryption_keys
    )


_TESTS: Final[Mapping[str, Callable[[Host, Trusted], bool]]] = {
    "SecureBootEnabled": lambda host, _: host.facts.secure_boot is True,
    BASELINE: lambda host, trusted: host.baseline in trusted.baselines,
    "UefiDebugDisabled": _no_debugger,
    CODE_INTEGRITY: _known_code_integrity_policy,
    "HypervisorEnforcedCiPolicy": lambda host, _: host.facts.hypervisor_enforced_code_integrity is True,
    "FullBoot": lambda host, _: host.facts.full_boot is True,
    "VsmIdkPresent": lambda host, _: public_key(host.facts.identity_key) is not None,
    "IommuEnabled": lambda host, _: host.facts.iommu is True,
    "PagefileEncryptionEnabled": lambda host, _: host.facts.pagefile_encryption is True,
    "BitLockerEnabled": lambda host, _: host.facts.bitlocker is True,
    "NoHibernation": lambda host, _: host.facts.hibernation_disabled is True,
    "NoDumps": lambda host, _: host.facts.dumps_disabled is True,
    "DumpEncryption": _dump_encryption,
    DUMP_KEY: _dump_key,
}
"""By PolicyType."""
