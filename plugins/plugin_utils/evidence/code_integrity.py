# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a code integrity policy says, whether HGS can take it as it is, and what differs from another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    si_policy_binary,
    si_policy_comparison,
    si_policy_xml,
    signed_policy,
)
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    AUDIT_MODE,
    Policy,
    has_option,
    option_names,
    version_text,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import FindingKind, Severity
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner

from .certificates import certificate_facts
from .model import EvidenceKind, Judgement
from .xml_roots import is_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FORMATS = range(1, 64)
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_APPROVE = "if the change was meant, approve the new policy and register it beside the old one"

SIGNED = FindingKind(
    "GF-EVD-201",
    Owner.FABRIC,
    "is in a signed envelope, and HGS wants the policy without",
    "register the unsigned copy: attestation_evidence takes it out of the envelope",
    Severity.WARNING,
    "the policy was signed with signtool for deployment; the signature is not measured (WSD capturing-hardware)",
)
AUDITS = FindingKind(
    "GF-EVD-202",
    Owner.FABRIC,
    "only audits: nothing is kept from running",
    "look at what it would have blocked, then remove rule option 3 and deploy it",
    Severity.WARNING,
    "a new policy starts in audit mode (New-CIPolicy sets rule option 3)",
)
OPTION_DIFFERS = FindingKind(
    "GF-EVD-211",
    Owner.GUARDIAN,
    "is set in one of the two policies only",
    f"read in Microsoft's list of rule options what it allows or forbids; {_APPROVE}",
    Severity.WARNING,
    "somebody ran Set-RuleOption, or another version of Windows made the policy with other defaults",
)
VERSION_DIFFERS = FindingKind(
    "GF-EVD-212",
    Owner.GUARDIAN,
    "is another version",
    _APPROVE,
    Severity.INFO,
    "the policy was edited: each edit is meant to have a higher version",
)
IDENTITY_DIFFERS = FindingKind(
    "GF-EVD-213",
    Owner.GUARDIAN,
    "is of another policy: the two are not versions of one",
    "make sure that the right two were compared; SiPolicy.p7b takes policies of the single-policy format only",
    Severity.WARNING,
    "the policy was made anew, or converted to the multiple-policy format",
)
HVCI_DIFFERS = FindingKind(
    "GF-EVD-214",
    Owner.GUARDIAN,
    "asks otherwise for enforcement by the hypervisor",
    "set it with Set-HVCIOptions; HGS asks for it with the policy Hgs_HypervisorEnforcedCiPolicy",
    Severity.WARNING,
    "somebody ran Set-HVCIOptions, or made the policy without",
)
LOOSER = FindingKind(
    "GF-EVD-215",
    Owner.GUARDIAN,
    "lets more run",
    f"find out what it is and who needs it; {_APPROVE}",
    Severity.WARNING,
    "software was installed or updated on the reference host before it was scanned, or a rule was added",
)
TIGHTER = FindingKind(
    "GF-EVD-216",
    Owner.FABRIC,
    "lets less run",
    "make sure that no host needs what is not allowed any more: run the policy in audit mode first",
    Severity.INFO,
    "software was removed from the reference host before it was scanned, or a rule was removed",
)
SIGNERS_DIFFER = FindingKind(
    "GF-EVD-217",
    Owner.GUARDIAN,
    "names others who may replace or supplement the policy",
    f"find out whose certificate it is: who holds it decides what runs; {_APPROVE}",
    Severity.WARNING,
    "somebody ran Add-SignerRule with -Update or -Supplemental",
)
SETTING_DIFFERS = FindingKind(
    "GF-EVD-218",
    Owner.GUARDIAN,
    "is another setting",
    _APPROVE,
    Severity.INFO,
    "somebody named the policy or set something for an application (Set-CIPolicySetting, Set-CIPolicyIdInfo)",
)
DEFINITION_DIFFERS = FindingKind(
    "GF-EVD-219",
    Owner.GUARDIAN,
    "is defined in one of the two policies only",
    "nothing by itself: what is defined counts where a rule uses it (GF-EVD-215, GF-EVD-216)",
    Severity.INFO,
    "rules that use it were added or removed",
)
"""Rule options, their numbers and what changes them: Microsoft's "Understand App Control for Business policy rules" and
the reference of the module ConfigCI."""

_VALUES: Mapping[str, FindingKind] = {
    "version": VERSION_DIFFERS,
    "HVCI options": HVCI_DIFFERS,
    "option": OPTION_DIFFERS,
    "update policy signer": SIGNERS_DIFFER,
    "supplemental policy signer": SIGNERS_DIFFER,
    "setting": SETTING_DIFFERS,
    "application settings": SETTING_DIFFERS,
    **dict.fromkeys(("policy type", "policy type id", "platform id", "policy id", "base policy id"), IDENTITY_DIFFERS),
    **dict.fromkeys(("EKU", "file rule", "signer", "CI signer", "scenario"), DEFINITION_DIFFERS),
}


@dataclass(frozen=True)
class PolicyFile:
    """A policy and the file it came in: "xml" or "binary", and the certificates (DER) of a signed envelope."""

    policy: Policy
    form: str
    signed: bool = False
    certificates: tuple[bytes, ...] = ()
    digest: str = ""


def _claims(data: bytes) -> bool:
    if is_root(data, "SiPolicy"):
        return True
    return int.from_bytes(data[:4], "little") in _FORMATS or _SIGNED_DATA in data[:32]


def _read(data: bytes) -> PolicyFile:
    if data.lstrip()[:1] == b"<" or is_root(data, "SiPolicy"):
        return PolicyFile(si_policy_xml.read(data), "xml")
    taken = signed_policy.unwrap(data)
    policy = si_policy_binary.read(taken.content)
    return PolicyFile(policy, "binary", taken.signed, taken.certificates, si_policy_binary.digest(data))


def _facts(found: PolicyFile) -> Mapping[str, object]:
    policy = found.policy
    return {
        "form": found.form,
        "signed": found.signed,
        "signed_with": [certificate_facts(certificate) for certificate in found.certificates],
        "digest": found.digest,
        "version": version_text(policy.version),
        "type": policy.kind,
        "policy_id": policy.policy_id,
        "base_policy_id": policy.base_policy_id,
        "options": option_names(policy),
        "audits": has_option(policy, AUDIT_MODE),
        "hvci_options": policy.hvci_options,
        "signers": policy.signers,
        "file_rules": [si_policy_comparison.describe_rule(rule) for rule in policy.file_rules],
        "settings": [si_policy_comparison.describe_setting(setting) for setting in policy.settings],
    }


def _problems(found: PolicyFile) -> Iterator[Judgement]:
    if found.signed:
        yield Judgement(SIGNED)
    if has_option(found.policy, AUDIT_MODE):
        yield Judgement(AUDITS, AUDIT_MODE)


def _differences(old: PolicyFile, new: PolicyFile) -> Iterator[Judgement]:
    for item in si_policy_comparison.differences(old.policy, new.policy):
        kind = _VALUES.get(item.what) or _rule_kind(item)
        if kind is OPTION_DIFFERS:
            set_before, set_after = ("set" if side else "not set" for side in (item.before, item.after))
            yield Judgement(kind, f"rule option {item.before or item.after}", "", set_before, set_after)
        else:
            yield Judgement(kind, item.what, "", item.before, item.after)


def _rule_kind(item: si_policy_comparison.Difference) -> FindingKind:
    """Tell if a rule of a scenario that came or went lets more run, or less."""
    text = item.before or item.after or ""
    denies = "denied signer" in item.what or text.startswith("deny")
    came = item.before is None
    return LOOSER if came is not denies else TIGHTER


CODE_INTEGRITY_POLICY: EvidenceKind[PolicyFile] = EvidenceKind(
    "code_integrity_policy", _claims, _read, _facts, _problems, _differences
)
