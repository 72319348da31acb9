# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The XML form of a code integrity policy, read and written (namespace urn:schemas-microsoft-com:sipolicy).

Sources: cipolicy.xsd; what ConvertFrom-CIPolicy makes of published policies. Elements that only binary formats above 8
can hold (artifact rules, hotpatch rules, exceptions by EKU) and application settings (compiled with a manifest that the
XML only names) are refused, never skipped: a policy read without them would say something else.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils import xml_document
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    BASE_POLICY,
    CERTIFICATE_REMAPPING,
    ENTERPRISE_POLICY,
    HIGHEST_VERSION,
    SHA256_OR_BETTER,
    SUPPLEMENTAL_POLICY,
    TAGGING_DEFAULT,
    TAGGING_POLICY,
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Setting,
    Signer,
    SignerGroup,
    SignerReference,
    find_option,
    has_option,
    option_names,
    version_text,
)

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import RuleOption, SettingValue
    from ansible_collections.guarded.fabric.plugins.module_utils.xml_document import Element

NAMESPACE: Final = "urn:schemas-microsoft-com:sipolicy"
_POLICY: Final = "code integrity policy in XML"
_TAGGING_OPTIONS: Final = (
    "Enabled:UMCI",
    "Enabled:Audit Mode",
    "Enabled:Advanced Boot Options Menu",
    "Disabled:Script Enforcement",
    "Required:Enforce Store Applications",
)
"""What a policy for AppID tagging gets when it is compiled, whatever its rules say."""
_RULE_TEXTS: Final = {
    "FileName": "file_name",
    "InternalName": "internal_name",
    "FileDescription": "file_description",
    "ProductName": "product_name",
    "PackageFamilyName": "package_family_name",
    "FilePath": "file_path",
}
_RULE_ELEMENTS: Final = {"Deny": RuleKind.DENY, "Allow": RuleKind.ALLOW, "FileAttrib": RuleKind.FILE_ATTRIB}
_GENERIC_RULES: Final = {"Exclude": RuleKind.DENY, "Match": RuleKind.ALLOW, "Attribute": RuleKind.FILE_ATTRIB}
_ROOT_CHILDREN: Final = (
    *("VersionEx", "PolicyTypeID", "PlatformID", "PolicyID", "BasePolicyID", "Rules", "EKUs", "FileRules", "Macros"),
    *("Signers", "SigningScenarios", "UpdatePolicySigners", "CiSigners", "SupplementalPolicySigners"),
    *("HvciOptions", "Settings"),
)
_BEYOND: Final = {
    "AppSettings": "it is compiled with the application's manifest, which the policy only names",
    "ArtifactRules": "only binary formats from 10 on hold it",
    "ArtifactSigners": "only binary formats from 10 on hold it",
    "ArtifactRuleRef": "only binary formats from 10 on hold it",
}
_MACRO: Final = re.compile(r"\$\(([^()]+)\)")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7})\d{0,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_FILETIME_EPOCH: Final = datetime(1601, 1, 1, tzinfo=timezone.utc)
_TICKS: Final = 10_000_000
"""FILETIME units in a second."""
_VERSION_SHIFTS: Final = (48, 32, 16, 0)
_LONGEST_NUMBER: Final = 24


def read(data: bytes) -> Policy:
    """Read a policy from XML; FormatError where it is not one, or says what binary formats up to 8 cannot hold."""
    root = xml_document.load(data, _POLICY)
    if root.tag != f"{{{NAMESPACE}}}SiPolicy":
        raise FormatError(_POLICY, f"a SiPolicy element of namespace {NAMESPACE}")
    return _read_policy(_Node(root))


def write(policy: Policy) -> bytes:
    """Write a policy as XML (UTF-8); FormatError for text that XML cannot hold, and for settings of applications."""
    if policy.applications:
        raise FormatError(_POLICY, "no application settings: the XML form has them in the application's manifest")
    try:
        root = _write_policy(policy)
    except (ValueError, OverflowError) as error:
        raise FormatError(_POLICY, f"a policy that XML can hold: {error}") from error
    return etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)


def _is_comment(child: Element) -> bool:
    """Tell comments and processing instructions, whose tag is a function, from elements."""
    return callable(child.tag)


class _Node:
    """An element of the policy; what is asked of it and is not there, or makes no sense, is a FormatError."""

    __slots__ = ("_element",)

    def __init__(self, element: Element) -> None:
        self._element = element

    @property
    def name(self) -> str:
        return etree.QName(self._element).localname

    def error(self, expected: str) -> FormatError:
        return FormatError(f"{_POLICY}, line {self._element.sourceline}, {self.name}", expected)

    def children(self, *allowed: str) -> Iterator[_Node]:
        """Child elements; one with another name is refused."""
        for child in self._element:
            if _is_comment(child):
                continue
            name = str(child.tag).removeprefix(f"{{{NAMESPACE}}}")
            if name in _BEYOND:
                raise _Node(child).error(f"no {name}, because {_BEYOND[name]}")
            if name not in allowed:
                raise _Node(child).error(f"{' or '.join(sorted(allowed))} in {self.name}")
            yield _Node(child)

    def only(self, *allowed: str) -> dict[str, _Node]:
        """Child elements by name; none may appear twice."""
        found: dict[str, _Node] = {}
        for child in self.children(*allowed):
            if child.name in found:
                raise child.error(f"it once in {self.name}")
            found[child.name] = child
        return found

    def attributes(self, *allowed: str) -> Mapping[str, str]:
        """Attributes; one with another name is refused."""
        for name in self._element.attrib:
            if name not in allowed:
                raise self.error(f"no attribute {name!r}, which binary formats up to 8 cannot hold")
        return {str(name): str(value) for name, value in self._element.attrib.items()}

    def get(self, name: str, default: str = "") -> str:
        return str(self._element.get(name, default))

    def required(self, name: str) -> str:
        value = self._element.get(name)
        if value is None:
            raise self.error(f"an attribute {name!r}")
        return str(value)

    def text(self) -> str:
        parts = [self._element.text or ""]
        for child in self._element:
            if not _is_comment(child):
                raise self.error("text only")
            parts.append(child.tail or "")
        return "".join(str(part) for part in parts)

    def number(self, text: str, highest: int) -> int:
        text = text.strip()
        try:
            value = int(text, 0) if len(text) <= _LONGEST_NUMBER else -1
        except ValueError:
            value = -1
        if not 0 <= value <= highest:
            raise self.error(f"a number from 0 to {highest}")
        return value

    def hex(self, text: str) -> bytes:
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise self.error("hexadecimal digits in pairs") from error

    def uuid(self) -> UUID:
        try:
            return UUID(self.text().strip())
        except ValueError as error:
            raise self.error("a GUID") from error

    def version(self, text: str) -> int:
        parts = text.strip().split(".", len(_VERSION_SHIFTS))
        if len(parts) > len(_VERSION_SHIFTS):
            raise self.error("a version of up to four numbers")
        numbers = (self.number(part.lstrip("0") or "0", 0xFFFF) for part in parts)
        return sum(number << shift for number, shift in zip(numbers, _VERSION_SHIFTS, strict=False))

    def boolean(self, text: str) -> bool:
        value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
        if value is None:
            raise self.error("true or false")
        return value


class _Ids:
    """Which index an ID stands for."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}

    def add(self, node: _Node) -> str:
        identifier = node.required("ID")
        if identifier in self._index:
            raise node.error(f"an ID of its own, not {identifier!r} again")
        self._index[identifier] = len(self._index)
        return identifier

    def find(self, node: _Node, attribute: str) -> int:
        node.attributes(attribute)
        return self.look_up(node, node.required(attribute))

    def look_up(self, node: _Node, identifier: str) -> int:
        if identifier not in self._index:
            raise node.error(f"an ID that exists, not {identifier!r}")
        return self._index[identifier]


def _read_policy(root: _Node) -> Policy:
    part = root.only(*_ROOT_CHILDREN)
    kind = root.get("PolicyType", BASE_POLICY)
    if kind not in {BASE_POLICY, SUPPLEMENTAL_POLICY, TAGGING_POLICY}:
        raise root.error("a known PolicyType")
    ekus, rules, signers, scenarios = _Ids(), _Ids(), _Ids(), _Ids()
    options = [_read_option(rule) for rule in _children(part, "Rules", "Rule")]
    settings: list[Setting] = []
    eku_values = tuple(_read_eku(node, ekus) for node in _children(part, "EKUs", "EKU"))
    macros = {node.required("Id"): node.required("Value") for node in _children(part, "Macros", "Macro")}
    rule_nodes = _children(part, "FileRules", *_RULE_ELEMENTS, "FileRule")
    file_rules = tuple(_read_file_rule(node, rules, macros) for node in rule_nodes)
    signer_values = tuple(_read_signer(node, signers, ekus, rules) for node in _children(part, "Signers", "Signer"))
    scenario_nodes = list(_children(part, "SigningScenarios", "SigningScenario"))
    for node in scenario_nodes:
        scenarios.add(node)
    scenario_values = tuple(_read_scenario(node, scenarios, signers, rules, settings) for node in scenario_nodes)
    settings += [_read_setting(node) for node in _children(part, "Settings", "Setting")]
    implied = [CERTIFICATE_REMAPPING for option in options if not option.bit]
    if kind == TAGGING_POLICY:
        implied.append(TAGGING_DEFAULT)
    settings += [setting for setting in dict.fromkeys(implied) if setting not in settings]

    def references(parent: str, name: str) -> tuple[int, ...]:
        return tuple(signers.find(node, "SignerId") for node in _children(part, parent, name))

    bits = 0
    for option in options:
        bits |= option.bit
    ci_signers = references("CiSigners", "CiSigner")
    if kind == TAGGING_POLICY:
        for name in _TAGGING_OPTIONS:
            bits |= find_option(name).bit
        ci_signers = ci_signers or tuple(range(len(signer_values)))
    policy_id, base_policy_id, type_id = _read_ids(root, part)
    return Policy(
        version=root.version(part["VersionEx"].text()) if "VersionEx" in part else 0,
        type_id=type_id,
        platform_id=part["PlatformID"].uuid() if "PlatformID" in part else UUID(int=0),
        policy_id=policy_id,
        base_policy_id=base_policy_id,
        options=bits,
        supplemental=kind == SUPPLEMENTAL_POLICY,
        ekus=eku_values,
        file_rules=file_rules,
        signers=signer_values,
        update_policy_signers=references("UpdatePolicySigners", "UpdatePolicySigner"),
        ci_signers=ci_signers,
        supplemental_policy_signers=references("SupplementalPolicySigners", "SupplementalPolicySigner"),
        scenarios=scenario_values,
        hvci_options=root.number(part["HvciOptions"].text(), 0xFFFF_FFFF) if "HvciOptions" in part else 0,
        settings=tuple(settings),
    )


def _children(part: Mapping[str, _Node], parent: str, *names: str) -> Iterator[_Node]:
    """Return the entries of a list that may be absent."""
    return part[parent].children(*names) if parent in part else iter(())


def _read_ids(root: _Node, part: Mapping[str, _Node]) -> tuple[UUID, UUID, UUID]:
    """Return policy id, base policy id and type id; the single-policy format has only the last."""
    names = ("BasePolicyID", "PolicyTypeID", "PolicyID")
    given = {name: part[name].uuid() for name in names if name in part}
    if not given:
        raise root.error("a PolicyID or a PolicyTypeID")
    base = next(iter(given.values()))
    return given.get("PolicyID", base), base, given.get("PolicyTypeID", base)


def _read_option(rule: _Node) -> RuleOption:
    part = rule.only("Option")
    if not part:
        raise rule.error("an Option")
    name = part["Option"].text().strip()
    try:
        return find_option(name)
    except KeyError as error:
        raise rule.error(f"a known rule option, not {name!r}") from error


def _read_eku(node: _Node, ekus: _Ids) -> bytes:
    ekus.add(node)
    return node.hex(node.required("Value"))


def _read_file_rule(node: _Node, rules: _Ids, macros: Mapping[str, str]) -> FileRule:
    given = node.attributes(
        "ID",
        "FriendlyName",
        "Type",
        "Hash",
        "AppIDs",
        "MinimumFileVersion",
        "MaximumFileVersion",
        "PackageVersion",
        *_RULE_TEXTS,
    )
    kinds = _GENERIC_RULES if node.name == "FileRule" else _RULE_ELEMENTS
    name = node.get("Type") if node.name == "FileRule" else node.name
    if name not in kinds:
        raise node.error(f"a Type that is one of {', '.join(kinds)}")
    kind = kinds[name]
    # A Deny rule without versions is compiled to this minimum, which makes it match every version.
    lowest = HIGHEST_VERSION if kind is RuleKind.DENY and "MaximumFileVersion" not in given else 0
    minimum = given.get("MinimumFileVersion")
    return FileRule(
        kind=kind,
        **{field: given.get(attribute, "") for attribute, field in _RULE_TEXTS.items()},
        package_version=node.version(given.get("PackageVersion", "0")),
        hash=node.hex(given.get("Hash", "")),
        minimum_version=lowest if minimum is None else node.version(minimum),
        maximum_version=node.version(given.get("MaximumFileVersion", "0")),
        app_ids=_read_app_ids(node, given.get("AppIDs", ""), macros),
        id=rules.add(node),
        friendly_name=given.get("FriendlyName", ""),
    )


def _read_app_ids(node: _Node, text: str, macros: Mapping[str, str]) -> tuple[str, ...]:
    """Return the one literal, or the values of the macros named one after the other."""
    if not text.startswith("$"):
        return (text,) if text else ()
    names = _MACRO.findall(text)
    if "".join(f"$({name})" for name in names) != text or not all(name in macros for name in names):
        raise node.error("AppIDs that name existing macros, as $(one)$(two)")
    return tuple(macros[name] for name in names)


def _read_signer(node: _Node, signers: _Ids, ekus: _Ids, rules: _Ids) -> Signer:
    found: dict[str, _Node] = {}
    eku_references, attribs = [], []
    names = ("CertRoot", "CertEKU", "CertIssuer", "CertPublisher", "CertOemID", "FileAttribRef")
    for child in node.children(*names):
        if child.name == "CertEKU":
            eku_references.append(ekus.find(child, "ID"))
        elif child.name == "FileAttribRef":
            attribs.append(rules.find(child, "RuleID"))
        elif child.name in found:
            raise child.error("it once in a signer")
        else:
            found[child.name] = child
    if "CertRoot" not in found:
        raise node.error("a CertRoot")

    def value(name: str) -> str:
        return found[name].required("Value") if name in found else ""

    return Signer(
        root=_read_root(found["CertRoot"]),
        ekus=tuple(eku_references),
        issuer=value("CertIssuer"),
        publisher=value("CertPublisher"),
        oem_id=value("CertOemID"),
        file_attribs=tuple(attribs),
        sign_time_after=_read_time(node, node.get("SignTimeAfter")),
        id=signers.add(node),
        name=node.get("Name"),
    )


def _read_root(node: _Node) -> bytes | int:
    value = node.hex(node.required("Value"))
    kind = node.required("Type")
    if kind == "TBS":
        return value
    if kind != "Wellknown" or len(value) != 1:
        raise node.error("Type TBS, or Wellknown with one byte")
    return value[0]


def _read_time(node: _Node, text: str) -> int:
    """Return a FILETIME; a time without a zone counts as UTC."""
    if not text:
        return 0
    refusal = node.error("SignTimeAfter as 2024-01-02T03:04:05.0000000Z")
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise refusal
    seconds, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{seconds}{'+00:00' if zone in {None, 'Z'} else zone}")
    except ValueError as error:
        raise refusal from error
    ticks = int((moment - _FILETIME_EPOCH) / timedelta(seconds=1)) * _TICKS + int((fraction or "").ljust(7, "0"))
    if ticks < 0:
        raise node.error("a SignTimeAfter after 1601")
    return ticks


def _read_scenario(node: _Node, scenarios: _Ids, signers: _Ids, rules: _Ids, settings: list[Setting]) -> Scenario:
    part = node.only("ProductSigners", "TestSigners", "TestSigningSigners", "AppIDTags")
    own = node.required("ID")
    inherited = [name for each in node.get("InheritedScenarios").split(",") if (name := each.strip()) not in {"", own}]
    if "AppIDTags" in part:
        settings += _read_tags(part["AppIDTags"])

    def group(name: str) -> SignerGroup:
        return _read_group(part[name], signers, rules) if name in part else SignerGroup()

    return Scenario(
        value=node.number(node.required("Value"), 0xFFFF_FFFF),
        inherited=tuple(scenarios.look_up(node, name) for name in inherited),
        minimum_hash=node.number(node.get("MinimumHashAlgorithm", "0"), 0xFFFF_FFFF) or SHA256_OR_BETTER,
        product=group("ProductSigners"),
        test=group("TestSigners"),
        test_signing=group("TestSigningSigners"),
        id=own,
        name=node.get("FriendlyName"),
    )


def _read_tags(node: _Node) -> list[Setting]:
    """Return the settings that AppID tags are compiled to."""
    found = []
    if node.boolean(node.get("EnforceDLL", "false")):
        found.append(Setting("WDACAppId", "TaggingSettings", "EnforceDLL", value=True))
    tags = node.children("AppIDTag")
    return found + [Setting("WDACAppId", "Tagging", tag.required("Key"), tag.required("Value")) for tag in tags]


def _read_group(node: _Node, signers: _Ids, rules: _Ids) -> SignerGroup:
    part = node.only("AllowedSigners", "DeniedSigners", "FileRulesRef")

    def references(parent: str, name: str, exception: str, attribute: str) -> tuple[SignerReference, ...]:
        found = []
        for reference in _children(part, parent, name):
            exceptions = tuple(rules.find(each, attribute) for each in reference.children(exception))
            found.append(SignerReference(signers.find(reference, "SignerId"), exceptions))
        return tuple(found)

    return SignerGroup(
        allowed=references("AllowedSigners", "AllowedSigner", "ExceptDenyRule", "DenyRuleID"),
        denied=references("DeniedSigners", "DeniedSigner", "ExceptAllowRule", "AllowRuleID"),
        file_rules=tuple(rules.find(each, "RuleID") for each in _children(part, "FileRulesRef", "FileRuleRef")),
    )


def _read_setting(node: _Node) -> Setting:
    part = node.only("Value")
    values = part["Value"].only("Boolean", "DWord", "Binary", "String") if part else {}
    if len(values) != 1:
        raise node.error("one value")
    (value,) = values.values()
    return Setting(
        node.required("Provider"), node.required("Key"), node.required("ValueName"), _read_setting_value(value)
    )


def _read_setting_value(node: _Node) -> SettingValue:
    text = node.text()
    if node.name == "Boolean":
        return node.boolean(text)
    if node.name == "DWord":
        return node.number(text, 0xFFFF_FFFF)
    return node.hex(text) if node.name == "Binary" else text


def _add(parent: Element, name: str, attributes: Mapping[str, str] | None = None, text: str | None = None) -> Element:
    element = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    for attribute, value in (attributes or {}).items():
        element.set(attribute, value)
    element.text = text
    return element


def _given(**attributes: str) -> dict[str, str]:
    """Keep the attributes that say something."""
    return {name: value for name, value in attributes.items() if value}


def _guid(value: UUID) -> str:
    return f"{{{str(value).upper()}}}"


def _ids(entries: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Give every entry (its ID or nothing, and a prefix for a new one) an ID that no other has."""
    pairs = tuple(entries)
    reserved = {own for own, _ in pairs}
    used: set[str] = set()
    names = []
    for number, (own, prefix) in enumerate(pairs, 1):
        name = own
        attempt = number
        while not name or name in used:
            name = f"{prefix}_{attempt:X}"
            attempt += len(pairs)
            if name in reserved:
                name = ""
        used.add(name)
        names.append(name)
    return tuple(names)


@dataclass(frozen=True)
class _Names:
    """The IDs under which the entries of each list are written."""

    ekus: tuple[str, ...]
    rules: tuple[str, ...]
    signers: tuple[str, ...]
    scenarios: tuple[str, ...]


_RULE_PREFIXES: Final = {
    RuleKind.DENY: "ID_DENY_A",
    RuleKind.ALLOW: "ID_ALLOW_A",
    RuleKind.FILE_ATTRIB: "ID_FILEATTRIB_A",
}


def _write_policy(policy: Policy) -> Element:
    names = _Names(
        ekus=_ids(("", "ID_EKU_A") for _ in policy.ekus),
        rules=_ids((rule.id, _RULE_PREFIXES[rule.kind]) for rule in policy.file_rules),
        signers=_ids((signer.id, "ID_SIGNER_A") for signer in policy.signers),
        scenarios=_ids((scenario.id, "ID_SIGNINGSCENARIO_A") for scenario in policy.scenarios),
    )
    root = etree.fromstring(f'<SiPolicy xmlns="{NAMESPACE}"/>')
    kind = policy.kind
    if kind == TAGGING_POLICY and not _is_plain_tagging_policy(policy):
        kind = BASE_POLICY
    _write_identity(root, policy, kind)
    _write_options(root, policy)
    ekus = _add(root, "EKUs")
    for name, eku in zip(names.ekus, policy.ekus, strict=True):
        _add(ekus, "EKU", {"ID": name, "Value": eku.hex().upper()})
    macros = _write_file_rules(root, policy, names)
    signers = _add(root, "Signers")
    for name, signer in zip(names.signers, policy.signers, strict=True):
        _write_signer(signers, name, signer, names)
    scenarios = _add(root, "SigningScenarios")
    for name, scenario in zip(names.scenarios, policy.scenarios, strict=True):
        _write_scenario(scenarios, name, scenario, names)
    _write_policy_signers(root, policy, names)
    _add(root, "HvciOptions", text=str(policy.hvci_options))
    settings = _add(root, "Settings")
    for setting in policy.settings:
        if setting != CERTIFICATE_REMAPPING and (setting != TAGGING_DEFAULT or kind != TAGGING_POLICY):
            _write_setting(settings, setting)
    if macros:
        element = _add(root, "Macros")
        for number, value in enumerate(macros, 1):
            _add(element, "Macro", {"Id": f"Macro{number}", "Value": value})
    return root


def _is_plain_tagging_policy(policy: Policy) -> bool:
    """Tell whether reading PolicyType "AppID Tagging Policy" adds nothing that the policy does not say itself."""
    options = all(has_option(policy, name) for name in _TAGGING_OPTIONS)
    return options and bool(policy.ci_signers or not policy.signers)


def _write_options(root: Element, policy: Policy) -> None:
    element = _add(root, "Rules")
    for name in option_names(policy):
        try:
            option = find_option(name)
        except KeyError as error:
            raise FormatError(_POLICY, f"options that have a name, not {name}") from error
        _add(_add(element, "Rule"), "Option", text=option.name)


def _write_policy_signers(root: Element, policy: Policy, names: _Names) -> None:
    for parent, child, indexes in (
        ("UpdatePolicySigners", "UpdatePolicySigner", policy.update_policy_signers),
        ("CiSigners", "CiSigner", policy.ci_signers),
        ("SupplementalPolicySigners", "SupplementalPolicySigner", policy.supplemental_policy_signers),
    ):
        element = _add(root, parent)
        for index in indexes:
            _add(element, child, {"SignerId": names.signers[index]})


def _write_identity(root: Element, policy: Policy, kind: str) -> None:
    identifiers = {policy.type_id, policy.policy_id, policy.base_policy_id}
    single_policy = identifiers == {ENTERPRISE_POLICY} and kind == BASE_POLICY
    if not single_policy:
        root.set("PolicyType", kind)
    _add(root, "VersionEx", text=version_text(policy.version))
    if single_policy or policy.type_id != policy.base_policy_id:
        _add(root, "PolicyTypeID", text=_guid(policy.type_id))
    _add(root, "PlatformID", text=_guid(policy.platform_id))
    if not single_policy:
        _add(root, "PolicyID", text=_guid(policy.policy_id))
        _add(root, "BasePolicyID", text=_guid(policy.base_policy_id))


def _write_file_rules(root: Element, policy: Policy, names: _Names) -> list[str]:
    """Write the file rules and return the values of the macros they name, Macro1 first."""
    macros: list[str] = []
    element = _add(root, "FileRules")
    elements = {kind: name for name, kind in _RULE_ELEMENTS.items()}
    for name, rule in zip(names.rules, policy.file_rules, strict=True):
        attributes = {"ID": name} | _given(
            FriendlyName=rule.friendly_name,
            **{attribute: str(getattr(rule, field)) for attribute, field in _RULE_TEXTS.items()},
            Hash=rule.hash.hex().upper(),
        )
        if rule.maximum_version:
            attributes["MaximumFileVersion"] = version_text(rule.maximum_version)
        every_version = rule.kind is RuleKind.DENY and not rule.maximum_version
        if rule.minimum_version != (HIGHEST_VERSION if every_version else 0):
            attributes["MinimumFileVersion"] = version_text(rule.minimum_version)
        if rule.package_version:
            attributes["PackageVersion"] = version_text(rule.package_version)
        if len(rule.app_ids) == 1 and rule.app_ids[0] and not rule.app_ids[0].startswith("$"):
            attributes["AppIDs"] = rule.app_ids[0]
        elif rule.app_ids:
            first = len(macros) + 1
            macros += rule.app_ids
            attributes["AppIDs"] = "".join(f"$(Macro{number})" for number in range(first, len(macros) + 1))
        _add(element, elements[rule.kind], attributes)
    return macros


def _write_signer(parent: Element, name: str, signer: Signer, names: _Names) -> None:
    attributes = {"ID": name, "Name": signer.name}
    if signer.sign_time_after:
        attributes["SignTimeAfter"] = _time_text(signer.sign_time_after)
    element = _add(parent, "Signer", attributes)
    if isinstance(signer.root, bytes):
        _add(element, "CertRoot", {"Type": "TBS", "Value": signer.root.hex().upper()})
    else:
        _add(element, "CertRoot", {"Type": "Wellknown", "Value": signer.root.to_bytes(1, "big").hex().upper()})
    for index in signer.ekus:
        _add(element, "CertEKU", {"ID": names.ekus[index]})
    for child, value in (
        ("CertIssuer", signer.issuer),
        ("CertPublisher", signer.publisher),
        ("CertOemID", signer.oem_id),
    ):
        if value:
            _add(element, child, {"Value": value})
    for index in signer.file_attribs:
        _add(element, "FileAttribRef", {"RuleID": names.rules[index]})


def _time_text(filetime: int) -> str:
    seconds, ticks = divmod(filetime, _TICKS)
    moment = _FILETIME_EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ticks:07}Z"


def _write_scenario(parent: Element, name: str, scenario: Scenario, names: _Names) -> None:
    attributes = {"Value": str(scenario.value), "ID": name} | _given(
        FriendlyName=scenario.name,
        InheritedScenarios=",".join(names.scenarios[index] for index in scenario.inherited),
    )
    if scenario.minimum_hash != SHA256_OR_BETTER:
        attributes["MinimumHashAlgorithm"] = str(scenario.minimum_hash)
    element = _add(parent, "SigningScenario", attributes)
    _write_group(_add(element, "ProductSigners"), scenario.product, names)
    if scenario.test != SignerGroup():
        _write_group(_add(element, "TestSigners"), scenario.test, names)
    if scenario.test_signing != SignerGroup():
        _write_group(_add(element, "TestSigningSigners"), scenario.test_signing, names)


def _write_group(element: Element, group: SignerGroup, names: _Names) -> None:
    for parent, child, exception, attribute, references in (
        ("AllowedSigners", "AllowedSigner", "ExceptDenyRule", "DenyRuleID", group.allowed),
        ("DeniedSigners", "DeniedSigner", "ExceptAllowRule", "AllowRuleID", group.denied),
    ):
        listed = _add(element, parent) if references else element
        for reference in references:
            written = _add(listed, child, {"SignerId": names.signers[reference.signer]})
            for index in reference.exceptions:
                _add(written, exception, {attribute: names.rules[index]})
    if group.file_rules:
        listed = _add(element, "FileRulesRef")
        for index in group.file_rules:
            _add(listed, "FileRuleRef", {"RuleID": names.rules[index]})


def _write_setting(parent: Element, setting: Setting) -> None:
    element = _add(
        parent, "Setting", {"Provider": setting.provider, "Key": setting.key, "ValueName": setting.value_name}
    )
    value = setting.value
    if isinstance(value, bool):
        name, text = "Boolean", str(value).lower()
    elif isinstance(value, int):
        name, text = "DWord", str(value)
    elif isinstance(value, bytes):
        name, text = "Binary", value.hex().upper()
    else:
        name, text = "String", value
    _add(_add(element, "Value"), name, text=text)
