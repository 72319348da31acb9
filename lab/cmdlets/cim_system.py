# SPDX-License-Identifier: GPL-3.0-or-later
"""CIM classes about the computer and its Windows.

Meaning of numbers: win32 documentation of each class; Win32_DeviceGuard: windows-itpro-docs,
enable-virtualization-based-protection-of-code-integrity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import code_integrity_state, registry_values
from ansible_collections.guarded.fabric.lab.world.machine_clock import time_of

from .cim import cim_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Session

_STANDALONE_SERVER, _MEMBER_SERVER, _BACKUP_CONTROLLER, _PRIMARY_CONTROLLER = 2, 3, 4, 5
_DOMAIN_CONTROLLER, _SERVER = 2, 3
_SKU: Final = {"Standard": 13, "Datacenter": 12}
"""OperatingSystemSKU of Server Core installations."""

_HYPERVISOR, _SECURE_BOOT, _DMA_PROTECTION = 1, 2, 3
_MEMORY_INTEGRITY: Final = 2
_NOT_ENABLED, _ENABLED, _RUNNING = 0, 1, 2


@cim_class("root/cimv2", "Win32_ComputerSystem")
def computer_system(session: Session) -> Sequence[Mapping[str, object]]:
    """Return name and domain of the computer."""
    machine = session.machine
    return [
        {
            "Name": machine.name.upper(),
            "DNSHostName": machine.name,
            "Domain": machine.domain or "WORKGROUP",
            "Workgroup": None if machine.domain else "WORKGROUP",
            "PartOfDomain": machine.domain is not None,
            "DomainRole": _domain_role(session),
            "Manufacturer": machine.firmware.vendor if machine.firmware else "Microsoft Corporation",
            "Model": machine.hardware_class or "Virtual Machine",
            "HypervisorPresent": "Hyper-V" in machine.features or machine.host is not None,
        }
    ]


def _domain_role(session: Session) -> int:
    machine = session.machine
    if not machine.domain_controller:
        return _MEMBER_SERVER if machine.domain else _STANDALONE_SERVER
    domain = session.world.domains[machine.domain or ""]
    return _PRIMARY_CONTROLLER if domain.controllers[0] == machine.name else _BACKUP_CONTROLLER


@cim_class("root/cimv2", "Win32_OperatingSystem")
def operating_system(session: Session) -> Sequence[Mapping[str, object]]:
    """Return the version of Windows, and when it started."""
    machine = session.machine
    build = machine.build.partition(".")[0]
    return [
        {
            "Caption": f"Microsoft Windows Server {machine.version} {machine.edition}",
            "Version": f"10.0.{build}",
            "BuildNumber": build,
            "OperatingSystemSKU": _SKU[machine.edition],
            "ProductType": _DOMAIN_CONTROLLER if machine.domain_controller else _SERVER,
            "CSName": machine.name.upper(),
            "LastBootUpTime": machine.boot.started if machine.boot else None,
            "LocalDateTime": time_of(machine, session.clock),
        }
    ]


@cim_class("root/cimv2", "Win32_BIOS")
def bios(session: Session) -> Sequence[Mapping[str, object]]:
    """Return the firmware of the computer."""
    firmware = session.machine.firmware
    return [
        {
            "Manufacturer": firmware.vendor if firmware else "Microsoft Corporation",
            "SMBIOSBIOSVersion": firmware.version if firmware else "Hyper-V UEFI Release v4.1",
        }
    ]


@cim_class("root/microsoft/windows/deviceguard", "Win32_DeviceGuard")
def device_guard(session: Session) -> Sequence[Mapping[str, object]]:
    """Return the state of virtualization-based security and code integrity since the last start."""
    machine = session.machine
    boot = machine.boot
    running = boot is not None and boot.identity_key is not None
    asked = machine.settings.virtualization_based_security
    memory_integrity = [_MEMORY_INTEGRITY] if machine.settings.hypervisor_enforced_code_integrity else [0]
    enforced = running and boot is not None and boot.settings.hypervisor_enforced_code_integrity
    state = code_integrity_state.of(machine)
    return [
        {
            "Version": "1.0",
            "VirtualizationBasedSecurityStatus": _RUNNING if running else _ENABLED if asked else _NOT_ENABLED,
            "AvailableSecurityProperties": _available(machine),
            "RequiredSecurityProperties": _required(machine) if asked else [0],
            "SecurityServicesConfigured": memory_integrity,
            "SecurityServicesRunning": [_MEMORY_INTEGRITY] if enforced else [0],
            "CodeIntegrityPolicyEnforcementStatus": state.kernel,
            "UsermodeCodeIntegrityPolicyEnforcementStatus": state.user,
        }
    ]


def _required(machine: Machine) -> list[int]:
    demanded = [_HYPERVISOR, _SECURE_BOOT]
    return [*demanded, _DMA_PROTECTION] if registry_values.requires_dma_protection(machine) else demanded


def _available(machine: Machine) -> list[int]:
    firmware = machine.firmware
    if firmware is None:
        return [0]
    found = [_HYPERVISOR]
    if firmware.secure_boot:
        found.append(_SECURE_BOOT)
    if firmware.iommu:
        found.append(_DMA_PROTECTION)
    return found


@cim_class("root/cimv2/security/microsofttpm", "Win32_Tpm")
def tpm(session: Session) -> Sequence[Mapping[str, object]]:
    """Return the TPM, if there is one."""
    found = session.machine.tpm
    if found is None:
        return []
    return [
        {
            "IsActivated_InitialValue": True,
            "IsEnabled_InitialValue": True,
            "IsOwned_InitialValue": found.ready,
            "ManufacturerIdTxt": found.vendor,
            "SpecVersion": f"{found.version}, 0, 1.38",
        }
    ]
