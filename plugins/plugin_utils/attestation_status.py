# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host's attestation status and substatus mean: the cause, the remedy and whose job it is.

Words and remedies: WSD guarded-fabric-troubleshoot-hosts; numbers of the status: win32 docs,
MSFT_HgsClientConfiguration (that each number belongs to the name in its row is inferred but for Passed). Of the
substatus, a bit field, only the first three bits are published: a number with others is shown as it is. Which HGS
policy a substatus stands for follows from its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .problems import Kind, Owner
from .windows_values import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MODES = {0: "Unknown", 1: "Local", 2: "HostGuardianService"}
OPERATION_MODES = {0: "Unknown", 1: "Tpm", 2: "ActiveDirectory", 3: "HostKey"}
PASSED = "Passed"

_NUMBERS = {
    0: "NotConfigured",
    1: "Unknown",
    100: PASSED,
    200: "Expired",
    300: "TransientError",
    301: "UnauthorizedHost",
    302: "TpmError",
    303: "InsecureHostConfiguration",
}
_BITS = {1: "SecureBoot", 2: "DebugMode", 4: "CodeIntegrityPolicy"}
_NOTHING = {"", "0", "NoInformation"}

STATUS: Mapping[str, Kind] = {
    "NotConfigured": Kind(
        "GF-ATT-001",
        Owner.FABRIC,
        "does not attest: its client is in local mode",
        "set attestation_url and key_protection_url",
    ),
    "Unknown": Kind(
        "GF-ATT-002",
        Owner.FABRIC,
        "has never tried to attest with this service",
        "run Test-HgsClientConfiguration on the host",
    ),
    "Expired": Kind(
        "GF-ATT-003",
        Owner.FABRIC,
        "has a health certificate that is no longer valid",
        "compare the clocks of host and HGS, then attest again",
    ),
    "TransientError": Kind(
        "GF-ATT-004",
        Owner.FABRIC,
        "could not finish its attestation: network, name resolution or the service",
        "resolve the name of the service on the host, open its URL from there, and look at the HGS nodes",
    ),
    "HostUnreachable": Kind(
        "GF-ATT-005",
        Owner.FABRIC,
        "cannot reach the attestation service",
        "check name resolution (conditional forwarder), port 80 or 443, and that HGS runs",
    ),
    "UnauthorizedHost": Kind(
        "GF-ATT-006",
        Owner.GUARDIAN,
        "is not registered at HGS",
        "capture its platform identifier, approve it, and register it with the module guarded.fabric.attestation_hosts",
    ),
    "TpmError": Kind(
        "GF-ATT-007",
        Owner.FABRIC,
        "has a TPM that failed",
        "read the TPM's event log; before you clear the TPM, suspend BitLocker",
    ),
    "InsecureHostConfiguration": Kind(
        "GF-ATT-008",
        Owner.FABRIC,
        "is not configured as HGS demands",
        "do what each substatus asks for",
    ),
}

SUBSTATUS: Mapping[str, Kind] = {
    "SecureBoot": Kind(
        "GF-ATT-101",
        Owner.FABRIC,
        "started without Secure Boot (policy Hgs_SecureBootEnabled)",
        "switch Secure Boot on in the firmware, with Microsoft's template, and restart",
    ),
    "SecureBootSettings": Kind(
        "GF-ATT-102",
        Owner.GUARDIAN,
        "started in a way that matches no registered TPM baseline (policy Hgs_SecureBootSettings)",
        "run the playbook guarded.fabric.reattest: it says what differs, and registers it once somebody approved it",
    ),
    "DebugMode": Kind(
        "GF-ATT-103",
        Owner.FABRIC,
        "runs with a kernel or boot debugger (policy Hgs_UefiDebugDisabled)",
        "switch debugging off with bcdedit or in the firmware, and restart",
    ),
    "CodeIntegrityPolicy": Kind(
        "GF-ATT-104",
        Owner.FABRIC,
        "started with no code integrity policy that is registered (policy Hgs_CiPolicy)",
        "apply the policy that the guardian registered, and restart; or have the guardian register the one you mean",
    ),
    "HypervisorEnforcedCodeIntegrityPolicy": Kind(
        "GF-ATT-105",
        Owner.FABRIC,
        "does not let the hypervisor enforce code integrity (policy Hgs_HypervisorEnforcedCiPolicy)",
        "enable virtualization-based protection of code integrity without UEFI lock, and restart",
    ),
    "Iommu": Kind(
        "GF-ATT-106",
        Owner.FABRIC,
        "does not use an IOMMU (policy Hgs_IommuEnabled)",
        "enable VT-d or AMD-Vi in the firmware and require DMA protection, then restart",
    ),
    "VirtualSecureMode": Kind(
        "GF-ATT-107",
        Owner.FABRIC,
        "does not run virtualization-based security (policy Hgs_VsmIdkPresent)",
        "look at VirtualizationBasedSecurityStatus of Win32_DeviceGuard; 1 means that a required feature is lacking",
    ),
    "PagefileEncryption": Kind(
        "GF-ATT-108",
        Owner.FABRIC,
        "does not encrypt its page file (policy Hgs_PageFileEncryptionEnabled)",
        "run fsutil behavior set encryptpagingfile 1, and restart",
    ),
    "BitLocker": Kind(
        "GF-ATT-109",
        Owner.FABRIC,
        "has an operating system volume that BitLocker does not protect (policy Hgs_BitLockerEnabled)",
        "encrypt the volume, or have the guardian disable the policy",
    ),
    "HibernationEnabled": Kind(
        "GF-ATT-110",
        Owner.FABRIC,
        "can hibernate (policy Hgs_NoHibernation)",
        "run powercfg /hibernate off, and restart",
    ),
    "DumpsEnabled": Kind(
        "GF-ATT-111",
        Owner.FABRIC,
        "writes crash dumps (policy Hgs_NoDumps)",
        "disable crash dumps, and restart",
    ),
    "DumpEncryption": Kind(
        "GF-ATT-112",
        Owner.FABRIC,
        "writes crash dumps that are not encrypted (policy Hgs_DumpEncryption)",
        "encrypt crash dumps or disable them, and restart",
    ),
    "DumpEncryptionKey": Kind(
        "GF-ATT-113",
        Owner.GUARDIAN,
        "encrypts crash dumps to a key that HGS does not know (policy Hgs_DumpEncryptionKey)",
        "register the key, or have the host use one that is registered",
    ),
    "FullBoot": Kind(
        "GF-ATT-114",
        Owner.FABRIC,
        "resumed instead of starting (policy Hgs_FullBoot)",
        "restart the host",
    ),
    "TcgLogVerification": Kind(
        "GF-ATT-115",
        Owner.FABRIC,
        "has a boot log that does not match its TPM",
        "look at firmware and network boot programs: an outdated one may extend the TPM without logging it",
    ),
}

EVENTS: Mapping[int, Kind] = {
    1500: STATUS["UnauthorizedHost"],
    1508: SUBSTATUS["SecureBoot"],
    1510: SUBSTATUS["DebugMode"],
    1513: SUBSTATUS["CodeIntegrityPolicy"],
    1524: STATUS["UnauthorizedHost"],
    1533: SUBSTATUS["Iommu"],
    1534: SUBSTATUS["VirtualSecureMode"],
    1535: SUBSTATUS["PagefileEncryption"],
    1536: SUBSTATUS["BitLocker"],
    1537: SUBSTATUS["HypervisorEnforcedCodeIntegrityPolicy"],
    1538: SUBSTATUS["CodeIntegrityPolicy"],
    1539: SUBSTATUS["HibernationEnabled"],
    1540: SUBSTATUS["DumpsEnabled"],
    1541: SUBSTATUS["DumpEncryption"],
    1542: SUBSTATUS["DumpEncryptionKey"],
}
"""Events of Microsoft-Windows-HostGuardianService-Attestation, which an HGS node logs for requests that it answered.
Numbers: AttestationReport.psm1 of Microsoft's Guarded Fabric Tools. The other substatus have no event that is known."""

UNKNOWN_STATUS = Kind(
    "GF-ATT-900",
    Owner.FABRIC,
    "reports an attestation status that this collection does not know",
    "look the word up in Microsoft's troubleshooting guide for guarded hosts",
)


@dataclass(frozen=True)
class Attestation:
    """The status of a host by name, and the names of its substatus."""

    status: str
    substatus: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[tuple[str, Kind], ...]:
        """What each word means: nothing for a host that passed, the substatus in place of what they explain."""
        if self.status == PASSED:
            return ()
        if self.substatus:
            return tuple((name, SUBSTATUS.get(name, UNKNOWN_STATUS)) for name in self.substatus)
        return ((self.status, STATUS.get(self.status, UNKNOWN_STATUS)),)


def attestation(status: object, substatus: object) -> Attestation:
    """Read status and substatus, which come as names or numbers; several substatus come in one text or list."""
    names: list[str] = []
    for word in re.split(r"[,;\s\[\]]+", str(substatus if substatus is not None else "").replace("'", "")):
        names.extend(_bits(int(word)) if word.isdigit() else [word])
    return Attestation(
        status=name_of(status, _NUMBERS), substatus=tuple(name for name in names if name not in _NOTHING)
    )


def _bits(number: int) -> list[str]:
    known = [name for bit, name in _BITS.items() if number & bit]
    rest = number & ~sum(_BITS)
    return [*known, *([str(rest)] if rest else [])]
