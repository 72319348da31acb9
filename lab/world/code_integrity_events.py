# SPDX-License-Identifier: GPL-3.0-or-later
"""What code integrity records when Windows starts: programs for which the policy in force has no rule.

Ids of events: Microsoft's "Understanding App Control event IDs" (3076 would have been blocked, 3077 was blocked). Lab
only: every program of a machine runs once at each start, and one that is blocked harms nobody else.
"""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import KERNEL_MODE, USER_MODE, RuleKind

from . import code_integrity_state
from .code_integrity import Program
from .code_integrity_state import Enforcement
from .model import CodeIntegrityEvent

if TYPE_CHECKING:
    from datetime import datetime

    from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
        FileRule,
        Policy,
        SignerGroup,
        SignerReference,
    )

    from .model import Machine

WOULD_BLOCK, BLOCKED = 3076, 3077
_IDS: Final = {Enforcement.AUDIT: WOULD_BLOCK, Enforcement.ENFORCED: BLOCKED}
_STARTED_BY: Final = r"C:\Windows\System32\services.exe"
_LOADED_BY: Final = "System"
_KEPT: Final = 1000
"""Events; the log of Windows overwrites the oldest too."""


def record(machine: Machine, now: datetime) -> None:
    """Add the events of a start of Windows to the machine's log."""
    policy = machine.boot.code_integrity_policy if machine.boot is not None else None
    if policy is None:
        return
    parsed, state = si_policy_binary.read(policy), code_integrity_state.of(machine)
    for path, content in sorted(machine.installed_software.items()):
        program = Program(path, content)
        event = _IDS.get(state.kernel if program.is_driver else state.user)
        if event is not None and not allows(parsed, program):
            process = _LOADED_BY if program.is_driver else _STARTED_BY
            machine.code_integrity_events.append(CodeIntegrityEvent(event, now, path, process, *_hashes(content)))
    del machine.code_integrity_events[:-_KEPT]


def allows(policy: Policy, program: Program) -> bool:
    """Whether a policy lets a program run."""
    wanted = KERNEL_MODE if program.is_driver else USER_MODE
    group = next((scenario.product for scenario in policy.scenarios if scenario.value == wanted), None)
    if group is None:
        return False
    if any(_is_signed_by(policy, reference, program) for reference in group.denied):
        return False
    rules = [policy.file_rules[index] for index in group.file_rules]
    if any(rule.kind is RuleKind.DENY and _is_meant(rule, program) for rule in rules):
        return False
    return _is_allowed(policy, group, rules, program)


def _is_allowed(policy: Policy, group: SignerGroup, rules: list[FileRule], program: Program) -> bool:
    return any(rule.kind is RuleKind.ALLOW and _is_meant(rule, program) for rule in rules) or any(
        _is_signed_by(policy, reference, program) for reference in group.allowed
    )


def _hashes(content: bytes) -> tuple[bytes, bytes]:
    """Return SHA-1 and SHA-256."""
    return hashlib.sha1(content, usedforsecurity=False).digest(), hashlib.sha256(content).digest()


def _is_meant(rule: FileRule, program: Program) -> bool:
    if rule.hash:
        return rule.hash in _hashes(program.content)
    if rule.file_path:
        return fnmatchcase(program.path.lower(), rule.file_path.lower())
    return bool(rule.file_name) and fnmatchcase(program.name.lower(), rule.file_name.lower())


def _is_signed_by(policy: Policy, reference: SignerReference, program: Program) -> bool:
    """Whether a signer vouches for a program: the lab has one, Microsoft, limited to files where it names some."""
    named = [policy.file_rules[index].file_name.lower() for index in policy.signers[reference.signer].file_attribs]
    return program.is_signed and (not named or program.name.lower() in named)
