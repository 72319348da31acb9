# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module ConfigCI: code integrity policies as XML files, and their binary form.

Rules from Get-SystemDriver and New-CIPolicyRule, which the lab does not have, cannot be given to New-CIPolicy here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.lab.world import code_integrity, file_times
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, si_policy_xml
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    RULE_OPTIONS,
    Policy,
    Setting,
    find_option,
    with_option,
    without_option,
)

from . import file_parameters
from .registry import CmdletError, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "ConfigCI"
_VERSION: Final = re.compile(r"(\d{1,5})\.(\d{1,5})\.(\d{1,5})\.(\d{1,5})")
_LARGEST_PART: Final = 0xFFFF
_HVCI: Final = {"Enabled": 1, "Strict": 2, "DebugMode": 4, "DisableAllowed": 8}
"""Bits of HvciOptions; 1 and 2 as published policies have them, the others inferred."""
_UNSUPPORTED: Final = ("Audit", "DriverFiles", "Rules", "PathToCatroot", "AppIdTaggingPolicy", "SpecificFileNameLevel")
"""Parameters of New-CIPolicy that change what a policy says and that the lab does not play."""


@cmdlet(MODULE, "New-CIPolicy")
def new_ci_policy(session: Session, p: Bound) -> object:
    """Scan this computer's programs and write a policy for them as XML."""
    for name in _UNSUPPORTED:
        if name in p:
            raise CmdletError(f"The lab does not play -{name}.", "NotSupported,New-CIPolicy", "NotImplemented")
    user_mode = p.flag("UserPEs")
    programs = code_integrity.scan(
        session.machine, p.text("ScanPath", "C:\\"), p.texts("OmitPaths"), user_mode=user_mode
    )
    levels = [p.text("Level"), *p.texts("Fallback")]
    policy = code_integrity.policy_for(programs, levels, user_mode=user_mode, deny=p.flag("Deny"))
    if p.flag("MultiplePolicyFormat"):
        policy = code_integrity.with_new_identity(policy)
    _save(session, p, policy)
    return None


@cmdlet(MODULE, "ConvertFrom-CIPolicy")
def convert_from_ci_policy(session: Session, p: Bound) -> object:
    """Compile a policy from XML to its binary form."""
    policy = _load(session, p.text("XmlFilePath"))
    try:
        binary = si_policy_binary.write(si_policy_binary.in_compiled_order(policy))
    except FormatError as error:
        raise _invalid(error) from error
    file_parameters.save(session.machine, p.text("BinaryFilePath"), binary)
    file_times.stamp(session.machine, p.text("BinaryFilePath"), session.clock.now())
    return p.text("BinaryFilePath")


@cmdlet(MODULE, "Set-RuleOption")
def set_rule_option(session: Session, p: Bound) -> object:
    """Set or delete a rule option by its number; -Help lists them."""
    if p.flag("Help"):
        return [f"{option.number} {option.name}" for option in RULE_OPTIONS if option.number is not None]
    number = p.get("Option")
    try:
        option = find_option(int(str(number)))
    except KeyError:
        raise CmdletError(
            f"{number} is not the number of a rule option.", "InvalidOption,Set-RuleOption", "InvalidArgument"
        ) from None
    change = without_option if p.flag("Delete") else with_option
    _save(session, p, change(_load(session, p.text("FilePath")), option.name))
    return None


@cmdlet(MODULE, "Set-HVCIOptions")
def set_hvci_options(session: Session, p: Bound) -> object:
    """Say whether the hypervisor enforces the policy."""
    policy = _load(session, p.text("FilePath"))
    options = 0 if p.flag("None") else sum(bit for name, bit in _HVCI.items() if p.flag(name))
    _save(session, p, replace(policy, hvci_options=options))
    return None


@cmdlet(MODULE, "Set-CIPolicyVersion")
def set_ci_policy_version(session: Session, p: Bound) -> object:
    """Give a policy a version of four parts."""
    match = _VERSION.fullmatch(p.text("Version"))
    parts = [int(part) for part in match.groups()] if match else [_LARGEST_PART + 1]
    if max(parts) > _LARGEST_PART:
        raise CmdletError(
            f"'{p.text('Version')}' is not a version.", "InvalidVersion,Set-CIPolicyVersion", "InvalidArgument"
        )
    version = sum(part << shift for part, shift in zip(parts, (48, 32, 16, 0), strict=True))
    _save(session, p, replace(_load(session, p.text("FilePath")), version=version))
    return None


@cmdlet(MODULE, "Set-CIPolicyIdInfo")
def set_ci_policy_id_info(session: Session, p: Bound) -> object:
    """Give a policy a name, an id as text, or a new identity."""
    policy = _load(session, p.text("FilePath"))
    for parameter, value_name in (("PolicyName", "Name"), ("PolicyId", "Id")):
        if parameter in p:
            policy = _with_information(policy, value_name, p.text(parameter))
    if "BasePolicyToSupplementPath" in p:
        base = _load(session, p.text("BasePolicyToSupplementPath"))
        policy = code_integrity.supplementing(policy, base.policy_id)
    if "SupplementsBasePolicyID" in p:
        policy = code_integrity.supplementing(policy, UUID(str(p.get("SupplementsBasePolicyID"))))
    if p.flag("ResetPolicyID"):
        policy = code_integrity.with_new_identity(policy)
    _save(session, p, policy)
    return None


def _with_information(policy: Policy, value_name: str, text: str) -> Policy:
    added = Setting("PolicyInfo", "Information", value_name, text)
    others = [
        setting
        for setting in policy.settings
        if (setting.provider, setting.key, setting.value_name) != ("PolicyInfo", "Information", value_name)
    ]
    return replace(policy, settings=(*others, added))


def _load(session: Session, path: str) -> Policy:
    try:
        return si_policy_xml.read(file_parameters.content(session.machine, path))
    except FormatError as error:
        raise _invalid(error) from error


def _save(session: Session, p: Bound, policy: Policy) -> None:
    try:
        document = si_policy_xml.write(policy)
    except FormatError as error:
        raise _invalid(error) from error
    file_parameters.save(session.machine, p.text("FilePath"), document)
    file_times.stamp(session.machine, p.text("FilePath"), session.clock.now())


def _invalid(error: FormatError) -> CmdletError:
    return CmdletError(f"The policy is not valid. {error}", "InvalidPolicy", "InvalidData")
