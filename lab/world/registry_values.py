# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of a machine. Some of its values are settings that the next start of Windows obeys.

Which values those are: WSD guarded-host-prerequisites, windows-itpro-docs (virtualization-based protection of code
integrity), About-dump-encryption. Names of values are compared without regard to case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .model import Machine

_CONTROL: Final = r"hklm:\system\currentcontrolset\control"
RESTART_PENDING: Final = r"hklm:\software\microsoft\windows\currentversion\component based servicing\rebootpending"
"""Is there while components wait for a restart."""
_WITH_DMA_PROTECTION: Final = frozenset({2, 3})


@dataclass(frozen=True)
class _Setting:
    key: str
    value: str
    attribute: str


_SETTINGS: Final = (
    _Setting(_CONTROL + r"\deviceguard", "EnableVirtualizationBasedSecurity", "virtualization_based_security"),
    _Setting(
        _CONTROL + r"\deviceguard\scenarios\hypervisorenforcedcodeintegrity",
        "Enabled",
        "hypervisor_enforced_code_integrity",
    ),
    _Setting(_CONTROL + r"\power", "HibernateEnabled", "hibernation"),
    _Setting(_CONTROL + r"\crashcontrol", "CrashDumpEnabled", "dumps"),
    _Setting(_CONTROL + r"\crashcontrol", "DumpEncryptionEnabled", "dump_encryption"),
    _Setting(_CONTROL + r"\filesystem", "NtfsEncryptPagingFile", "pagefile_encryption"),
)


def values(machine: Machine, key: str) -> dict[str, object] | None:
    """Return the values of a key, written as in `Machine.registry`; None where there is no such key."""
    settings: dict[str, object] = {
        item.value: int(getattr(machine.settings, item.attribute)) for item in _SETTINGS if item.key == key
    }
    if key == _CONTROL:
        settings["SystemStartOptions"] = _start_options(machine)
    if key == RESTART_PENDING and machine.pending_features:
        return {}
    stored = machine.registry.get(key)
    if stored is not None or settings:
        return {**settings, **(stored or {})}
    below = key + "\\"
    is_parent = any(known.startswith(below) for known in (*machine.registry, *(item.key for item in _SETTINGS)))
    return {} if is_parent else None


def _start_options(machine: Machine) -> str:
    """Return what the loader told the kernel of the running Windows."""
    settings = machine.boot.settings if machine.boot is not None else machine.settings
    words = ["NOEXECUTE=OPTOUT"]
    words += ["DEBUG"] if settings.kernel_debugger else []
    words += ["TESTSIGNING"] if settings.test_signing else []
    return " " + "  ".join(words)


def requires_dma_protection(machine: Machine) -> bool:
    """Whether virtualization-based security is told to run with DMA protection only (2, or 3 with Secure Boot)."""
    value = machine.registry.get(_CONTROL + r"\deviceguard", {}).get("RequirePlatformSecurityFeatures")
    return value in _WITH_DMA_PROTECTION


def write(machine: Machine, key: str, name: str, value: object) -> None:
    """Set a value; its key is made where it is not there."""
    for item in _SETTINGS:
        if item.key == key and item.value.lower() == name.lower():
            setattr(machine.settings, item.attribute, bool(value))
            return
    stored = machine.registry.setdefault(key, {})
    known = next((existing for existing in stored if existing.lower() == name.lower()), name)
    stored[known] = value


def create(machine: Machine, key: str) -> None:
    """Make a key."""
    machine.registry.setdefault(key, {})


def remove(machine: Machine, key: str) -> None:
    """Remove a key with all below it."""
    for known in [known for known in machine.registry if known == key or known.startswith(key + "\\")]:
        del machine.registry[known]
