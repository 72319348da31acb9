# SPDX-License-Identifier: GPL-3.0-or-later
"""What the code integrity policy of the last start does, for the kernel and for programs: nothing, record, enforce."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import AUDIT_MODE, has_option

if TYPE_CHECKING:
    from .model import Machine

_USER_MODE = "Enabled:UMCI"
_SCRIPTS_ARE_FREE = "Disabled:Script Enforcement"


class Enforcement(IntEnum):
    """Values of Win32_DeviceGuard's CodeIntegrityPolicyEnforcementStatus."""

    OFF = 0
    AUDIT = 1
    ENFORCED = 2


@dataclass(frozen=True)
class State:
    """Enforcement in kernel mode and in user mode."""

    kernel: Enforcement
    user: Enforcement


def of(machine: Machine) -> State:
    """Return the state since the machine's last start."""
    policy = machine.boot.code_integrity_policy if machine.boot is not None else None
    if policy is None:
        return State(Enforcement.OFF, Enforcement.OFF)
    parsed = si_policy_binary.read(policy)
    kernel = Enforcement.AUDIT if has_option(parsed, AUDIT_MODE) else Enforcement.ENFORCED
    return State(kernel, kernel if has_option(parsed, _USER_MODE) else Enforcement.OFF)


def scripts_are_constrained(machine: Machine) -> bool:
    """Whether unsigned scripts run in Constrained Language Mode (about_Language_Modes)."""
    policy = machine.boot.code_integrity_policy if machine.boot is not None else None
    if policy is None or of(machine).user is not Enforcement.ENFORCED:
        return False
    return not has_option(si_policy_binary.read(policy), _SCRIPTS_ARE_FREE)
