# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The binary form of a code integrity policy (SiPolicy.p7b, .cip, .bin), read and written.

The layout is not documented by Microsoft; it is the one that mattifestation/WDACTools and
HotCakeX/Harden-Windows-Security read, checked against published policies of format versions 7 and 8. Later versions add
sections that no published policy was found to have, so they are refused.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    ApplicationSetting,
    ApplicationSettings,
    FileRule,
    Policy,
    RuleKind,
    Scenario,
    Setting,
    Signer,
    SignerGroup,
    SignerReference,
)
from ansible_collections.guarded.fabric.plugins.module_utils.signed_policy import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import ApplicationSettingValue, SettingValue

NEWEST_FORMAT: Final = 8
_POLICY: Final = "code integrity policy"
_ALWAYS_SET: Final = 0x8000_0000
_SUPPLEMENTAL: Final = 0x4000_0000
_BODY_OFFSET: Final = 0x40
_BOOLEAN, _DWORD, _BINARY, _STRING, _STRING_SET = range(5)
_TBS, _WELL_KNOWN = range(2)
_VERSIONS, _NAMES, _PACKAGES, _POLICY_IDS, _PATHS, _APPLICATIONS = range(3, 9)
"""Tags of the sections after the body; a section exists in files of at least that format version."""


def read(data: bytes) -> Policy:
    """Read a binary policy, signed or not; FormatError where it is damaged or of a format version above 8."""
    return _read_policy(_Reader(unwrap(data).content))


def digest(data: bytes) -> str:
    """SHA-256 (lower-case hex) of a policy file's content without its signature.

    HGS is given the unsigned copy and the signature is not measured (Microsoft's guide, "Capture TPM-mode
    information"), so this names the same policy whether the file is signed or not. That Windows measures exactly this
    is not public.
    """
    return hashlib.sha256(unwrap(data).content).hexdigest()


def write(policy: Policy, format_version: int = NEWEST_FORMAT) -> bytes:
    """Write a policy in its own order; FormatError where the format version cannot hold it or a value does not fit."""
    if not 1 <= format_version <= NEWEST_FORMAT:
        raise FormatError(_POLICY, f"a format version from 1 to {NEWEST_FORMAT}, not {format_version}")
    _check_fits(policy, format_version)
    writer = _Writer()
    try:
        _write_policy(writer, policy, format_version)
    except (struct.error, OverflowError, UnicodeEncodeError) as error:
        raise FormatError(_POLICY, f"values that the binary form can hold: {error}") from error
    return bytes(writer.data)


def in_compiled_order(policy: Policy) -> Policy:
    """Put lists into the order in which ConvertFrom-CIPolicy writes them.

    File rules by kind, then FileName, InternalName, FileDescription, ProductName, PackageFamilyName, FilePath without
    regard to case, then hash; references to file rules in scenarios ascending; settings by provider, key, value name.
    Seen in recompilations of published policies that are identical to the last byte.
    """
    order = sorted(range(len(policy.file_rules)), key=lambda index: _compiled_rank(policy.file_rules[index]))
    new = {old: position for position, old in enumerate(order)}

    def moved(indexes: Iterable[int]) -> tuple[int, ...]:
        return tuple(new[index] for index in indexes)

    def references(items: Iterable[SignerReference]) -> tuple[SignerReference, ...]:
        return tuple(replace(item, exceptions=moved(item.exceptions)) for item in items)

    def group(old: SignerGroup) -> SignerGroup:
        return SignerGroup(references(old.allowed), references(old.denied), tuple(sorted(moved(old.file_rules))))

    return replace(
        policy,
        file_rules=tuple(policy.file_rules[index] for index in order),
        signers=tuple(replace(signer, file_attribs=moved(signer.file_attribs)) for signer in policy.signers),
        scenarios=tuple(
            replace(each, product=group(each.product), test=group(each.test), test_signing=group(each.test_signing))
            for each in policy.scenarios
        ),
        settings=tuple(
            sorted(policy.settings, key=lambda each: (each.provider.upper(), each.key.upper(), each.value_name.upper()))
        ),
    )


def _compiled_rank(rule: FileRule) -> tuple[int, tuple[str, ...], bytes]:
    names = (
        rule.file_name,
        rule.internal_name,
        rule.file_description,
        rule.product_name,
        rule.package_family_name,
        rule.file_path,
    )
    return rule.kind, tuple(name.upper() for name in names), rule.hash


def _error(what: str, offset: int, expected: str) -> FormatError:
    return FormatError(f"{_POLICY}, {what}", expected, offset)


class _Reader:
    """A position in the bytes; every method reads one thing there or raises FormatError."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, size: int, what: str) -> bytes:
        end = self.position + size
        if end > len(self.data):
            left = len(self.data) - self.position
            raise _error(what, self.position, f"{size} bytes, but {left} are left")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def u32(self, what: str) -> int:
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        return int.from_bytes(self.take(8, what), "little")

    def uuid(self, what: str) -> UUID:
        return UUID(bytes_le=self.take(16, what))

    def boolean(self, size: int, what: str) -> bool:
        value = int.from_bytes(self.take(size, what), "little")
        if value > 1:
            raise _error(what, self.position - size, f"0 or 1, not {value}")
        return bool(value)

    def blob(self, what: str) -> bytes:
        size = self.u32(what)
        value = self.take(size, what)
        self.take(-size & 3, "padding")
        return value

    def text(self, what: str) -> str:
        start = self.position
        encoded = self.blob(what)
        if self.u32("string terminator"):
            raise _error(what, self.position - 4, "four zero bytes after the text")
        try:
            return encoded.decode("utf-16-le")
        except UnicodeDecodeError as error:
            raise _error(what, start, "text in UTF-16, little endian") from error

    def count(self, smallest: int, what: str) -> int:
        """Read how many entries follow; refuse at once what cannot fit, so that memory stays bounded by the input."""
        value = self.u32(what)
        if value * smallest > len(self.data) - self.position:
            raise _error(what, self.position - 4, f"a count that fits into the rest of the file, not {value}")
        return value

    def indexes(self, limit: int, what: str) -> tuple[int, ...]:
        count = self.count(4, what)
        start = self.position
        found = struct.unpack(f"<{count}I", self.take(4 * count, what))
        for position, index in enumerate(found):
            if index >= limit:
                raise _error(what, start + 4 * position, f"an index below {limit}, not {index}")
        return found

    def index(self, limit: int, what: str) -> int:
        value = self.u32(what)
        if value >= limit:
            raise _error(what, self.position - 4, f"an index below {limit}, not {value}")
        return value

    def section(self, tag: int) -> None:
        found = self.u32("section tag")
        if found != tag:
            raise _error("section tag", self.position - 4, f"{tag}, not {found}")


@dataclass(frozen=True)
class _Counts:
    """How many entries each list of the header announces."""

    ekus: int
    file_rules: int
    signers: int
    scenarios: int


def _read_policy(reader: _Reader) -> Policy:
    format_version = reader.u32("format version")
    if not 1 <= format_version <= NEWEST_FORMAT:
        raise _error("format version", 0, f"1 to {NEWEST_FORMAT}, not {format_version}")
    type_id, platform_id = reader.uuid("policy type id"), reader.uuid("platform id")
    flags = reader.u32("option flags")
    if not flags & _ALWAYS_SET:
        raise _error("option flags", reader.position - 4, "the highest flag set, as in every policy")
    counts = _Counts(
        reader.count(4, "EKUs"),
        reader.count(24, "file rules"),
        reader.count(40, "signers"),
        reader.count(48, "scenarios"),
    )
    version = reader.u64("policy version")
    if reader.u32("offset of the body") != _BODY_OFFSET:
        raise _error("offset of the body", reader.position - 4, f"{_BODY_OFFSET:#x}")
    policy = Policy(
        version=version,
        type_id=type_id,
        platform_id=platform_id,
        # Before section 6 existed, a policy had no id of its own beside its type.
        policy_id=type_id,
        base_policy_id=type_id,
        options=flags & ~(_ALWAYS_SET | _SUPPLEMENTAL),
        supplemental=bool(flags & _SUPPLEMENTAL),
        ekus=tuple(reader.blob("EKU") for _ in range(counts.ekus)),
        file_rules=tuple(_read_file_rule(reader) for _ in range(counts.file_rules)),
        signers=tuple(_read_signer(reader, counts) for _ in range(counts.signers)),
        update_policy_signers=reader.indexes(counts.signers, "signer"),
        ci_signers=reader.indexes(counts.signers, "signer"),
        scenarios=tuple(_read_scenario(reader, counts) for _ in range(counts.scenarios)),
        hvci_options=reader.u32("HVCI options"),
        settings=tuple(_read_setting(reader) for _ in range(reader.count(32, "settings"))),
    )
    for tag, section in _SECTIONS.items():
        if format_version >= tag:
            reader.section(tag)
            policy = section(reader, policy)
    reader.section(format_version + 1)
    if reader.position != len(reader.data):
        raise _error("end", reader.position, "no bytes after the last section tag")
    return policy


def _read_file_rule(reader: _Reader) -> FileRule:
    kind = reader.u32("file rule type")
    if kind > max(RuleKind):
        raise _error("file rule type", reader.position - 4, f"0, 1 or 2, not {kind}")
    return FileRule(
        kind=RuleKind(kind),
        file_name=reader.text("FileName"),
        minimum_version=reader.u64("minimum version"),
        hash=reader.blob("hash"),
    )


def _read_signer(reader: _Reader, counts: _Counts) -> Signer:
    kind = reader.u32("signer root type")
    if kind > _WELL_KNOWN:
        raise _error("signer root type", reader.position - 4, f"0 or 1, not {kind}")
    return Signer(
        root=reader.blob("TBS hash") if kind == _TBS else reader.u32("well-known root"),
        ekus=reader.indexes(counts.ekus, "EKU"),
        issuer=reader.text("CertIssuer"),
        publisher=reader.text("CertPublisher"),
        oem_id=reader.text("CertOemID"),
        file_attribs=reader.indexes(counts.file_rules, "file rule"),
    )


def _read_scenario(reader: _Reader, counts: _Counts) -> Scenario:
    return Scenario(
        value=reader.u32("scenario value"),
        inherited=reader.indexes(counts.scenarios, "scenario"),
        minimum_hash=reader.u32("minimum hash algorithm"),
        product=_read_group(reader, counts),
        test=_read_group(reader, counts),
        test_signing=_read_group(reader, counts),
    )


def _read_group(reader: _Reader, counts: _Counts) -> SignerGroup:
    return SignerGroup(
        allowed=_read_references(reader, counts),
        denied=_read_references(reader, counts),
        file_rules=reader.indexes(counts.file_rules, "file rule"),
    )


def _read_references(reader: _Reader, counts: _Counts) -> tuple[SignerReference, ...]:
    return tuple(
        SignerReference(reader.index(counts.signers, "signer"), reader.indexes(counts.file_rules, "file rule"))
        for _ in range(reader.count(8, "signer references"))
    )


def _read_setting(reader: _Reader) -> Setting:
    return Setting(
        reader.text("setting provider"),
        reader.text("setting key"),
        reader.text("setting value name"),
        _read_setting_value(reader),
    )


def _read_setting_value(reader: _Reader) -> SettingValue:
    kind = reader.u32("setting type")
    if kind == _BOOLEAN:
        return reader.boolean(4, "setting")
    if kind == _DWORD:
        return reader.u32("setting")
    if kind == _BINARY:
        return reader.blob("setting")
    if kind == _STRING:
        return reader.text("setting")
    raise _error("setting type", reader.position - 4, f"0 to 3, not {kind}")


def _read_versions(reader: _Reader, policy: Policy) -> Policy:
    rules = tuple(
        replace(
            rule,
            maximum_version=reader.u64("maximum version"),
            app_ids=tuple(reader.text("AppID") for _ in range(reader.count(8, "AppIDs"))),
        )
        for rule in policy.file_rules
    )
    signers = tuple(replace(signer, sign_time_after=reader.u64("SignTimeAfter")) for signer in policy.signers)
    return replace(policy, file_rules=rules, signers=signers)


def _read_names(reader: _Reader, policy: Policy) -> Policy:
    return replace(
        policy,
        file_rules=tuple(
            replace(
                rule,
                internal_name=reader.text("InternalName"),
                file_description=reader.text("FileDescription"),
                product_name=reader.text("ProductName"),
            )
            for rule in policy.file_rules
        ),
    )


def _read_packages(reader: _Reader, policy: Policy) -> Policy:
    return replace(
        policy,
        file_rules=tuple(
            replace(
                rule,
                package_family_name=reader.text("PackageFamilyName"),
                package_version=reader.u64("package version"),
            )
            for rule in policy.file_rules
        ),
    )


def _read_policy_ids(reader: _Reader, policy: Policy) -> Policy:
    return replace(
        policy,
        policy_id=reader.uuid("policy id"),
        base_policy_id=reader.uuid("base policy id"),
        supplemental_policy_signers=reader.indexes(len(policy.signers), "signer"),
    )


def _read_paths(reader: _Reader, policy: Policy) -> Policy:
    return replace(
        policy, file_rules=tuple(replace(rule, file_path=reader.text("FilePath")) for rule in policy.file_rules)
    )


def _read_applications(reader: _Reader, policy: Policy) -> Policy:
    return replace(
        policy,
        applications=tuple(
            ApplicationSettings(
                reader.text("application manifest"),
                tuple(_read_application_setting(reader) for _ in range(reader.count(14, "application settings"))),
            )
            for _ in range(reader.count(12, "applications"))
        ),
    )


def _read_application_setting(reader: _Reader) -> ApplicationSetting:
    return ApplicationSetting(
        reader.text("application setting name"),
        _read_application_value(reader),
        reader.u32("application setting flags"),
    )


def _read_application_value(reader: _Reader) -> ApplicationSettingValue:
    kind = reader.take(1, "application setting type")[0]
    if kind == _BOOLEAN:
        return reader.boolean(1, "application setting")
    if kind == _STRING:
        return reader.text("application setting")
    if kind == _STRING_SET:
        return tuple(reader.text("application setting") for _ in range(reader.count(8, "strings")))
    raise _error("application setting type", reader.position - 1, f"0, 3 or 4, not {kind}")


_SECTIONS: Final[dict[int, Callable[[_Reader, Policy], Policy]]] = {
    _VERSIONS: _read_versions,
    _NAMES: _read_names,
    _PACKAGES: _read_packages,
    _POLICY_IDS: _read_policy_ids,
    _PATHS: _read_paths,
    _APPLICATIONS: _read_applications,
}


class _Writer:
    """Bytes being written; every method appends one thing."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = bytearray()

    def u32(self, value: int) -> None:
        self.data += value.to_bytes(4, "little")

    def u64(self, value: int) -> None:
        self.data += value.to_bytes(8, "little")

    def uuid(self, value: UUID) -> None:
        self.data += value.bytes_le

    def blob(self, value: bytes) -> None:
        self.u32(len(value))
        self.data += value + bytes(-len(value) & 3)

    def text(self, value: str) -> None:
        self.blob(value.encode("utf-16-le"))
        self.u32(0)

    def indexes(self, values: tuple[int, ...]) -> None:
        self.data += struct.pack(f"<I{len(values)}I", len(values), *values)


def _check_fits(policy: Policy, format_version: int) -> None:
    """Refuse to lose what a format version has no section for."""
    rules = policy.file_rules
    needs = {
        _VERSIONS: any(rule.maximum_version or rule.app_ids for rule in rules)
        or any(signer.sign_time_after for signer in policy.signers),
        _NAMES: any(rule.internal_name or rule.file_description or rule.product_name for rule in rules),
        _PACKAGES: any(rule.package_family_name or rule.package_version for rule in rules),
        _POLICY_IDS: bool(policy.supplemental_policy_signers)
        or {policy.policy_id, policy.base_policy_id} != {policy.type_id},
        _PATHS: any(rule.file_path for rule in rules),
        _APPLICATIONS: bool(policy.applications),
    }
    needed = max((tag for tag, needs_it in needs.items() if needs_it), default=1)
    if needed > format_version:
        raise FormatError(_POLICY, f"format version {needed} or later for what it says, not {format_version}")


def _write_policy(writer: _Writer, policy: Policy, format_version: int) -> None:
    writer.u32(format_version)
    writer.uuid(policy.type_id)
    writer.uuid(policy.platform_id)
    if policy.options & (_ALWAYS_SET | _SUPPLEMENTAL):
        raise FormatError(_POLICY, f"option bits below bit 30, not {policy.options:#x}")
    writer.u32(policy.options | _ALWAYS_SET | (_SUPPLEMENTAL if policy.supplemental else 0))
    for entries in (policy.ekus, policy.file_rules, policy.signers, policy.scenarios):
        writer.u32(len(entries))
    writer.u64(policy.version)
    writer.u32(_BODY_OFFSET)
    for eku in policy.ekus:
        writer.blob(eku)
    for rule in policy.file_rules:
        _write_file_rule(writer, rule)
    for signer in policy.signers:
        _write_signer(writer, signer)
    writer.indexes(policy.update_policy_signers)
    writer.indexes(policy.ci_signers)
    for scenario in policy.scenarios:
        _write_scenario(writer, scenario)
    writer.u32(policy.hvci_options)
    writer.u32(len(policy.settings))
    for setting in policy.settings:
        _write_setting(writer, setting)
    for tag, section in _WRITTEN_SECTIONS.items():
        if format_version >= tag:
            writer.u32(tag)
            section(writer, policy)
    writer.u32(format_version + 1)


def _write_file_rule(writer: _Writer, rule: FileRule) -> None:
    writer.u32(rule.kind)
    writer.text(rule.file_name)
    writer.u64(rule.minimum_version)
    writer.blob(rule.hash)


def _write_signer(writer: _Writer, signer: Signer) -> None:
    if isinstance(signer.root, bytes):
        writer.u32(_TBS)
        writer.blob(signer.root)
    else:
        writer.u32(_WELL_KNOWN)
        writer.u32(signer.root)
    writer.indexes(signer.ekus)
    writer.text(signer.issuer)
    writer.text(signer.publisher)
    writer.text(signer.oem_id)
    writer.indexes(signer.file_attribs)


def _write_scenario(writer: _Writer, scenario: Scenario) -> None:
    writer.u32(scenario.value)
    writer.indexes(scenario.inherited)
    writer.u32(scenario.minimum_hash)
    for group in (scenario.product, scenario.test, scenario.test_signing):
        _write_group(writer, group)


def _write_group(writer: _Writer, group: SignerGroup) -> None:
    for references in (group.allowed, group.denied):
        writer.u32(len(references))
        for reference in references:
            writer.u32(reference.signer)
            writer.indexes(reference.exceptions)
    writer.indexes(group.file_rules)


def _write_setting(writer: _Writer, setting: Setting) -> None:
    writer.text(setting.provider)
    writer.text(setting.key)
    writer.text(setting.value_name)
    value = setting.value
    if isinstance(value, bool):
        writer.u32(_BOOLEAN)
        writer.u32(value)
    elif isinstance(value, int):
        writer.u32(_DWORD)
        writer.u32(value)
    elif isinstance(value, bytes):
        writer.u32(_BINARY)
        writer.blob(value)
    else:
        writer.u32(_STRING)
        writer.text(value)


def _write_versions(writer: _Writer, policy: Policy) -> None:
    for rule in policy.file_rules:
        writer.u64(rule.maximum_version)
        writer.u32(len(rule.app_ids))
        for app_id in rule.app_ids:
            writer.text(app_id)
    for signer in policy.signers:
        writer.u64(signer.sign_time_after)


def _write_names(writer: _Writer, policy: Policy) -> None:
    for rule in policy.file_rules:
        writer.text(rule.internal_name)
        writer.text(rule.file_description)
        writer.text(rule.product_name)


def _write_packages(writer: _Writer, policy: Policy) -> None:
    for rule in policy.file_rules:
        writer.text(rule.package_family_name)
        writer.u64(rule.package_version)


def _write_policy_ids(writer: _Writer, policy: Policy) -> None:
    writer.uuid(policy.policy_id)
    writer.uuid(policy.base_policy_id)
    writer.indexes(policy.supplemental_policy_signers)


def _write_paths(writer: _Writer, policy: Policy) -> None:
    for rule in policy.file_rules:
        writer.text(rule.file_path)


def _write_applications(writer: _Writer, policy: Policy) -> None:
    writer.u32(len(policy.applications))
    for application in policy.applications:
        writer.text(application.manifest)
        writer.u32(len(application.settings))
        for setting in application.settings:
            writer.text(setting.name)
            _write_application_value(writer, setting.value)
            writer.u32(setting.flags)


def _write_application_value(writer: _Writer, value: ApplicationSettingValue) -> None:
    if isinstance(value, bool):
        writer.data += bytes([_BOOLEAN, value])
    elif isinstance(value, str):
        writer.data.append(_STRING)
        writer.text(value)
    else:
        writer.data.append(_STRING_SET)
        writer.u32(len(value))
        for text in value:
            writer.text(text)


_WRITTEN_SECTIONS: Final[dict[int, Callable[[_Writer, Policy], None]]] = {
    _VERSIONS: _write_versions,
    _NAMES: _write_names,
    _PACKAGES: _write_packages,
    _POLICY_IDS: _write_policy_ids,
    _PATHS: _write_paths,
    _APPLICATIONS: _write_applications,
}
