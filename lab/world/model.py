# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's world is made of: plain data, nothing else.

Every value is a string, number, boolean, bytes, datetime, list, dict, set or one of these dataclasses, so that the
whole world can be written to disk after any change and read back. Private keys are PKCS#8 DER, certificates are DER.
What the things *do* lives beside this file, one module per subject.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

WindowsVersion = Literal["2016", "2019", "2022", "2025"]
Edition = Literal["Standard", "Datacenter"]
MachineKind = Literal["hgs", "host", "dns", "tenant", "guest"]


@dataclass
class Certificate:
    """A certificate as a Windows store holds it; `key` is None where only the public part is there."""

    der: bytes
    key: bytes | None = None


@dataclass
class Account:
    """A local or domain account that may log on."""

    name: str
    password: str
    administrator: bool = True
    reads_only: bool = False


@dataclass
class Tpm:
    """A TPM. `pcrs` is the SHA-256 bank; `ek_certificate` is None for a TPM whose vendor issued none.

    One of another `version` than 2.0 only says so: the lab has no TPM 1.2.
    """

    vendor: str
    ek_key: bytes
    ek_certificate: bytes | None
    ak_key: bytes
    pcrs: dict[int, bytes] = field(default_factory=dict)
    ready: bool = True
    version: str = "2.0"


@dataclass
class Firmware:
    """UEFI firmware and its settings; `variables` are the Secure Boot variables PK, KEK, db and dbx, by name."""

    vendor: str
    version: str
    uefi: bool = True
    secure_boot: bool = True
    iommu: bool = True
    debug: bool = False
    variables: dict[str, bytes] = field(default_factory=dict)
    option_roms: list[bytes] = field(default_factory=list)


@dataclass
class BootSettings:
    """What the next start of Windows will do; attestation sees it only after that start."""

    virtualization_based_security: bool = False
    hypervisor_enforced_code_integrity: bool = False
    kernel_debugger: bool = False
    test_signing: bool = False
    hibernation: bool = False
    dumps: bool = False
    dump_encryption: bool = False
    pagefile_encryption: bool = True
    resume_instead_of_boot: bool = False


@dataclass
class Boot:
    """One start of a machine: what was running and measured since then."""

    started: datetime
    counter: int
    settings: BootSettings
    log: bytes = b""
    code_integrity_policy: bytes | None = None
    identity_key: bytes | None = None
    """The VBS identity key of this boot (RSA, PKCS#8); None where VBS does not run."""


@dataclass
class CodeIntegrityEvent:
    """An event of code integrity: what was or would have been blocked, and by whom it was loaded."""

    id: int
    time: datetime
    file: str
    process: str
    sha1: bytes
    sha256: bytes


@dataclass
class Guardian:
    """An entry of the local guardian store ("Shielded VM Local Certificates")."""

    name: str
    signing: Certificate
    encryption: Certificate
    metadata: bytes = b""
    """The document by which the guardian introduces itself (guardian metadata); what Export-HgsGuardian writes."""


@dataclass
class ClientConfiguration:
    """The HGS client of a host; numbers and names of the states: win32 docs, MSFT_HgsClientConfiguration."""

    mode: str = "Local"
    attestation_url: str = ""
    key_protection_url: str = ""
    fallback_attestation_urls: list[str] = field(default_factory=list)
    fallback_key_protection_urls: list[str] = field(default_factory=list)
    operation_mode: str = "Unknown"
    status: str = "NotConfigured"
    substatus: list[str] = field(default_factory=list)
    health_certificate: bytes | None = None
    last_attestation_url: str = ""
    last_key_protection_url: str = ""


@dataclass
class VolumeKeyProtector:
    """One way to the key of a BitLocker volume; `sealed` is that key, encrypted so that only this way opens it."""

    id: str
    type: Literal["Tpm", "RecoveryPassword", "ExternalKey"]
    sealed: bytes
    shown: bytes = b""
    """The recovery password, encrypted with the key it protects: whoever opened the volume can read it again."""


@dataclass
class BitLocker:
    """The metadata of a BitLocker volume. Sectors below `encrypted` are cipher text, the others not yet."""

    protectors: list[VolumeKeyProtector]
    since: datetime | None = None
    """When it was switched on, or went on after a pause; None while there are protectors only."""
    encrypted: int = 0
    waits_for_restart: bool = False
    """Nothing is encrypted before the next start has shown that the protectors work (the hardware test)."""


@dataclass
class VirtualDisk:
    """A VHDX file. `volume` is what its sectors hold: readable text until the guest's BitLocker encrypted it."""

    path: str
    volume: bytes
    parent: str | None = None
    bitlocker: BitLocker | None = None


@dataclass
class VirtualMachine:
    """A Hyper-V virtual machine as its configuration file describes it."""

    id: str
    name: str
    generation: int
    version: str
    disks: list[str]
    state: Literal["Off", "Running", "Saved", "Paused"] = "Off"
    secure_boot: bool = True
    checkpoints: list[str] = field(default_factory=list)
    key_protector: bytes = b"\x00\x00\x00\x04"
    last_known_good_key_protector: bytes = b"\x00\x00\x00\x04"
    tpm_enabled: bool = False
    vtpm_state: bytes = b""
    """Encrypted under the key protector's transport key; empty until the first start with a vTPM."""
    shielded: bool = False
    encrypt_state: bool = False
    virtualization_based_security_opt_out: bool = False
    waits_for_recovery_key: bool = False
    """It runs, but BitLocker asks for a recovery key before Windows starts."""
    guest: str | None = None
    """Name of the machine that runs inside, if the lab lets one log on to it."""
    moved_from: str | None = None
    """The node of a failover cluster from which a drain moved it."""


@dataclass
class VirtualMachineMemory:
    """What is in the clear only while a virtual machine runs, and in no file: its vTPM and the keys of open volumes."""

    vtpm: bytes = b""
    volume_keys: dict[str, bytes] = field(default_factory=dict)
    """By path of the disk."""


@dataclass
class DnsServer:
    """Zones this machine answers for, and conditional forwarders (zone name to master addresses)."""

    zones: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    forwarders: dict[str, list[str]] = field(default_factory=dict)
    replicated: set[str] = field(default_factory=set)
    """Forwarders that are kept in Active Directory, and so on every DNS server of the domain."""


@dataclass
class Machine:
    """One Windows computer of the lab."""

    name: str
    kind: MachineKind
    address: str
    version: WindowsVersion
    edition: Edition
    accounts: dict[str, Account]
    build: str = "20348.2113"
    clock_offset: float = 0.0
    """Seconds that its clock is ahead of the world's."""
    features: set[str] = field(default_factory=set)
    pending_features: set[str] = field(default_factory=set)
    """Installed, but not usable before the next restart."""
    pending_promotion: str | None = None
    """Domain this machine becomes a controller of at its next restart."""
    domain: str | None = None
    domain_controller: bool = False
    dns_client: list[str] = field(default_factory=list)
    dns_server: DnsServer | None = None
    stores: dict[str, list[Certificate]] = field(default_factory=dict)
    """Certificate stores by path below Cert:\\, in lower case: 'localmachine\\my'."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Files by full path, in lower case with backslashes."""
    file_times: dict[str, datetime] = field(default_factory=dict)
    """When files were last written, by the same path, as far as that was since the world began."""
    folders: set[str] = field(default_factory=set)
    """Folders that somebody made, written like `files`."""
    registry: dict[str, dict[str, object]] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    hardware_class: str = ""
    firmware: Firmware | None = None
    tpm: Tpm | None = None
    settings: BootSettings = field(default_factory=BootSettings)
    boot: Boot | None = None
    installed_software: dict[str, bytes] = field(default_factory=dict)
    """Program files (path to content) that a code integrity scan finds."""
    code_integrity_events: list[CodeIntegrityEvent] = field(default_factory=list)
    """The oldest first."""
    client: ClientConfiguration = field(default_factory=ClientConfiguration)
    guardians: dict[str, Guardian] = field(default_factory=dict)
    virtual_machines: dict[str, VirtualMachine] = field(default_factory=dict)
    memory: dict[str, VirtualMachineMemory] = field(default_factory=dict)
    """Memory of the virtual machines by their id; means nothing for one that does not run."""
    disks: dict[str, VirtualDisk] = field(default_factory=dict)
    """By full path, as in `files`."""
    host: str | None = None
    """For a guest: the machine whose Hyper-V runs it."""
    failover_cluster: str | None = None
    """For a host: the cluster whose node it is."""
    is_paused: bool = False
    """As a node of that cluster: it takes no more roles."""
    down_until: datetime | None = None
    """Restarting until then; None while it runs."""
    dead: bool = False
    """Switched off or broken; stays so until somebody revives it."""
    shutdown_at: datetime | None = None
    """When a restart that was asked for begins; None where none was."""
    stuck_at_restart: bool = False
    """Its next restart does not come to an end: it is dead from then on."""


@dataclass
class Domain:
    """An Active Directory domain (a forest of its own)."""

    name: str
    netbios: str
    accounts: dict[str, Account]
    controllers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TpmHost:
    """A registered TPM identity; `identifier` is the SHA-256 of the endorsement key, upper-case hex.

    Frozen, so that the store sees without reading a thousand of them which ones are new.
    """

    name: str
    identifier: str
    endorsement_key: bytes
    endorsement_certificate: bytes | None
    policy_version: str


@dataclass
class AttestationPolicy:
    """A built-in `Hgs_*` policy or one an administrator added (then `content` is the TCG log or the CI policy)."""

    name: str
    type: str
    state: Literal["Enabled", "Disabled", "Locked"]
    version: str
    content: bytes = b""


@dataclass
class AttestationState:
    """What the attestation service of a cluster knows; replicated to every node."""

    mode: Literal["Tpm", "HostKey", "AD"]
    signer: Certificate
    functional_level: int = 2
    """Highest protocol version: 1 for a Windows Server 2016 service, else 2 ([MS-HGSA] 2.2.2.10)."""
    health_lifetime_hours: float = 8.0
    hosts: dict[str, TpmHost] = field(default_factory=dict)
    policies: dict[str, AttestationPolicy] = field(default_factory=dict)
    sessions: dict[str, bytes] = field(default_factory=dict)
    """Challenges of attestations under way, by session id."""
    events: list[dict[str, str]] = field(default_factory=list)


@dataclass
class KeyCertificate:
    """A certificate of the Key Protection Service."""

    type: Literal["Signing", "Encryption"]
    certificate: Certificate
    primary: bool = True
    enabled: bool = True
    from_pfx: bool = True


@dataclass
class KeyProtectionState:
    """What the Key Protection Service of a cluster knows; replicated to every node."""

    certificates: list[KeyCertificate]
    communications: Certificate
    trusted_attestation_signers: list[bytes] = field(default_factory=list)
    deny_issued_before: dict[str, datetime] = field(default_factory=dict)


@dataclass
class HgsCluster:
    """A Host Guardian Service cluster. A node serves once it is in `nodes`; `joined` says since when."""

    service_name: str
    domain: str
    attestation: AttestationState
    key_protection: KeyProtectionState
    nodes: list[str] = field(default_factory=list)
    joined: dict[str, datetime] = field(default_factory=dict)
    http: bool = True


@dataclass
class World:
    """Everything there is."""

    machines: dict[str, Machine] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    clusters: dict[str, HgsCluster] = field(default_factory=dict)
    """By fully qualified service name, in lower case."""
    tpm_vendors: dict[str, Certificate] = field(default_factory=dict)
    """Root authorities of TPM vendors, with their keys: the lab plays the vendors too."""
