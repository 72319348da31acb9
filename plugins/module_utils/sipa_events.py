# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The numbers of Windows' boot measurements: which event has which name and which kind of payload.

Numbers: wbcl.h of the Windows SDK (SIPAEVENT_*). Kinds: wbcl.h where it has a structure; else the display code of
Microsoft's PCPTool (TSS.MSR) and TCGLogTools, or, for events not seen in a published log, the name.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """How the payload of an event reads."""

    CONTAINER = "more events"
    FLAG = "true if any byte is not zero"
    NUMBER = "unsigned number, little endian, as long as the payload"
    TEXT = "UTF-16 with or without a closing NUL"
    BYTES = "not interpreted"
    CODE_INTEGRITY_POLICY = "SI_POLICY"
    CODE_INTEGRITY_SIGNER = "SI_POLICY_SIGNER"
    REVOCATION_LIST = "REVOCATION_LIST"
    IDENTITY_KEY = "VSM_IDK_INFO"
    SECURE_BOOT_POLICY = "SBCP_INFO"


class EventType(NamedTuple):
    """Name and kind of an event."""

    name: str
    kind: Kind


_C, _F, _N, _T, _B = Kind.CONTAINER, Kind.FLAG, Kind.NUMBER, Kind.TEXT, Kind.BYTES

EVENT_TYPES: Final[Mapping[int, EventType]] = MappingProxyType(
    {
        0x40010001: EventType("TrustBoundary", _C),
        0x40010002: EventType("ElamAggregation", _C),
        0x40010003: EventType("LoadedModuleAggregation", _C),
        0xC0010004: EventType("TrustpointAggregation", _C),
        0x40010005: EventType("KsrAggregation", _C),
        0x40010006: EventType("KsrSignedMeasurementAggregation", _C),
        0x00020001: EventType("Information", _B),
        0x00020002: EventType("BootCounter", _N),
        0x00020003: EventType("TransferControl", _N),
        0x00020004: EventType("ApplicationReturn", _B),
        0x00020005: EventType("BitlockerUnlock", _N),
        0x00020006: EventType("EventCounter", _N),
        0x00020007: EventType("CounterId", _N),
        0x00020008: EventType("MorBitNotCancelable", _N),
        0x00020009: EventType("ApplicationSvn", _N),
        0x0002000A: EventType("SvnChainStatus", _N),
        0x0002000B: EventType("MorBitApiStatus", _N),
        0x0002000C: EventType("IdkGenerationStatus", _N),
        0x00030001: EventType("FirmwareFailure", _B),
        0x80030002: EventType("TpmFailure", _B),
        0x00030003: EventType("InternalFailure", _B),
        0x80030004: EventType("KsrFailure", _B),
        0x00030005: EventType("HypervisorFailure", _B),
        0x00040001: EventType("BootDebugging", _F),
        0x00040002: EventType("BootRevocationList", Kind.REVOCATION_LIST),
        0x00050001: EventType("OsKernelDebug", _F),
        0x00050002: EventType("CodeIntegrity", _F),
        0x00050003: EventType("TestSigning", _F),
        0x00050004: EventType("DataExecutionPrevention", _N),
        0x00050005: EventType("SafeMode", _F),
        0x00050006: EventType("WinPE", _F),
        0x00050007: EventType("PhysicalAddressExtension", _N),
        0x00050008: EventType("OsDevice", _N),
        0x00050009: EventType("SystemRoot", _T),
        0x0005000A: EventType("HypervisorLaunchType", _N),
        0x0005000B: EventType("HypervisorPath", _T),
        0x0005000C: EventType("HypervisorIommuPolicy", _N),
        0x0005000D: EventType("HypervisorDebug", _F),
        0x0005000E: EventType("DriverLoadPolicy", _N),
        0x0005000F: EventType("SiPolicy", Kind.CODE_INTEGRITY_POLICY),
        0x00050010: EventType("HypervisorMmioNxPolicy", _N),
        0x00050011: EventType("HypervisorMsrFilterPolicy", _N),
        0x00050012: EventType("VsmLaunchType", _N),
        0x00050013: EventType("OsRevocationList", Kind.REVOCATION_LIST),
        0x00050014: EventType("SmtStatus", _N),
        0x00050020: EventType("VsmIdkInfo", Kind.IDENTITY_KEY),
        0x00050021: EventType("FlightSigning", _F),
        0x00050022: EventType("PagefileEncryptionEnabled", _F),
        0x00050023: EventType("VsmIdksInfo", Kind.IDENTITY_KEY),
        0x00050024: EventType("HibernationDisabled", _F),
        0x00050025: EventType("DumpsDisabled", _F),
        0x00050026: EventType("DumpEncryptionEnabled", _F),
        0x00050027: EventType("DumpEncryptionKeyDigest", _B),
        0x00050028: EventType("LsaIsoConfig", _N),
        0x00050029: EventType("SbcpInfo", Kind.SECURE_BOOT_POLICY),
        0x00050030: EventType("HypervisorBootDmaProtection", _F),
        0x00050031: EventType("SiPolicySigner", Kind.CODE_INTEGRITY_SIGNER),
        0x00050032: EventType("SiPolicyUpdateSigner", Kind.CODE_INTEGRITY_SIGNER),
        0x00060001: EventType("NoAuthority", _T),
        0x00060002: EventType("AuthorityPubKey", _B),
        0x00070001: EventType("FilePath", _T),
        0x00070002: EventType("ImageSize", _N),
        0x00070003: EventType("HashAlgorithmId", _N),
        0x00070004: EventType("AuthenticodeHash", _B),
        0x00070005: EventType("AuthorityIssuer", _T),
        0x00070006: EventType("AuthoritySerial", _B),
        0x00070007: EventType("ImageBase", _N),
        0x00070008: EventType("AuthorityPublisher", _T),
        0x00070009: EventType("AuthoritySha1Thumbprint", _B),
        0x0007000A: EventType("ImageValidated", _F),
        0x0007000B: EventType("ModuleSvn", _N),
        0x0007000C: EventType("ModulePluton", _B),
        0x0007000D: EventType("ModuleOriginalFilename", _T),
        0x0007000E: EventType("ModuleVersion", _N),
        0x0007000F: EventType("PublisherOemName", _T),
        0x80080001: EventType("Quote", _B),
        0x80080002: EventType("QuoteSignature", _B),
        0x80080003: EventType("AikId", _T),
        0x80080004: EventType("AikPubDigest", _B),
        0x00090001: EventType("ElamKeyname", _T),
        0x00090002: EventType("ElamConfiguration", _B),
        0x00090003: EventType("ElamPolicy", _B),
        0x00090004: EventType("ElamMeasured", _B),
        0x000A0001: EventType("VbsVsmRequired", _F),
        0x000A0002: EventType("VbsSecurebootRequired", _F),
        0x000A0003: EventType("VbsIommuRequired", _F),
        0x000A0004: EventType("VbsMmioNxRequired", _F),
        0x000A0005: EventType("VbsMsrFilteringRequired", _F),
        0x000A0006: EventType("VbsMandatoryEnforcement", _F),
        0x000A0007: EventType("VbsHvciPolicy", _N),
        0x000A0008: EventType("VbsMicrosoftBootChainRequired", _F),
        0x000A0009: EventType("VbsDumpUsesAmeroot", _F),
        0x000A000A: EventType("VbsVsmNoSecretsEnforced", _F),
        0x000B0001: EventType("KsrSignature", _B),
        0x000C0001: EventType("DrtmStateAuth", _B),
        0x000C0002: EventType("DrtmSmmLevel", _N),
        0x000C0003: EventType("DrtmAmdSmmHash", _B),
        0x000C0004: EventType("DrtmAmdSmmSignerKey", _B),
    }
)

NUMBERS: Final[Mapping[str, int]] = MappingProxyType({event.name: number for number, event in EVENT_TYPES.items()})
"""The number of each named event."""
