# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a machine of the lab: firmware, boot loader and Windows measure what they find, and the log tells it.

The log is honest: whatever the machine's firmware, settings and files are is what it says, and replaying it gives the
PCRs of the machine's TPM. Which event goes where follows the TCG PC Client Platform Firmware Profile for the firmware's
part, and published logs of Windows for Windows' part. Digests of Windows' own files, image addresses and the signing
authorities are lab only.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_DNS, UUID, uuid5

from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, tcg_log, uefi
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import firmware as factory
from . import registry_values
from .event_log import Recorder, container, flag, number, sipa, text, uefi_variable, utf16
from .model import Boot, BootSettings, Firmware, Machine
from .tpm import new_rsa_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

CODE_INTEGRITY_POLICY_PATH: Final = r"c:\windows\system32\codeintegrity\sipolicy.p7b"
"""Where Windows looks for the active policy: WSD guarded-fabric-tpm-trusted-attestation-capturing-hardware."""

_BOOT_MANAGER: Final = r"\EFI\Microsoft\Boot\bootmgfw.efi"
_OS_LOADER: Final = r"\Windows\system32\winload.efi"
_RESUME_LOADER: Final = r"\Windows\system32\winresume.efi"
_HYPERVISOR: Final = r"\Windows\system32\hvix64.exe"
_SECURE_KERNEL: Final = r"\Windows\system32\securekernel.exe"
_KERNEL_FILES: Final = (r"\Windows\system32\ntoskrnl.exe", r"\Windows\system32\hal.dll", r"\Windows\system32\ci.dll")
_DRIVERS: Final = (r"\Windows\system32\drivers\wdfilter.sys", r"\Windows\system32\drivers\tpm.sys")

_TRANSFER_TO_OS_LOADER: Final = 1
_TRANSFER_TO_RESUME: Final = 2
_CAPI_SHA256: Final = 0x800C
_RSA_KEY: Final = 1
_HVCI_ON: Final = 1
_OS_DEVICE_PARTITION: Final = 0x10004
_END_OF_DEVICE_PATH: Final = bytes.fromhex("7fff0400")
_SEPARATOR: Final = bytes(4)
_CLOSING_SEPARATOR: Final = b"WBCL"
_WINDOWS_STARTS: Final = bytes.fromhex("10000000")
_WINDOWS_ENDS: Final = bytes.fromhex("ffff0000")


class SecureBootViolationError(RuntimeError):
    """The firmware's db does not vouch for Windows' boot manager, or dbx forbids it: the machine does not start."""


def measure(machine: Machine, now: datetime, new_key: Callable[[], bytes] = new_rsa_key) -> None:
    """Start the machine: reset its TPM, measure everything, and replace `machine.boot`.

    `new_key` makes the identity key of virtualization-based security, where that runs. A machine without a TPM gets an
    empty log. Raises SecureBootViolationError and changes nothing where Secure Boot stops the boot manager.
    """
    firmware = machine.firmware or Firmware(vendor="none", version="0", uefi=False, secure_boot=False)
    _check_secure_boot(machine, firmware)
    boot = _next_boot(machine, firmware, now, new_key)
    if machine.tpm is not None:
        recorder = Recorder(machine.tpm)
        _measure_firmware(recorder, firmware)
        _measure_boot_manager(recorder, machine, firmware)
        _measure_windows(recorder, machine, firmware, boot)
        boot.log = recorder.log
    machine.boot = boot


def _next_boot(machine: Machine, firmware: Firmware, now: datetime, new_key: Callable[[], bytes]) -> Boot:
    before = machine.boot
    counter = before.counter + 1 if before else 1
    if before and machine.settings.resume_instead_of_boot:
        # What was running goes on running: its settings, its policy and its key.
        return replace(
            before, started=now, counter=counter, settings=replace(before.settings, resume_instead_of_boot=True)
        )
    settings = replace(machine.settings, resume_instead_of_boot=False)
    return Boot(
        started=now,
        counter=counter,
        settings=settings,
        code_integrity_policy=_active_policy(machine),
        identity_key=new_key() if _runs_vbs(machine, settings, firmware) else None,
    )


def _active_policy(machine: Machine) -> bytes | None:
    """Return the policy Windows loads; a file that is no policy is as good as none."""
    content = machine.files.get(CODE_INTEGRITY_POLICY_PATH, b"")
    try:
        si_policy_binary.read(content)
    except FormatError:
        return None
    return content


def _runs_vbs(machine: Machine, settings: BootSettings, firmware: Firmware) -> bool:
    """Virtualization-based security asks for Secure Boot at least (Microsoft's "Enable memory integrity")."""
    has_what_is_required = firmware.iommu or not registry_values.requires_dma_protection(machine)
    return settings.virtualization_based_security and firmware.uefi and firmware.secure_boot and has_what_is_required


def _check_secure_boot(machine: Machine, firmware: Firmware) -> None:
    if not (firmware.uefi and firmware.secure_boot):
        return
    vouched = factory.vouching_entry(firmware.variables, factory.WINDOWS_AUTHORITY) is not None
    if not vouched or factory.is_forbidden(firmware.variables, _image(machine, _BOOT_MANAGER)):
        raise SecureBootViolationError(f"{machine.name}: Secure Boot does not let Windows' boot manager run")


def _measure_firmware(recorder: Recorder, firmware: Firmware) -> None:
    recorder.measure(0, tcg_log.EV_S_CRTM_VERSION, utf16(firmware.version))
    code = hashlib.sha256(f"firmware of {firmware.vendor}, {firmware.version}".encode()).digest()
    where = struct.pack("<QQ", 0xFF000000, 0x1000000)
    recorder.measure_image(0, tcg_log.EV_EFI_PLATFORM_FIRMWARE_BLOB, code, where)
    if firmware.uefi:
        _measure_secure_boot_policy(recorder, firmware)
    recorder.measure(7, tcg_log.EV_SEPARATOR, _SEPARATOR)
    if firmware.uefi:
        _measure_boot_options(recorder)
        _measure_option_roms(recorder, firmware)
        recorder.measure(4, tcg_log.EV_EFI_ACTION, b"Calling EFI Application from Boot Option")
    for pcr in range(7):
        recorder.measure(pcr, tcg_log.EV_SEPARATOR, _SEPARATOR)


def _measure_secure_boot_policy(recorder: Recorder, firmware: Firmware) -> None:
    """PCR 7 up to its separator; the two texts are those of edk2 (Tcg2Dxe, IntelVTdDxe)."""
    if firmware.debug:
        recorder.measure(7, tcg_log.EV_EFI_ACTION, b"UEFI Debug Mode")
    if not firmware.iommu:
        recorder.measure(7, tcg_log.EV_EFI_ACTION, b"DMA Protection Disabled")
    variables = {
        "SecureBoot": bytes([firmware.secure_boot]),
        **{name: firmware.variables.get(name, b"") for name in ("PK", "KEK", "db", "dbx")},
    }
    for name, content in variables.items():
        vendor = uefi.IMAGE_SECURITY_DATABASE if name in ("db", "dbx") else uefi.GLOBAL_VARIABLE
        recorder.measure(7, tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG, uefi_variable(vendor, name, content))


def _measure_boot_options(recorder: Recorder) -> None:
    option = struct.pack("<IH", 1, len(_END_OF_DEVICE_PATH)) + utf16("Windows Boot Manager") + _END_OF_DEVICE_PATH
    for name, content in (("BootOrder", bytes(2)), ("Boot0000", option)):
        variable = uefi_variable(uefi.GLOBAL_VARIABLE, name, content)
        recorder.measure(1, tcg_log.EV_EFI_VARIABLE_BOOT, variable)


def _measure_option_roms(recorder: Recorder, firmware: Firmware) -> None:
    """Secure Boot runs an option ROM only if db vouches for it; the authority is measured the first time it vouches."""
    loaded = [hashlib.sha256(rom).digest() for rom in firmware.option_roms]
    if firmware.secure_boot:
        entry = factory.vouching_entry(firmware.variables, factory.OPTION_ROM_AUTHORITY)
        loaded = [digest for digest in loaded if entry and not factory.is_forbidden(firmware.variables, digest)]
        if entry and loaded:
            _measure_authority(recorder, entry)
    for digest in loaded:
        recorder.measure_image(2, tcg_log.EV_EFI_BOOT_SERVICES_DRIVER, digest, _image_load_event("option ROM"))


def _measure_authority(recorder: Recorder, entry: uefi.Signature) -> None:
    variable = uefi_variable(uefi.IMAGE_SECURITY_DATABASE, "db", entry.owner.bytes_le + entry.data)
    recorder.measure(7, tcg_log.EV_EFI_VARIABLE_AUTHORITY, variable)


def _measure_boot_manager(recorder: Recorder, machine: Machine, firmware: Firmware) -> None:
    if not firmware.uefi:
        recorder.measure(4, tcg_log.EV_IPL, b"boot sector")
        return
    if firmware.secure_boot:
        entry = factory.vouching_entry(firmware.variables, factory.WINDOWS_AUTHORITY)
        if entry is not None:
            _measure_authority(recorder, entry)
    recorder.measure(5, tcg_log.EV_EFI_GPT_EVENT, _partition_table(machine))
    image = _image(machine, _BOOT_MANAGER)
    description = _image_load_event(_BOOT_MANAGER)
    recorder.measure_image(4, tcg_log.EV_EFI_BOOT_SERVICES_APPLICATION, image, description)


def _measure_windows(recorder: Recorder, machine: Machine, firmware: Firmware, boot: Boot) -> None:
    resumes = boot.settings.resume_instead_of_boot
    recorder.measure(11, tcg_log.EV_COMPACT_HASH, _WINDOWS_STARTS)
    _measure_boot_manager_boundary(recorder, machine, boot)
    if resumes:
        recorder.measure(11, tcg_log.EV_COMPACT_HASH, _WINDOWS_ENDS)
        _tagged(recorder, 12, "TrustBoundary", _security_state(boot.settings))
    else:
        _measure_loader_boundary(recorder, machine, firmware, boot)
        _measure_kernel_boundary(recorder, machine, firmware, boot)
        if boot.identity_key is not None:
            _tagged(recorder, 12, "TrustBoundary", _identity_keys(boot.identity_key))
        recorder.measure(11, tcg_log.EV_COMPACT_HASH, _WINDOWS_ENDS)
    for pcr in (12, 13, 14):
        recorder.measure(pcr, tcg_log.EV_SEPARATOR, _CLOSING_SEPARATOR)
    for action in (b"Exit Boot Services Invocation", b"Exit Boot Services Returned with Success"):
        recorder.measure(5, tcg_log.EV_EFI_ACTION, action)


def _measure_boot_manager_boundary(recorder: Recorder, machine: Machine, boot: Boot) -> None:
    resumes = boot.settings.resume_instead_of_boot
    loader = _RESUME_LOADER if resumes else _OS_LOADER
    state = _security_state(boot.settings)
    _tagged(
        recorder,
        12,
        "TrustBoundary",
        [
            number("BootCounter", boot.counter),
            *_modules_without_names(machine, boot, (_BOOT_MANAGER, loader)),
            number("ApplicationSvn", 1, 4),
            number("SvnChainStatus", 0, 4),
            number("TransferControl", _TRANSFER_TO_RESUME if resumes else _TRANSFER_TO_OS_LOADER, 4),
            *state,
        ],
    )
    _tagged(recorder, 13, "TrustBoundary", [*state, _secure_boot_policy(machine), _module(machine, loader)])
    recorder.measure(14, tcg_log.EV_EVENT_TAG, sipa("AuthorityPubKey", _authority_key()))


def _measure_loader_boundary(recorder: Recorder, machine: Machine, firmware: Firmware, boot: Boot) -> None:
    hypervisor = _hypervisor_state(firmware, boot) if _launches_hypervisor(machine, boot) else []
    modules = (_HYPERVISOR, *_KERNEL_FILES) if hypervisor else _KERNEL_FILES
    _tagged(recorder, 12, "TrustBoundary", [*_modules_without_names(machine, boot, modules), *hypervisor])
    _tagged(
        recorder,
        13,
        "TrustBoundary",
        [
            *hypervisor,
            *_security_state(boot.settings),
            _secure_boot_policy(machine),
            *_code_integrity_policies(boot),
            *(_module(machine, path) for path in modules),
        ],
    )
    recorder.measure(14, tcg_log.EV_EVENT_TAG, sipa("AuthorityPubKey", _authority_key()))


def _measure_kernel_boundary(recorder: Recorder, machine: Machine, firmware: Firmware, boot: Boot) -> None:
    settings = boot.settings
    vbs = boot.identity_key is not None
    modules = (_SECURE_KERNEL, *_DRIVERS) if vbs else _DRIVERS
    _tagged(recorder, 12, "TrustBoundary", _modules_without_names(machine, boot, modules))
    facts = [
        flag("OsKernelDebug", settings.kernel_debugger),
        number("OsDevice", _OS_DEVICE_PARTITION, 4),
        text("SystemRoot", r"\Windows"),
        number("DataExecutionPrevention", 1, 4),
        flag("SafeMode", value=False),
        flag("WinPE", value=False),
        number("HypervisorLaunchType", int(_launches_hypervisor(machine, boot)), 4),
        number("VsmLaunchType", int(vbs), 4),
        flag("PagefileEncryptionEnabled", settings.pagefile_encryption),
        flag("HibernationDisabled", not settings.hibernation),
        flag("DumpsDisabled", not settings.dumps),
        flag("DumpEncryptionEnabled", settings.dump_encryption),
    ]
    if vbs:
        facts += [
            flag("VbsVsmRequired", value=True),
            flag("VbsSecurebootRequired", value=True),
            flag("VbsIommuRequired", firmware.iommu),
            number("VbsHvciPolicy", _HVCI_ON if settings.hypervisor_enforced_code_integrity else 0),
            flag("VbsMicrosoftBootChainRequired", value=True),
        ]
    facts += [number("DriverLoadPolicy", 1, 4), number("SmtStatus", 1, 4), *_security_state(settings)]
    _tagged(recorder, 13, "TrustBoundary", [*facts, *(_module(machine, path) for path in modules)])
    _tagged(recorder, 14, "TrustBoundary", [sipa("AuthorityPubKey", _authority_key())])


def _security_state(settings: BootSettings) -> list[bytes]:
    return [
        flag("BootDebugging", value=False),
        flag("TestSigning", settings.test_signing),
        flag("FlightSigning", value=False),
        flag("CodeIntegrity", value=True),
        number("BitlockerUnlock", 0, 4),
        number("MorBitApiStatus", 0, 4),
    ]


def _hypervisor_state(firmware: Firmware, boot: Boot) -> list[bytes]:
    return [
        flag("HypervisorDebug", value=False),
        number("HypervisorIommuPolicy", int(firmware.iommu and boot.identity_key is not None), 4),
        number("HypervisorMmioNxPolicy", 1, 4),
        number("HypervisorMsrFilterPolicy", 1, 4),
    ]


def _launches_hypervisor(machine: Machine, boot: Boot) -> bool:
    return "Hyper-V" in machine.features or boot.identity_key is not None


def _code_integrity_policies(boot: Boot) -> Iterator[bytes]:
    """Which bytes Windows hashes is not public; lab only: those of the policy without its signature."""
    if boot.code_integrity_policy is None:
        return
    version = si_policy_binary.read(boot.code_integrity_policy).version
    digest = bytes.fromhex(si_policy_binary.digest(boot.code_integrity_policy))
    name = utf16("SiPolicy.p7b")
    yield sipa("SiPolicy", struct.pack("<QHHI", version, len(name), tcg_log.SHA256, len(digest)) + name + digest)


def _secure_boot_policy(machine: Machine) -> bytes:
    digest = hashlib.sha256(f"Secure Boot policy of Windows Server {machine.version}".encode()).digest()
    head = struct.pack("<IIHHII", 1, 20, tcg_log.SHA256, len(digest), 0, 0)
    return sipa("SbcpInfo", head + digest)


def _identity_keys(key: bytes) -> list[bytes]:
    """VsmIdkInfo is the key that health certificates are issued for; VsmIdksInfo, the signing one, is the same here."""
    private = serialization.load_der_private_key(key, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError("the identity key of virtualization-based security is an RSA key")
    numbers = private.public_key().public_numbers()
    exponent = numbers.e.to_bytes(3, "big")
    modulus = numbers.n.to_bytes(private.key_size // 8, "big")
    payload = struct.pack("<IIII", _RSA_KEY, private.key_size, len(exponent), len(modulus)) + exponent + modulus
    return [sipa("VsmIdkInfo", payload), sipa("VsmIdksInfo", payload)]


def _tagged(recorder: Recorder, pcr: int, name: str, events: list[bytes]) -> None:
    recorder.measure(pcr, tcg_log.EV_EVENT_TAG, container(name, events))


def _modules_without_names(machine: Machine, boot: Boot, paths: tuple[str, ...]) -> list[bytes]:
    """Return what PCR 12 holds of modules; addresses differ at every start, as Windows randomises them."""
    return [
        container(
            "LoadedModuleAggregation",
            [
                sipa("AuthenticodeHash", _image(machine, path)),
                number("ImageBase", 0x200000 * (boot.counter % 1000 + position)),
            ],
        )
        for position, path in enumerate(paths, start=1)
    ]


def _module(machine: Machine, path: str) -> bytes:
    return container(
        "LoadedModuleAggregation",
        [
            text("FilePath", path),
            number("ImageSize", 0x100000),
            number("HashAlgorithmId", _CAPI_SHA256, 4),
            sipa("AuthenticodeHash", _image(machine, path)),
            flag("ImageValidated", value=True),
            text("AuthorityIssuer", factory.WINDOWS_AUTHORITY),
            text("AuthorityPublisher", "Lab Windows"),
        ],
    )


def _image(machine: Machine, path: str) -> bytes:
    return hashlib.sha256(f"{path} of Windows {machine.build}".encode()).digest()


def _authority_key() -> bytes:
    return hashlib.sha256(factory.authority(factory.WINDOWS_AUTHORITY)).digest()


def _image_load_event(path: str) -> bytes:
    """UEFI_IMAGE_LOAD_EVENT: address, length, link-time address, length of the device path, device path."""
    name = utf16(path)
    file_path = struct.pack("<BBH", 4, 4, 4 + len(name)) + name + _END_OF_DEVICE_PATH
    return struct.pack("<QQQQ", 0x80000000, 0x100000, 0, len(file_path)) + file_path


def _partition_table(machine: Machine) -> bytes:
    """UEFI_GPT_DATA with one partition: the header of the disk's partition table, count, entry."""
    disk = uuid5(NAMESPACE_DNS, f"{machine.name}.disk")
    system_partition = UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
    entry = struct.pack(
        "<16s16sQQQ72s", system_partition.bytes_le, disk.bytes_le, 2048, 206847, 0, utf16("EFI system partition")
    )
    fields = struct.pack(
        "<QQQQ16sQIII", 1, 0x1FFFFF, 34, 0x1FFFDE, disk.bytes_le, 2, 128, 128, zlib.crc32(entry + bytes(127 * 128))
    )
    start = struct.pack("<8sII", b"EFI PART", 0x10000, 92)
    checksum = zlib.crc32(start + bytes(8) + fields)
    return start + struct.pack("<II", checksum, 0) + fields + struct.pack("<Q", 1) + entry
