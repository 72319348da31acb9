# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What keeps a server from being a guarded host, or may."""

from __future__ import annotations

from .findings import FindingKind, Severity
from .problems import Owner

OLD_WINDOWS = FindingKind(
    "GF-RDY-001",
    Owner.FABRIC,
    "does not run Windows Server 2019 or later",
    "install Windows Server 2019, 2022 or 2025 Datacenter",
    Severity.ERROR,
    "Windows Server 2016 attests with version 1 of the artifacts only, and never by host key",
)
OTHER_EDITION = FindingKind(
    "GF-RDY-002",
    Owner.FABRIC,
    "does not run the Datacenter edition",
    "upgrade the edition (dism /online /set-edition:ServerDatacenter), or take another server",
    Severity.ERROR,
    "only Datacenter has the feature HostGuardian",
)
FEATURES_MISSING = FindingKind(
    "GF-RDY-003",
    Owner.FABRIC,
    "lacks features of a guarded host",
    "run the playbook guarded.fabric.prepare_hosts, or the module guarded.fabric.windows_features",
    Severity.WARNING,
    "the host was not prepared yet",
)
FEATURES_WAIT = FindingKind(
    "GF-RDY-004",
    Owner.FABRIC,
    "has features that wait for a restart",
    "run the playbook guarded.fabric.prepare_hosts, or restart the host",
    Severity.WARNING,
    "features were installed since the last start",
)
RESTART_PENDING = FindingKind(
    "GF-RDY-005",
    Owner.FABRIC,
    "waits for a restart",
    "restart the host, then look again: a baseline captured now would be of the state before",
    Severity.ERROR,
    "Windows updates or components were installed since the last start",
)
NO_TPM = FindingKind(
    "GF-RDY-010",
    Owner.FABRIC,
    "has no TPM",
    "switch the TPM on in the firmware, fit one, or let this fabric attest by host key",
    Severity.ERROR,
    "the firmware hides the TPM, or the computer has none",
)
OTHER_TPM_VERSION = FindingKind(
    "GF-RDY-011",
    Owner.FABRIC,
    "has a TPM of another version than 2.0",
    "switch the TPM to version 2.0 in the firmware, if it can, or fit another one",
    Severity.ERROR,
    "an old TPM, or one that firmware runs as version 1.2",
)
TPM_NOT_READY = FindingKind(
    "GF-RDY-012",
    Owner.FABRIC,
    "has a TPM that is not ready",
    "run Initialize-Tpm on the host; before you clear the TPM, suspend BitLocker",
    Severity.ERROR,
    "the TPM is not provisioned, or locked out",
)
NO_CERTIFICATE = FindingKind(
    "GF-RDY-013",
    Owner.FABRIC,
    "has a TPM without an endorsement key certificate",
    "ask the vendor for a firmware that brings it; without it HGS takes version 1 of the artifacts only",
    Severity.ERROR,
    "the vendor issued none, or it was erased with the TPM's memory",
)
CERTIFICATE_NOT_TRUSTED = FindingKind(
    "GF-RDY-014",
    Owner.GUARDIAN,
    "has an endorsement key certificate that HGS would not trust",
    "compare the certificate with the vendor's published ones, then add the vendor's root and intermediates with "
    "the module guarded.fabric.trusted_tpm_certificates",
    Severity.ERROR,
    "the vendor is not among those that HGS trusts, or an intermediate certificate is lacking",
)
VENDORS_NOT_GIVEN = FindingKind(
    "GF-RDY-015",
    Owner.CONTROLLER,
    "has an endorsement key certificate that nobody compared with the TPM vendors that HGS trusts",
    "name the files of their root and intermediate certificates (trusted_roots, trusted_intermediates)",
    Severity.WARNING,
    "the task was given no root certificates",
)
NO_UEFI = FindingKind(
    "GF-RDY-020",
    Owner.FABRIC,
    "did not start by UEFI",
    "switch the firmware to UEFI and convert the system disk (mbr2gpt), or install anew",
    Severity.ERROR,
    "legacy or compatibility boot in the firmware",
)
NO_SECURE_BOOT = FindingKind(
    "GF-RDY-021",
    Owner.FABRIC,
    "started without Secure Boot (policy Hgs_SecureBootEnabled)",
    "switch Secure Boot on in the firmware, with Microsoft's template, and restart",
    Severity.ERROR,
    "switched off in the firmware",
)
NO_IOMMU = FindingKind(
    "GF-RDY-022",
    Owner.FABRIC,
    "has no IOMMU that Windows can use (policy Hgs_IommuEnabled)",
    "enable VT-d or AMD-Vi in the firmware and restart; for virtual machines the guardian disables the policy",
    Severity.ERROR,
    "switched off in the firmware, or a virtual machine",
)
VBS_IMPOSSIBLE = FindingKind(
    "GF-RDY-030",
    Owner.FABRIC,
    "cannot run virtualization-based security: more is required than the computer has",
    "switch on in the firmware what is lacking, or lower RequirePlatformSecurityFeatures, and restart",
    Severity.ERROR,
    "firmware settings, or a Group Policy that asks for more",
)
VBS_NOT_RUNNING = FindingKind(
    "GF-RDY-031",
    Owner.FABRIC,
    "does not run virtualization-based security (policy Hgs_VsmIdkPresent)",
    "run the playbook guarded.fabric.prepare_hosts: the feature HostGuardian switches it on with its restart",
    Severity.WARNING,
    "HostGuardian is not installed yet or waits for its restart; or what it requires is lacking",
)
NO_MEMORY_INTEGRITY = FindingKind(
    "GF-RDY-032",
    Owner.FABRIC,
    "does not let the hypervisor enforce code integrity (policy Hgs_HypervisorEnforcedCiPolicy)",
    "run the playbook guarded.fabric.prepare_hosts; where it is switched off by hand or Group Policy, enable "
    "virtualization-based protection of code integrity without UEFI lock, and restart",
    Severity.WARNING,
    "HostGuardian is not installed yet or waits for its restart; or a driver or a Group Policy keeps it off",
)
NO_CODE_INTEGRITY = FindingKind(
    "GF-RDY-033",
    Owner.FABRIC,
    "has no code integrity policy in force (policy Hgs_CiPolicy)",
    "run the playbook guarded.fabric.prepare_hosts, or the module guarded.fabric.code_integrity_policy",
    Severity.WARNING,
    "the host was not prepared yet",
)
DEBUGGER = FindingKind(
    "GF-RDY-040",
    Owner.FABRIC,
    "runs with a kernel debugger (policy Hgs_UefiDebugDisabled)",
    "run bcdedit /debug off, and restart",
    Severity.ERROR,
    "somebody debugged a driver",
)
DUMPS = FindingKind(
    "GF-RDY-041",
    Owner.FABRIC,
    "writes crash dumps (policies Hgs_NoDumps and Hgs_DumpEncryption)",
    "set CrashDumpEnabled below Control\\CrashControl to 0, and restart; for encrypted dumps the guardian has to "
    "disable Hgs_NoDumps and register the key",
    Severity.ERROR,
    "dumps were switched on again after HostGuardian had forced them off",
)
HIBERNATION = FindingKind(
    "GF-RDY-042",
    Owner.FABRIC,
    "can hibernate (policy Hgs_NoHibernation)",
    "run powercfg /hibernate off, and restart",
    Severity.ERROR,
    "the default of many installations",
)
PAGE_FILE_IN_THE_CLEAR = FindingKind(
    "GF-RDY-043",
    Owner.FABRIC,
    "does not encrypt its page file (policy Hgs_PageFileEncryptionEnabled)",
    "run fsutil behavior set encryptpagingfile 1, and restart",
    Severity.ERROR,
    "the default of Windows",
)
NO_BITLOCKER = FindingKind(
    "GF-RDY-044",
    Owner.FABRIC,
    "has an operating system volume that BitLocker does not protect (policy Hgs_BitLockerEnabled)",
    "encrypt the volume, or have the guardian disable the policy",
    Severity.ERROR,
    "BitLocker was never switched on, or is suspended",
)
TEST_SIGNING = FindingKind(
    "GF-RDY-050",
    Owner.FABRIC,
    "lets test-signed drivers run",
    "run bcdedit /set testsigning off, and restart",
    Severity.WARNING,
    "somebody tried a driver out",
)

NOT_READ = FindingKind(
    "GF-RDY-900",
    Owner.FABRIC,
    "did not say whether it meets a requirement",
    "run this as an administrator, elevated; read the cmdlet's message, and ask the host by hand",
    Severity.ERROR,
    "missing rights, a cmdlet that failed, or a value that this version of Windows does not have",
)
