# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policies a host's boot log meets.

A host passes when every locked and every enabled Hgs_* policy passes and it matches at least one TPM identity, one
baseline and one code integrity policy (WSD guarded-fabric-manage-hgs), all of one policy version (WSD guarded-fabric-
tpm-trusted-attestation-capturing-hardware). Which measurement answers which policy is inferred from the names Windows
gives them (wbcl.h); how Windows' service compares a baseline is not public, see tpm_baseline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import sipa, tcg_log, tpm_baseline, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography.hazmat.primitives.asymmetric import rsa

from .attestation_policies import BASELINE, BUILT_IN, CODE_INTEGRITY, DUMP_KEY

if TYPE_CHECKING:
    from uuid import UUID

    from .attestation import PolicyVersion
    from .model import AttestationState

_TRANSFER_TO_RESUME: Final = 2
"""TransferControl: the boot manager resumed Windows from hibernation instead of starting it (PCPTool)."""
_UNLOCKED_BY_TPM: Final = 0x4
"""BitlockerUnlock: the TPM released the volume's key (wbcl.h)."""
_RSA_KEY: Final = 1
_SECURE_BOOT_PCR: Final = 7
_SECURE_BOOT_ON: Final = b"\x01"
_DEBUG_ACTION: Final = b"UEFI Debug Mode"


@dataclass(frozen=True)
class Boot:
    """What a boot log says: the log itself, and the values of Windows' measurements by name, in order."""

    log: tcg_log.EventLog
    measured: Mapping[str, tuple[sipa.Value, ...]]

    def last(self, name: str) -> sipa.Value | None:
        """Return the last value that Windows measured under a name; None where it measured none."""
        values = self.measured.get(name)
        return values[-1] if values else None

    def any(self, *names: str) -> bool:
        """Whether one of the flags was ever measured as set."""
        return any(value is True for name in names for value in self.measured.get(name, ()))

    def key(self, name: str) -> rsa.RSAPublicKey | None:
        """Return a key that virtualization-based security made for itself; None where there is none."""
        found = self.last(name)
        if not isinstance(found, sipa.IdentityKey) or found.algorithm != _RSA_KEY:
            return None
        try:
            return rsa.RSAPublicNumbers(found.exponent, found.modulus).public_key()
        except ValueError:
            return None


@dataclass(frozen=True)
class Trusted:
    """The administrator's enabled policies of one version: measured facts of baselines, digests, known dump keys."""

    baselines: tuple[tcg_log.EventLog, ...]
    code_integrity: frozenset[bytes]
    dump_keys: frozenset[bytes]


def read_boot(log: tcg_log.EventLog) -> Boot:
    """Read Windows' measurements out of a log. Raises FormatError, also for a log that Windows did not finish."""
    if not sipa.is_closed(log):
        raise FormatError(sipa.WHAT, "a log that Windows closed with separators in PCR 12, 13 and 14")
    values: dict[str, list[sipa.Value]] = {}
    for record in sipa.flatten(sipa.measurements(log)):
        values.setdefault(record.name, []).append(record.value)
    return Boot(log, {name: tuple(found) for name, found in values.items()})


def evaluate(state: AttestationState, version: PolicyVersion, boot: Boot) -> tuple[tuple[UUID, bool], ...]:
    """Return for each built-in policy that is enabled or locked whether the host meets it."""
    trusted = _trusted(state, version)
    states = {name: policy.state for name, policy in state.policies.items()}
    on = [policy for policy in BUILT_IN if states.get(policy.name.lower()) in {"Enabled", "Locked"}]
    dump_encryption = any(policy.type == "DumpEncryption" for policy in on)
    return tuple(
        (policy.guid, _TESTS[policy.type](boot, trusted))
        for policy in on
        # The key is asked for only where encryption is: WSD manage-hgs.
        if policy.type != DUMP_KEY or dump_encryption
    )


def _trusted(state: AttestationState, version: PolicyVersion) -> Trusted:
    chosen = [policy for policy in state.policies.values() if policy.version == version and policy.state == "Enabled"]
    return Trusted(
        tuple(tcg_log.parse(policy.content) for policy in chosen if policy.type == BASELINE),
        frozenset(hashlib.sha256(policy.content).digest() for policy in chosen if policy.type == CODE_INTEGRITY),
        frozenset(policy.content for policy in chosen if policy.type == DUMP_KEY),
    )


def _secure_boot(boot: Boot, _trusted: Trusted) -> bool:
    return any(
        variable.name == "SecureBoot" and variable.content == _SECURE_BOOT_ON
        for event in boot.log.events
        if (event.pcr, event.type) == (_SECURE_BOOT_PCR, tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG)
        for variable in [uefi.parse_variable(event.data)]
    )


def _baseline(boot: Boot, trusted: Trusted) -> bool:
    return any(not tpm_baseline.differences(known, boot.log) for known in trusted.baselines)


def _no_debugger(boot: Boot, _trusted: Trusted) -> bool:
    firmware = any(
        event.pcr == _SECURE_BOOT_PCR and event.type == tcg_log.EV_EFI_ACTION and event.data == _DEBUG_ACTION
        for event in boot.log.events
    )
    return not firmware and not boot.any("BootDebugging", "OsKernelDebug", "HypervisorDebug")


def _code_integrity(boot: Boot, trusted: Trusted) -> bool:
    """Whether a policy in force is known; a signed copy given to HGS never is, as the signature is not measured."""
    active = boot.measured.get("SiPolicy", ())
    return any(
        isinstance(policy, sipa.CodeIntegrityPolicy) and policy.digest in trusted.code_integrity for policy in active
    )


def _hypervisor_code_integrity(boot: Boot, _trusted: Trusted) -> bool:
    return bool(boot.last("VbsHvciPolicy"))


def _full_boot(boot: Boot, _trusted: Trusted) -> bool:
    transfers = boot.measured.get("TransferControl", ())
    return bool(transfers) and _TRANSFER_TO_RESUME not in transfers


def _identity_key(boot: Boot, _trusted: Trusted) -> bool:
    return boot.key("VsmIdkInfo") is not None


def _iommu(boot: Boot, _trusted: Trusted) -> bool:
    return boot.last("VbsIommuRequired") is True


def _pagefile_encryption(boot: Boot, _trusted: Trusted) -> bool:
    return boot.last("PagefileEncryptionEnabled") is True


def _bitlocker(boot: Boot, _trusted: Trusted) -> bool:
    unlocked = boot.measured.get("BitlockerUnlock", ())
    return any(isinstance(flags, int) and flags & _UNLOCKED_BY_TPM for flags in unlocked)


def _no_hibernation(boot: Boot, _trusted: Trusted) -> bool:
    return boot.last("HibernationDisabled") is True


def _no_dumps(boot: Boot, _trusted: Trusted) -> bool:
    return boot.last("DumpsDisabled") is True


def _dump_encryption(boot: Boot, trusted: Trusted) -> bool:
    return _no_dumps(boot, trusted) or boot.last("DumpEncryptionEnabled") is True


def _dump_key(boot: Boot, trusted: Trusted) -> bool:
    return _no_dumps(boot, trusted) or boot.last("DumpEncryptionKeyDigest") in trusted.dump_keys


_TESTS: Final[Mapping[str, Callable[[Boot, Trusted], bool]]] = {
    "SecureBootEnabled": _secure_boot,
    BASELINE: _baseline,
    "UefiDebugDisabled": _no_debugger,
    CODE_INTEGRITY: _code_integrity,
    "HypervisorEnforcedCiPolicy": _hypervisor_code_integrity,
    "FullBoot": _full_boot,
    "VsmIdkPresent": _identity_key,
    "IommuEnabled": _iommu,
    "PagefileEncryptionEnabled": _pagefile_encryption,
    "BitLockerEnabled": _bitlocker,
    "NoHibernation": _no_hibernation,
    "NoDumps": _no_dumps,
    "DumpEncryption": _dump_encryption,
    DUMP_KEY: _dump_key,
}
