# SPDX-License-Identifier: GPL-3.0-or-later
"""What administrators and vendors do to hosts that attest; an attestation service sees it after the next start.

Which of it makes a host fail to match its baseline: WSD guarded-fabric-troubleshoot-hosts. That a Windows update can be
one that does: Microsoft's notice of February 2020 on KB4524244, a change of the Secure Boot configuration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, signed_policy

from . import firmware_changes
from .measured_boot import CODE_INTEGRITY_POLICY_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .model import Firmware, Machine


def _firmware(machine: Machine) -> Firmware:
    if machine.firmware is None:
        raise ValueError(f"{machine.name} has no firmware of its own")
    return machine.firmware


def _next(version: str) -> str:
    *rest, last = version.split(".")
    return ".".join((*rest, str(int(last) + 1)))


def _of_firmware(machine: Machine) -> None:
    firmware_changes.update(_firmware(machine), _next(_firmware(machine).version))


def _of_dbx(machine: Machine) -> None:
    firmware_changes.revoke(_firmware(machine), "boot loaders revoked by Windows Update")


def _of_windows(machine: Machine) -> None:
    machine.build = _next(machine.build)


def _of_windows_that_breaks(machine: Machine) -> None:
    """Install one that brings revocations, and a driver for which Windows switches memory integrity off."""
    _of_windows(machine)
    _of_dbx(machine)
    machine.settings.hypervisor_enforced_code_integrity = False


def _of_policy(machine: Machine) -> None:
    """Somebody who made a newer version of the code integrity policy copies it to the host."""
    content = machine.files.get(CODE_INTEGRITY_POLICY_PATH)
    if content is None:
        raise ValueError(f"{machine.name} has no code integrity policy")
    policy = si_policy_binary.read(signed_policy.unwrap(content).content)
    machine.files[CODE_INTEGRITY_POLICY_PATH] = si_policy_binary.write(replace(policy, version=policy.version + 1))


UPDATES: Final[Mapping[str, Callable[[Machine], None]]] = {
    "firmware": _of_firmware,
    "dbx": _of_dbx,
    "secure-boot-off": lambda machine: firmware_changes.turn_off_secure_boot(_firmware(machine)),
    "option-rom": lambda machine: firmware_changes.add_option_rom(_firmware(machine)),
    "windows": _of_windows,
    "windows-that-breaks": _of_windows_that_breaks,
    "policy": _of_policy,
}
"""By the name that the lab's verb takes. Raises ValueError for a machine that has nothing to be changed.

An option ROM changes the baseline of a machine that had none: an authority is measured when it vouches first (TCG PFP).
"""
