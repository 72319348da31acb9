# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that every Windows of the lab comes with: the example code integrity policies.

Names and place: WSD guarded-fabric-tpm-trusted-attestation-capturing-hardware. Lab only: what is in them, which is as
much as the lab's programs need: who is trusted, and in which mode.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_xml
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    AUDIT_MODE,
    KERNEL_MODE,
    USER_MODE,
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Signer,
    SignerGroup,
    SignerReference,
    with_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = r"c:\windows\schemas\codeintegrity\examplepolicies"
_VERSION: Final = 10 << 48
_MICROSOFT_ROOT: Final = 6
_EVERYTHING: Final = "*"
_OPTIONS: Final = (0, 6, 9, 16)


def _policy(*, audits: bool, allows_all: bool) -> Policy:
    rules = (FileRule(RuleKind.ALLOW, file_name=_EVERYTHING, id="ID_ALLOW_A_1"),) if allows_all else ()
    signers = () if allows_all else (Signer(_MICROSOFT_ROOT, id="ID_SIGNER_S_1", name="Microsoft Product Root 2010"),)
    indexes = tuple(range(len(signers)))
    group = SignerGroup(tuple(SignerReference(index) for index in indexes), file_rules=tuple(range(len(rules))))
    scenarios = tuple(
        Scenario(value, product=group, id=name)
        for value, name in ((KERNEL_MODE, "ID_SIGNINGSCENARIO_DRIVERS_1"), (USER_MODE, "ID_SIGNINGSCENARIO_WINDOWS"))
    )
    policy = Policy(version=_VERSION, file_rules=rules, signers=signers, ci_signers=indexes, scenarios=scenarios)
    for option in (*_OPTIONS, *((AUDIT_MODE,) if audits else ())):
        policy = with_option(policy, option)
    return policy


@cache
def content() -> Mapping[str, bytes]:
    """Return the files, by path as in `Machine.files`."""
    made = {
        "allowmicrosoft": _policy(audits=True, allows_all=False),
        "defaultwindows_audit": _policy(audits=True, allows_all=False),
        "defaultwindows_enforced": _policy(audits=False, allows_all=False),
        "allowall": _policy(audits=True, allows_all=True),
    }
    return {rf"{_FOLDER}\{name}.xml": si_policy_xml.write(policy) for name, policy in made.items()}
