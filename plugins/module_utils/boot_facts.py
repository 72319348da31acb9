# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a boot log says about the questions that HGS's built-in policies (`Hgs_*`) ask.

Which event answers which policy is inferred from their names: Microsoft documents the policies (WSD
guarded-fabric-manage-hgs, "Default policies") and names the events (wbcl.h), but not how HGS joins them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from ansible_collections.guarded.fabric.plugins.module_utils import sipa, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import (
    EV_EFI_ACTION,
    EV_EFI_VARIABLE_DRIVER_CONFIG,
    EventLog,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

SECURE_BOOT_PCR: Final = 7
UEFI_DEBUG_MODE: Final = "UEFI Debug Mode"
"""EV_EFI_ACTION at PCR 7 while a firmware debugger is on (PFP, PCR 7; edk2 Tcg2Dxe)."""
DMA_PROTECTION_DISABLED: Final = "DMA Protection Disabled"
"""EV_EFI_ACTION at PCR 7 while the firmware does not use the IOMMU (edk2 IntelVTdDxe)."""
RESUME: Final = 2
"""TransferControl: the boot manager handed over to the resume loader, not to the OS loader (PCPTool)."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class BootFacts:
    """Answers; True, False, or None where the log does not say.

    `dump_encryption_keys` are SHA-256 digests of the keys dumps are encrypted to. `identity_key` is what
    virtualization-based security made for health certificates; None where it does not run.
    """

    full_boot: bool | None
    secure_boot: bool | None
    firmware_debugging: bool
    boot_debugging: bool | None
    kernel_debugging: bool | None
    hypervisor_debugging: bool | None
    test_signing: bool | None
    code_integrity: bool | None
    hypervisor_launched: bool | None
    virtual_secure_mode_launched: bool | None
    identity_key_present: bool | None
    hypervisor_enforced_code_integrity: bool | None
    iommu: bool | None
    pagefile_encryption: bool | None
    bitlocker: bool | None
    hibernation_disabled: bool | None
    dumps_disabled: bool | None
    dump_encryption: bool | None
    dump_encryption_keys: tuple[bytes, ...]
    code_integrity_policies: tuple[sipa.CodeIntegrityPolicy, ...]
    identity_key: sipa.IdentityKey | None


def boot_facts(log: EventLog) -> BootFacts:
    """Read the answers out of a log. Raises FormatError where an event that holds one is damaged."""
    windows = _Windows(sipa.flatten(sipa.measurements(log)))
    actions = firmware_actions(log)
    transfers = windows.numbers("TransferControl")
    full_boot = RESUME not in transfers if transfers else None
    key = next(iter(windows.of("VsmIdkInfo", sipa.IdentityKey)), None)
    return BootFacts(
        full_boot=full_boot,
        secure_boot=_secure_boot(log),
        firmware_debugging=UEFI_DEBUG_MODE in actions,
        boot_debugging=windows.any_of("BootDebugging"),
        kernel_debugging=windows.any_of("OsKernelDebug"),
        hypervisor_debugging=windows.any_of("HypervisorDebug"),
        test_signing=windows.any_of("TestSigning"),
        code_integrity=windows.all_of("CodeIntegrity"),
        hypervisor_launched=windows.all_of("HypervisorLaunchType"),
        virtual_secure_mode_launched=windows.all_of("VsmLaunchType"),
        identity_key_present=True if key else (False if full_boot else None),
        hypervisor_enforced_code_integrity=windows.all_of("VbsHvciPolicy"),
        iommu=_iommu(windows, actions),
        pagefile_encryption=windows.all_of("PagefileEncryptionEnabled"),
        bitlocker=windows.any_of("BitlockerUnlock"),
        hibernation_disabled=windows.all_of("HibernationDisabled"),
        dumps_disabled=windows.all_of("DumpsDisabled"),
        dump_encryption=windows.all_of("DumpEncryptionEnabled"),
        dump_encryption_keys=_distinct(windows.of("DumpEncryptionKeyDigest", bytes)),
        code_integrity_policies=_distinct(windows.of("SiPolicy", sipa.CodeIntegrityPolicy)),
        identity_key=key,
    )


def firmware_actions(log: EventLog) -> tuple[str, ...]:
    """Return the texts that the firmware measured into PCR 7, in order."""
    return tuple(
        event.data.rstrip(b"\0").decode("ascii", "replace")
        for event in log.events
        if event.pcr == SECURE_BOOT_PCR and event.type == EV_EFI_ACTION
    )


def _secure_boot(log: EventLog) -> bool | None:
    for event in log.events:
        if event.pcr == SECURE_BOOT_PCR and event.type == EV_EFI_VARIABLE_DRIVER_CONFIG:
            variable = uefi.parse_variable(event.data)
            if (variable.vendor, variable.name) == (uefi.GLOBAL_VARIABLE, "SecureBoot"):
                return variable.content == b"\1"
    return None


def _iommu(windows: _Windows, actions: tuple[str, ...]) -> bool | None:
    """Say if memory is protected from devices.

    Windows' own words for it only ever confirm: a hypervisor's policy of 0 is the default, which leaves it open.
    """
    if DMA_PROTECTION_DISABLED in actions:
        return False
    confirmations = ("VbsIommuRequired", "HypervisorIommuPolicy", "HypervisorBootDmaProtection")
    return True if any(windows.any_of(name) for name in confirmations) else None


class _Windows:
    """Windows' measurements, by name."""

    def __init__(self, records: Iterable[sipa.Record]) -> None:
        self._values: dict[str, list[sipa.Value]] = {}
        for record in records:
            self._values.setdefault(record.name, []).append(record.value)

    def of(self, name: str, kind: type[_T]) -> list[_T]:
        return [value for value in self._values.get(name, ()) if isinstance(value, kind)]

    def numbers(self, name: str) -> list[int]:
        """Return the numbers or truth values of an event."""
        return self.of(name, int)

    def any_of(self, name: str) -> bool | None:
        values = self.numbers(name)
        return any(values) if values else None

    def all_of(self, name: str) -> bool | None:
        values = self.numbers(name)
        return all(values) if values else None


def _distinct(values: list[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))
