# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between two code integrity policies, by what they say and not by how they are written.

Order, indexes, IDs and friendly names do not count; a reference counts as the thing it refers to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    HIGHEST_VERSION,
    Policy,
    RuleKind,
    option_names,
    version_text,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
        ApplicationSettings,
        FileRule,
        Scenario,
        Setting,
        Signer,
        SignerGroup,
        SignerReference,
    )

_SHOWN: Final = 4
_SCENARIO_NAMES: Final = {12: "user mode", 131: "kernel mode"}


@dataclass(frozen=True)
class Difference:
    """One thing that two policies do not share: `before` is None for what was added, `after` for what was removed."""

    what: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """Say it in a line."""
        if self.before is None:
            return f"{self.what} added: {self.after}"
        if self.after is None:
            return f"{self.what} removed: {self.before}"
        return f"{self.what}: {self.before} -> {self.after}"


def content_equal(before: Policy, after: Policy) -> bool:
    """Tell whether two policies say the same."""
    return not differences(before, after)


def differences(before: Policy, after: Policy) -> list[Difference]:
    """List what differs, in a stable order: first the values, then what was removed from and added to each list."""
    old, new = _values(before), _values(after)
    found = [Difference(what, old[what], new[what]) for what in old if old[what] != new[what]]
    old_entries, new_entries = Counter(_entries(before)), Counter(_entries(after))
    removed, added = old_entries - new_entries, new_entries - old_entries
    found += sorted((Difference(what, text, None) for what, _, text in removed.elements()), key=str)
    found += sorted((Difference(what, None, text) for what, _, text in added.elements()), key=str)
    return found


def _values(policy: Policy) -> dict[str, str]:
    return {
        "version": version_text(policy.version),
        "policy type": policy.kind,
        "policy type id": str(policy.type_id),
        "platform id": str(policy.platform_id),
        "policy id": str(policy.policy_id),
        "base policy id": str(policy.base_policy_id),
        "HVCI options": str(policy.hvci_options),
    }


_Entry = tuple[str, "Hashable", str]
"""In which list, the value that is compared, and how a person reads it."""


def _entries(policy: Policy) -> Iterator[_Entry]:
    rules = tuple(_meaning(rule) for rule in policy.file_rules)
    signers = tuple(_Resolved(signer, policy, rules) for signer in policy.signers)
    yield from (("option", name, name) for name in option_names(policy))
    yield from (("EKU", eku, eku.hex()) for eku in policy.ekus)
    yield from (("file rule", rule, describe_rule(rule)) for rule in rules)
    yield from (("signer", signer.meaning, signer.text) for signer in signers)
    for what, indexes in (
        ("update policy signer", policy.update_policy_signers),
        ("CI signer", policy.ci_signers),
        ("supplemental policy signer", policy.supplemental_policy_signers),
    ):
        for index in indexes:
            yield what, signers[index].meaning, signers[index].text
    for scenario in policy.scenarios:
        yield from _scenario_entries(scenario, policy, rules, signers)
    yield from (("setting", setting, describe_setting(setting)) for setting in policy.settings)
    yield from (("application settings", _application_meaning(each), str(each)) for each in policy.applications)


def _scenario_entries(
    scenario: Scenario, policy: Policy, rules: tuple[FileRule, ...], signers: tuple[_Resolved, ...]
) -> Iterator[_Entry]:
    name = _SCENARIO_NAMES.get(scenario.value, f"scenario {scenario.value}")
    inherited = frozenset(policy.scenarios[index].value for index in scenario.inherited)
    text = f"{name}, minimum hash algorithm {scenario.minimum_hash:#x}"
    yield "scenario", (scenario.value, scenario.minimum_hash, inherited), text
    for kind, group in (
        ("", scenario.product),
        ("test ", scenario.test),
        ("test-signing ", scenario.test_signing),
    ):
        yield from _group_entries(f"{name} {kind}", group, rules, signers)


def _group_entries(
    prefix: str, group: SignerGroup, rules: tuple[FileRule, ...], signers: tuple[_Resolved, ...]
) -> Iterator[_Entry]:
    for what, references in (("allowed signer", group.allowed), ("denied signer", group.denied)):
        for reference in references:
            yield _reference_entry(prefix + what, reference, rules, signers)
    for index in group.file_rules:
        yield f"{prefix}file rule", rules[index], describe_rule(rules[index])


def _reference_entry(
    what: str, reference: SignerReference, rules: tuple[FileRule, ...], signers: tuple[_Resolved, ...]
) -> _Entry:
    signer = signers[reference.signer]
    exceptions = [rules[index] for index in reference.exceptions]
    text = signer.text
    if exceptions:
        text += " except " + _list(exceptions)
    return what, (signer.meaning, _multiset(exceptions)), text


class _Resolved:
    """A signer whose references are replaced by what they refer to."""

    __slots__ = ("meaning", "text")

    def __init__(self, signer: Signer, policy: Policy, rules: tuple[FileRule, ...]) -> None:
        ekus = _multiset(policy.ekus[index] for index in signer.ekus)
        attribs = [rules[index] for index in signer.file_attribs]
        self.meaning = (replace(signer, ekus=(), file_attribs=()), type(signer.root), ekus, _multiset(attribs))
        self.text = _signer_text(signer, policy, attribs)


def _signer_text(signer: Signer, policy: Policy, attribs: list[FileRule]) -> str:
    root = f"TBS {signer.root.hex()}" if isinstance(signer.root, bytes) else f"well-known root {signer.root}"
    parts = [root]
    parts += [f"EKU {policy.ekus[index].hex()}" for index in signer.ekus]
    for name, value in (("issuer", signer.issuer), ("publisher", signer.publisher), ("OEM", signer.oem_id)):
        if value:
            parts.append(f"{name} {value}")
    if signer.sign_time_after:
        parts.append(f"signed after {signer.sign_time_after}")
    if attribs:
        parts.append(_list(attribs))
    return ", ".join(parts)


def _list(rules: list[FileRule]) -> str:
    """Name the first rules only: a policy can refer to each of its rules from each of its signers."""
    shown = "; ".join(sorted(describe_rule(rule) for rule in rules[:_SHOWN]))
    return shown if len(rules) <= _SHOWN else f"{shown}; and {len(rules) - _SHOWN} more"


def describe_rule(rule: FileRule) -> str:
    """Say a file rule in a line."""
    parts = [{RuleKind.DENY: "deny", RuleKind.ALLOW: "allow", RuleKind.FILE_ATTRIB: "file attributes"}[rule.kind]]
    for name in _RULE_TEXTS:
        value = getattr(rule, name)
        if value:
            parts.append(f"{name.replace('_', ' ')} {value}")
    if rule.hash:
        parts.append(f"hash {rule.hash.hex()}")
    for name, version in (
        ("from version", rule.minimum_version),
        ("to version", rule.maximum_version),
        ("package version", rule.package_version),
    ):
        if version:
            parts.append(f"{name} {version_text(version)}")
    if rule.app_ids:
        parts.append("app ids " + " ".join(rule.app_ids))
    return " ".join(parts)


_RULE_TEXTS: Final = (
    "file_name",
    "internal_name",
    "file_description",
    "product_name",
    "package_family_name",
    "file_path",
)


def describe_setting(setting: Setting) -> str:
    """Say a setting in a line."""
    value = setting.value.hex() if isinstance(setting.value, bytes) else setting.value
    return f"{setting.provider}/{setting.key}/{setting.value_name} = {value}"


def _meaning(rule: FileRule) -> FileRule:
    """Drop what has no effect: versions beside a hash, the highest one as a maximum, a Deny rule's default minimum."""
    if rule.hash:
        return replace(rule, minimum_version=0, maximum_version=0)
    maximum = 0 if rule.maximum_version == HIGHEST_VERSION else rule.maximum_version
    whole_range = rule.kind is RuleKind.DENY and not maximum and rule.minimum_version == HIGHEST_VERSION
    return replace(rule, minimum_version=0 if whole_range else rule.minimum_version, maximum_version=maximum)


def _application_meaning(application: ApplicationSettings) -> Hashable:
    return application.manifest, _multiset(application.settings)


def _multiset(items: Iterable[Hashable]) -> Hashable:
    return frozenset(Counter(items).items())
