# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies every attestation service is born with, in the vocabularies that speak of them.

Names and meanings: WSD guarded-fabric-manage-hgs "Default policies"; GUIDs: [MS-HGSA] 2.2.2.13; event ids:
GuardedFabricTools AttestationReport.psm1; substatus names: WSD guarded-fabric-troubleshoot-hosts. That the rows belong
together is an inference from their meaning. Which policies are Locked is not public. Lab only: those are without which
the documented rule "at least one baseline and one code integrity policy" and the health certificate itself, which
certifies the VBS identity key, would have no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from .model import AttestationPolicy

PolicyState = Literal["Enabled", "Disabled", "Locked"]

BASELINE: Final = "SecureBootSettings"
"""PolicyType of a TPM baseline, and of the built-in policy that asks for one."""
CODE_INTEGRITY: Final = "CiPolicy"
"""PolicyType of a code integrity policy, and of the built-in policy that asks for one."""
DUMP_KEY: Final = "DumpEncryptionKey"
"""PolicyType of a known dump encryption key, and of the built-in policy that asks for one."""


@dataclass(frozen=True)
class BuiltIn:
    """A built-in policy: PolicyType, GUID in an EvaluationLog, HGS's event (None: not known), the client's word."""

    name: str
    type: str
    guid: UUID
    event: str | None
    substatus: str
    state: PolicyState = "Enabled"


BUILT_IN: Final = (
    BuiltIn(
        "Hgs_SecureBootEnabled",
        "SecureBootEnabled",
        UUID("6a460ee1-62ea-416f-ae6c-04e29634506d"),
        "1508",
        "SecureBoot",
    ),
    BuiltIn(
        "Hgs_SecureBootSettings",
        BASELINE,
        UUID("756dc455-9528-479a-a86a-c646417316c9"),
        None,
        "SecureBootSettings",
        state="Locked",
    ),
    BuiltIn(
        "Hgs_UefiDebugDisabled",
        "UefiDebugDisabled",
        UUID("20188fda-d40b-460d-b078-2e7898a42ae9"),
        "1510",
        "DebugMode",
    ),
    BuiltIn(
        "Hgs_CiPolicy",
        CODE_INTEGRITY,
        UUID("81f110ba-53c5-4064-9d64-51029fa24f49"),
        "1513",
        "CodeIntegrityPolicy",
        state="Locked",
    ),
    BuiltIn(
        "Hgs_HypervisorEnforcedCiPolicy",
        "HypervisorEnforcedCiPolicy",
        UUID("5408bd30-3250-4ac1-a150-c410af756699"),
        "1537",
        "HypervisorEnforcedCodeIntegrityPolicy",
    ),
    BuiltIn("Hgs_FullBoot", "FullBoot", UUID("75ad09c9-7254-4d00-96f3-3b09d0aaac54"), None, "FullBoot"),
    BuiltIn(
        "Hgs_VsmIdkPresent",
        "VsmIdkPresent",
        UUID("75d595de-12f5-41e9-a61e-469d3205ecca"),
        "1534",
        "VirtualSecureMode",
        state="Locked",
    ),
    BuiltIn("Hgs_IommuEnabled", "IommuEnabled", UUID("da0776e5-6570-44b3-9a17-7e95b4fc7779"), "1533", "Iommu"),
    BuiltIn(
        "Hgs_PageFileEncryptionEnabled",
        "PagefileEncryptionEnabled",
        UUID("12df0ee9-b38e-4086-90f8-703d9e7cb878"),
        "1535",
        "PagefileEncryption",
    ),
    BuiltIn(
        "Hgs_BitLockerEnabled",
        "BitLockerEnabled",
        UUID("347da547-d266-4939-bf3d-9ec73a90bdbc"),
        "1536",
        "BitLocker",
        state="Disabled",
    ),
    BuiltIn(
        "Hgs_NoHibernation", "NoHibernation", UUID("a32022c6-dccd-4bf5-be76-3b5ca1542559"), "1539", "HibernationEnabled"
    ),
    BuiltIn("Hgs_NoDumps", "NoDumps", UUID("2a796e36-e918-454f-b610-60f086e8d334"), "1540", "DumpsEnabled"),
    BuiltIn(
        "Hgs_DumpEncryption", "DumpEncryption", UUID("6f390a71-753c-43aa-a326-74e30aedcd9d"), "1541", "DumpEncryption"
    ),
    BuiltIn(
        "Hgs_DumpEncryptionKey", DUMP_KEY, UUID("85dac0a4-8ba9-4a7f-a342-211862ce0be8"), "1542", "DumpEncryptionKey"
    ),
)

VSM_RUNNING: Final = UUID("6c0a6d29-5bcb-4f28-bafb-f71eb60fdae0")
"""[MS-HGSA] 2.2.2.13 has it beside VsmIdkPresent; no policy of that name is documented."""

BY_GUID: Final = {policy.guid: policy for policy in BUILT_IN}
BY_NAME: Final = {policy.name.lower(): policy for policy in BUILT_IN}


def default_policies() -> dict[str, AttestationPolicy]:
    """Return the policies of a fresh service, by name in lower case; they hold for both policy versions."""
    return {
        policy.name.lower(): AttestationPolicy(policy.name, policy.type, policy.state, "None") for policy in BUILT_IN
    }
