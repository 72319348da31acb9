# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a server from being a guarded host, as it happens in data centres; most shows after the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import firmware_changes, registry_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .model import Firmware, Machine, Tpm

_FORCE_DUMPS_DISABLED: Final = r"hklm:\system\currentcontrolset\control\crashcontrol\forcedumpsdisabled"
_DEVICE_GUARD: Final = r"hklm:\system\currentcontrolset\control\deviceguard"
_WITH_DMA_PROTECTION: Final = 3


def _firmware(machine: Machine) -> Firmware:
    if machine.firmware is None:
        raise ValueError(f"{machine.name} has no firmware of its own")
    return machine.firmware


def _tpm(machine: Machine) -> Tpm:
    if machine.tpm is None:
        raise ValueError(f"{machine.name} has no TPM")
    return machine.tpm


def _standard_edition(machine: Machine) -> None:
    machine.edition = "Standard"


def _windows_2016(machine: Machine) -> None:
    machine.version, machine.build = "2016", "14393.6796"


def _no_tpm(machine: Machine) -> None:
    machine.tpm = None


def _tpm_of_version_1_2(machine: Machine) -> None:
    _tpm(machine).version = "1.2"


def _tpm_not_ready(machine: Machine) -> None:
    _tpm(machine).ready = False


def _no_endorsement_certificate(machine: Machine) -> None:
    _tpm(machine).ek_certificate = None


def _bios(machine: Machine) -> None:
    _firmware(machine).uefi = False
    _firmware(machine).secure_boot = False


def _no_secure_boot(machine: Machine) -> None:
    firmware_changes.turn_off_secure_boot(_firmware(machine))


def _no_iommu(machine: Machine) -> None:
    firmware_changes.turn_off_iommu(_firmware(machine))


def _no_iommu_but_required(machine: Machine) -> None:
    _no_iommu(machine)
    registry_values.write(machine, _DEVICE_GUARD, "RequirePlatformSecurityFeatures", _WITH_DMA_PROTECTION)


def _no_vbs(machine: Machine) -> None:
    machine.settings.virtualization_based_security = False
    machine.settings.hypervisor_enforced_code_integrity = False


def _no_memory_integrity(machine: Machine) -> None:
    machine.settings.hypervisor_enforced_code_integrity = False


def _debugger(machine: Machine) -> None:
    machine.settings.kernel_debugger = True


def _test_signing(machine: Machine) -> None:
    machine.settings.test_signing = True


def _dumps(machine: Machine) -> None:
    registry_values.write(machine, _FORCE_DUMPS_DISABLED, "GuardedHost", 0)
    machine.settings.dumps = True


def _hibernation(machine: Machine) -> None:
    machine.settings.hibernation = True


def _page_file_in_the_clear(machine: Machine) -> None:
    machine.settings.pagefile_encryption = False


def _restart_pending(machine: Machine) -> None:
    registry_values.create(machine, registry_values.RESTART_PENDING)


CONDITIONS: Final[Mapping[str, Callable[[Machine], None]]] = {
    "standard-edition": _standard_edition,
    "windows-2016": _windows_2016,
    "no-tpm": _no_tpm,
    "tpm-1.2": _tpm_of_version_1_2,
    "tpm-not-ready": _tpm_not_ready,
    "no-endorsement-certificate": _no_endorsement_certificate,
    "bios": _bios,
    "no-secure-boot": _no_secure_boot,
    "no-iommu": _no_iommu,
    "no-iommu-but-required": _no_iommu_but_required,
    "no-vbs": _no_vbs,
    "no-memory-integrity": _no_memory_integrity,
    "debugger": _debugger,
    "test-signing": _test_signing,
    "dumps": _dumps,
    "hibernation": _hibernation,
    "page-file-in-the-clear": _page_file_in_the_clear,
    "restart-pending": _restart_pending,
}
"""By the name that the lab's verb takes. Raises ValueError for a machine that has nothing to be changed."""

WITHOUT_RESTART: Final = frozenset({"restart-pending"})
"""Conditions that a restart would end."""
