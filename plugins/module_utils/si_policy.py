# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A code integrity policy (App Control for Business, "SIPolicy") as data, whatever file it came from.

Lists refer to each other by index, as the binary form does. Names and IDs that only the XML form knows are kept where
they are known, and never count when policies are compared.
Sources: cipolicy.xsd of the App Control tools; mattifestation/WDACTools CIPolicyParser.psm1; Microsoft's page on policy
rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, TypeAlias
from uuid import UUID

HIGHEST_VERSION: Final = 0xFFFF_FFFF_FFFF_FFFF
ENTERPRISE_POLICY: Final = UUID("a244370e-44c9-4c06-b551-f6016e563076")
"""Type of the one policy of the single-policy format, SiPolicy.p7b."""
WINDOWS_PLATFORM: Final = UUID("2e07f7e4-194c-4d20-b7c9-6f44a6c5a234")
SHA256_OR_BETTER: Final = 0x800C
"""Default of a scenario's minimum hash algorithm (CALG_SHA_256)."""
USER_MODE: Final = 12
KERNEL_MODE: Final = 131
BASE_POLICY: Final = "Base Policy"
SUPPLEMENTAL_POLICY: Final = "Supplemental Policy"
TAGGING_POLICY: Final = "AppID Tagging Policy"


@dataclass(frozen=True)
class RuleOption:
    """A rule option: its name in XML, its number in Set-RuleOption (None: it has none), its bit (0: a setting)."""

    name: str
    number: int | None
    bit: int


RULE_OPTIONS: Final = (
    RuleOption("Enabled:UMCI", 0, 0x4),
    RuleOption("Enabled:Boot Menu Protection", 1, 0x8),
    RuleOption("Enabled:Intelligent Security Graph Authorization", 14, 0x10),
    RuleOption("Enabled:Invalidate EAs on Reboot", 15, 0x20),
    RuleOption("Enabled:Windows Lockdown Trial Mode", None, 0x40),
    RuleOption("Required:WHQL", 2, 0x80),
    RuleOption("Enabled:Developer Mode Dynamic Code Trust", None, 0x100),
    RuleOption("Enabled:Allow Supplemental Policies", 17, 0x400),
    RuleOption("Disabled:Runtime FilePath Rule Protection", 18, 0x800),
    RuleOption("Enabled:Revoked Expired As Unsigned", 20, 0x2000),
    RuleOption("Enabled:Audit Mode", 3, 0x1_0000),
    RuleOption("Disabled:Flight Signing", 4, 0x2_0000),
    RuleOption("Enabled:Inherit Default Policy", 5, 0x4_0000),
    RuleOption("Enabled:Unsigned System Integrity Policy", 6, 0x8_0000),
    RuleOption("Enabled:Dynamic Code Security", 19, 0x10_0000),
    RuleOption("Required:EV Signers", 8, 0x20_0000),
    RuleOption("Enabled:Boot Audit On Failure", 10, 0x40_0000),
    RuleOption("Enabled:Advanced Boot Options Menu", 9, 0x80_0000),
    RuleOption("Disabled:Script Enforcement", 11, 0x100_0000),
    RuleOption("Required:Enforce Store Applications", 12, 0x200_0000),
    RuleOption("Enabled:Secure Setting Policy", None, 0x400_0000),
    RuleOption("Enabled:Managed Installer", 13, 0x800_0000),
    RuleOption("Enabled:Update Policy No Reboot", 16, 0x1000_0000),
    RuleOption("Enabled:Conditional Windows Lockdown Policy", None, 0x2000_0000),
    RuleOption("Disabled:Default Windows Certificate Remapping", None, 0),
)
AUDIT_MODE: Final = "Enabled:Audit Mode"


class RuleKind(IntEnum):
    """What a file rule does; the numbers are the binary form's."""

    DENY = 0
    ALLOW = 1
    FILE_ATTRIB = 2


@dataclass(frozen=True)
class FileRule:
    """A rule about files. Versions are four 16-bit parts packed into 64 bits; a maximum of 0 means no maximum."""

    kind: RuleKind
    file_name: str = ""
    internal_name: str = ""
    file_description: str = ""
    product_name: str = ""
    package_family_name: str = ""
    package_version: int = 0
    file_path: str = ""
    hash: bytes = b""
    minimum_version: int = 0
    maximum_version: int = 0
    app_ids: tuple[str, ...] = ()
    id: str = field(default="", compare=False)
    friendly_name: str = field(default="", compare=False)


@dataclass(frozen=True)
class Signer:
    """A signer: the TBS hash of a certificate, or the number of a well-known root, and what else must hold.

    `sign_time_after` is a FILETIME (100 ns since 1601), 0 where there is none.
    """

    root: bytes | int
    ekus: tuple[int, ...] = ()
    issuer: str = ""
    publisher: str = ""
    oem_id: str = ""
    file_attribs: tuple[int, ...] = ()
    sign_time_after: int = 0
    id: str = field(default="", compare=False)
    name: str = field(default="", compare=False)


@dataclass(frozen=True)
class SignerReference:
    """A signer allowed or denied, except for the files of the opposite rules `exceptions`."""

    signer: int
    exceptions: tuple[int, ...] = ()


@dataclass(frozen=True)
class SignerGroup:
    """Signers and file rules that apply to one kind of signing."""

    allowed: tuple[SignerReference, ...] = ()
    denied: tuple[SignerReference, ...] = ()
    file_rules: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A signing scenario: 131 kernel mode, 12 user mode."""

    value: int
    inherited: tuple[int, ...] = ()
    minimum_hash: int = SHA256_OR_BETTER
    product: SignerGroup = SignerGroup()
    test: SignerGroup = SignerGroup()
    test_signing: SignerGroup = SignerGroup()
    id: str = field(default="", compare=False)
    name: str = field(default="", compare=False)


SettingValue: TypeAlias = bool | int | bytes | str


@dataclass(frozen=True, eq=False)
class Setting:
    """A secure setting. The type of the value counts: true is not 1."""

    provider: str
    key: str
    value_name: str
    value: SettingValue

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Setting) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return self.provider, self.key, self.value_name, self.value, type(self.value)


ApplicationSettingValue: TypeAlias = bool | str | tuple[str, ...]


@dataclass(frozen=True)
class ApplicationSetting:
    """One setting of an application; flag 1: audit policies are ignored."""

    name: str
    value: ApplicationSettingValue
    flags: int = 0


@dataclass(frozen=True)
class ApplicationSettings:
    """Settings of one application, by the id in its manifest."""

    manifest: str
    settings: tuple[ApplicationSetting, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A code integrity policy.

    `options` are the option bits without the two highest ones; `supplemental` is bit 30. `type_id` equals
    `base_policy_id` in every policy the Windows cmdlets make, and is kept apart because the binary form stores both.
    """

    version: int
    type_id: UUID = ENTERPRISE_POLICY
    platform_id: UUID = WINDOWS_PLATFORM
    policy_id: UUID = ENTERPRISE_POLICY
    base_policy_id: UUID = ENTERPRISE_POLICY
    options: int = 0
    supplemental: bool = False
    ekus: tuple[bytes, ...] = ()
    file_rules: tuple[FileRule, ...] = ()
    signers: tuple[Signer, ...] = ()
    update_policy_signers: tuple[int, ...] = ()
    ci_signers: tuple[int, ...] = ()
    supplemental_policy_signers: tuple[int, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    hvci_options: int = 0
    settings: tuple[Setting, ...] = ()
    applications: tuple[ApplicationSettings, ...] = ()

    @property
    def kind(self) -> str:
        """PolicyType of the XML form."""
        if self.supplemental:
            return SUPPLEMENTAL_POLICY
        return TAGGING_POLICY if TAGGING_DEFAULT in self.settings else BASE_POLICY


CERTIFICATE_REMAPPING: Final = Setting(
    "Microsoft", "PolicySettings", "DisabledDefaultWindowsCertificateRemappingValueName", value=True
)
"""What the binary form has in place of the option "Disabled:Default Windows Certificate Remapping"."""
TAGGING_DEFAULT: Final = Setting("WDACAppId", "TaggingSettings", "DefaultPolicy", value=True)
"""What makes a binary policy an AppID tagging policy."""


def find_option(key: str | int) -> RuleOption:
    """Return the rule option of this name (any case) or Set-RuleOption number; KeyError for anything else."""
    for option in RULE_OPTIONS:
        if key == option.number if isinstance(key, int) else key.lower() == option.name.lower():
            return option
    raise KeyError(key)


def option_names(policy: Policy) -> tuple[str, ...]:
    """Names of the rule options that are set, in order of their bits; an unknown bit shows as 'Unknown:0x...'."""
    known = sum(option.bit for option in RULE_OPTIONS)
    names = [option.name for option in RULE_OPTIONS if has_option(policy, option.name)]
    names += [f"Unknown:{1 << bit:#x}" for bit in range(30) if policy.options & ~known & 1 << bit]
    return tuple(names)


def has_option(policy: Policy, key: str | int) -> bool:
    """Tell whether a rule option (name or number) is set."""
    option = find_option(key)
    return bool(policy.options & option.bit) if option.bit else CERTIFICATE_REMAPPING in policy.settings


def with_option(policy: Policy, key: str | int) -> Policy:
    """Return the policy with a rule option set."""
    option = find_option(key)
    if has_option(policy, option.name):
        return policy
    if option.bit:
        return replace(policy, options=policy.options | option.bit)
    return replace(policy, settings=(*policy.settings, CERTIFICATE_REMAPPING))


def without_option(policy: Policy, key: str | int) -> Policy:
    """Return the policy with a rule option cleared."""
    option = find_option(key)
    if option.bit:
        return replace(policy, options=policy.options & ~option.bit)
    return replace(policy, settings=tuple(each for each in policy.settings if each != CERTIFICATE_REMAPPING))


def version_text(version: int) -> str:
    """Write a packed version as four numbers with dots."""
    return ".".join(str(version >> shift & 0xFFFF) for shift in (48, 32, 16, 0))
