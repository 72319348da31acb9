# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
r"""What a server says about itself, read in one execution: whether it can be a guarded host.

Every call may fail: a fact that could not be read is unknown, and nothing is concluded from it.
Sources: win32 docs of each CIM class; PSD TrustedPlatformModule, SecureBoot, BitLocker; windows-itpro-docs
(Win32_DeviceGuard); WSD guarded-fabric-troubleshoot-hosts and About-dump-encryption (values below Control).
Not published are HibernateEnabled, SystemStartOptions and the two keys by which Windows asks for a restart.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate
from ansible_collections.guarded.fabric.plugins.plugin_utils import readiness
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import ANY_ERROR, CMDLET_MISSING, Call, File, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.host_facts import HostFacts
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Inspection, Question
from ansible_collections.guarded.fabric.plugins.plugin_utils.machine_health import RESTARTS
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.requirement import Demands
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_of, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

_CONTROL = r"HKLM:\SYSTEM\CurrentControlSet\Control"
_VALUES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "start": (_CONTROL, ("SystemStartOptions",)),
    "dumps": (rf"{_CONTROL}\CrashControl", ("CrashDumpEnabled", "DumpEncryptionEnabled")),
    "forced-dumps": (rf"{_CONTROL}\CrashControl\ForceDumpsDisabled", ("GuardedHost",)),
    "power": (rf"{_CONTROL}\Power", ("HibernateEnabled", "HibernateEnabledDefault")),
    "files": (rf"{_CONTROL}\FileSystem", ("NtfsEncryptPagingFile",)),
}
_SYSTEM_VOLUME = "C:"

_DATACENTER = frozenset({8, 12, 80, 145, 407, 408})
"""OperatingSystemSKU: Datacenter, its Server Core, its evaluation, the annual channel, Azure Edition and its core."""
_LONGEST_CERTIFICATE = ek_certificate.MAXIMUM_SIZE * 4 // 3
"""Characters of one in Base64."""
_WORKSTATION = 1
_MEMORY_INTEGRITY = 2
_VBS_RUNNING = 2
_ENFORCEMENT = {0: "off", 1: "audit", 2: "enforced"}
_PROTECTION = {0: "Off", 1: "On", 2: "Unknown"}
_NO_KEY = "PathNotFound"
_NO_UEFI = "NotImplemented"
"""Category of Confirm-SecureBootUEFI's error on a computer that started by BIOS."""


NO_CERTIFICATE_TEXT = Kind(
    "GF-RDY-901",
    Owner.CONTROLLER,
    "is no list of certificates in Base64",
    "give it what the module guarded.fabric.trusted_tpm_vendors returned as vendors",
)


def _values(name: str) -> Call:
    key, values = _VALUES[name]
    return Call("Get-ItemProperty", {"LiteralPath": [key]}, id=name, select=values, accept=(ANY_ERROR,))


def _observe(options: Item) -> Sequence[Call]:
    any_error = (ANY_ERROR,)
    return (
        Call(
            "Get-CimInstance",
            {"ClassName": "Win32_OperatingSystem"},
            id="system",
            select=("Caption", "BuildNumber", "OperatingSystemSKU", "ProductType"),
            accept=any_error,
        ),
        Call(
            "Get-WindowsFeature",
            {"Name": ["Hyper-V", "HostGuardian"]},
            id="features",
            select=("Name", "InstallState"),
            accept=any_error,
        ),
        Call("Get-Tpm", id="tpm", select=("TpmPresent", "TpmReady"), accept=any_error),
        Call(
            "Get-CimInstance",
            {"ClassName": "Win32_Tpm", "Namespace": r"root\cimv2\Security\MicrosoftTpm"},
            id="tpm-version",
            select=("SpecVersion",),
            accept=any_error,
        ),
        Call(
            "Get-TpmEndorsementKeyInfo",
            id="endorsement",
            select=("IsPresent", "ManufacturerCertificates.RawData", "AdditionalCertificates.RawData"),
            accept=any_error,
        ),
        Call("Confirm-SecureBootUEFI", id="secure-boot", accept=any_error),
        Call(
            "Get-CimInstance",
            {"ClassName": "Win32_DeviceGuard", "Namespace": r"root\Microsoft\Windows\DeviceGuard"},
            id="guard",
            select=(
                "VirtualizationBasedSecurityStatus",
                "SecurityServicesRunning",
                "AvailableSecurityProperties",
                "RequiredSecurityProperties",
                "CodeIntegrityPolicyEnforcementStatus",
            ),
            accept=any_error,
        ),
        *(_values(name) for name in _VALUES),
        Call("Test-Path", {"LiteralPath": list(RESTARTS)}, id="restart", accept=any_error),
        *(
            [
                Call(
                    "Get-BitLockerVolume",
                    {"MountPoint": [_SYSTEM_VOLUME]},
                    id="volume",
                    select=("ProtectionStatus",),
                    accept=any_error,
                )
            ]
            if options.get("bitlocker")
            else []
        ),
    )


def facts_of(results: Results) -> HostFacts:
    """Read the facts out of what the calls gave."""
    facts = HostFacts(
        restart_pending=_any(results.scalars("restart")),
        system_volume_protected=_volume(results),
        errors={call: error.message for call in results if (error := results.error(call)) is not None},
    )
    for read in (_system, _features, _tpm, _secure_boot, _guard, _settings):
        facts = read(facts, results)
    return facts


def _number(value: object) -> int | None:
    text = str(value if value is not None else "").strip()
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _any(values: Sequence[object]) -> bool | None:
    flags = [value for value in values if isinstance(value, bool)]
    return any(flags) if flags else None


def _numbers(value: object) -> frozenset[int] | None:
    if value is None:
        return None
    numbers = [_number(item) for item in (value if isinstance(value, list) else [value])]
    return frozenset(number for number in numbers if number is not None)


def _system(facts: HostFacts, results: Results) -> HostFacts:
    found = results.first("system")
    kind, sku = _number(found.get("ProductType")), _number(found.get("OperatingSystemSKU"))
    return replace(
        facts,
        caption=str(found["Caption"]) if found.get("Caption") is not None else None,
        build=_number(found.get("BuildNumber")),
        is_server=None if kind is None else kind != _WORKSTATION,
        datacenter=None if sku is None else sku in _DATACENTER,
    )


def _features(facts: HostFacts, results: Results) -> HostFacts:
    if results.error("features") is not None or "features" not in results:
        return facts
    found = results.objects("features")
    states = {str(item.get("Name", "")).casefold(): str(item.get("InstallState", "")) for item in found}
    return replace(
        facts,
        hyper_v=states.get("hyper-v") == "Installed",
        host_guardian=states.get("hostguardian") == "Installed",
        feature_restart_pending=any(state.endswith("Pending") for state in states.values()),
    )


def _tpm(facts: HostFacts, results: Results) -> HostFacts:
    found, version = results.first("tpm"), results.first("tpm-version").get("SpecVersion")
    return replace(
        facts,
        tpm_present=_flag(found.get("TpmPresent")),
        tpm_ready=_flag(found.get("TpmReady")),
        tpm_version=str(version).partition(",")[0].strip() if version is not None else None,
        endorsement_certificates=_endorsement_certificates(results),
    )


def _endorsement_certificates(results: Results) -> tuple[bytes, ...] | None:
    found = results.first("endorsement")
    if not found:
        return None
    certificates: list[bytes] = []
    for name in ("ManufacturerCertificates.RawData", "AdditionalCertificates.RawData"):
        value = found.get(name)
        certificates += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, bytes)]
    return tuple(certificates)


def _secure_boot(facts: HostFacts, results: Results) -> HostFacts:
    error = results.error("secure-boot")
    if error is not None:
        return replace(facts, uefi=False, secure_boot=False) if error.category == _NO_UEFI else facts
    answer = _any(results.scalars("secure-boot"))
    return replace(facts, uefi=None if answer is None else True, secure_boot=answer)


def _guard(facts: HostFacts, results: Results) -> HostFacts:
    found = results.first("guard")
    status, running = (
        _number(found.get("VirtualizationBasedSecurityStatus")),
        _numbers(found.get("SecurityServicesRunning")),
    )
    enforcement = found.get("CodeIntegrityPolicyEnforcementStatus")
    return replace(
        facts,
        vbs_running=None if status is None else status == _VBS_RUNNING,
        memory_integrity_running=None if running is None else _MEMORY_INTEGRITY in running,
        available_properties=_numbers(found.get("AvailableSecurityProperties")),
        required_properties=_numbers(found.get("RequiredSecurityProperties")),
        code_integrity=None if enforcement is None else name_of(enforcement, _ENFORCEMENT),
    )


def _key(results: Results, call: str) -> Mapping[str, object] | None:
    """Return the values of a registry key; nothing is in one that is not there; None where it could not be read."""
    error = results.error(call)
    if error is not None:
        return {} if error.id.partition(",")[0] == _NO_KEY else None
    return results.first(call) if call in results else None


def _is_set(values: Mapping[str, object] | None, name: str) -> bool | None:
    """Whether a value is other than zero; one that is not there is zero."""
    return None if values is None else bool(_number(values.get(name)))


def _settings(facts: HostFacts, results: Results) -> HostFacts:
    options = (_key(results, "start") or {}).get("SystemStartOptions")
    words = None if options is None else str(options).upper().split()
    dumps, power = _key(results, "dumps"), _key(results, "power") or {}
    hibernation = power.get("HibernateEnabled", power.get("HibernateEnabledDefault"))
    return replace(
        facts,
        debugging=None if words is None else any(word.startswith("DEBUG") for word in words),
        test_signing=None if words is None else "TESTSIGNING" in words,
        # Host Guardian forces dumps off, whatever is set otherwise (WSD About-dump-encryption).
        dumps=False if _is_set(_key(results, "forced-dumps"), "GuardedHost") else _is_set(dumps, "CrashDumpEnabled"),
        dump_encryption=_is_set(dumps, "DumpEncryptionEnabled"),
        hibernation=None if hibernation is None else bool(_number(hibernation)),
        page_file_encryption=_is_set(_key(results, "files"), "NtfsEncryptPagingFile"),
    )


def _volume(results: Results) -> bool | None:
    error = results.error("volume")
    if error is not None:
        # Without the feature BitLocker nothing can be protected by it.
        return False if error.id.partition(",")[0] == CMDLET_MISSING else None
    found = name_of(results.first("volume").get("ProtectionStatus"), _PROTECTION)
    return {"On": True, "Off": False}.get(found)


def _trusted(options: Item, name: str) -> tuple[bytes, ...]:
    """Return certificates of vendors that were given as files or as HGS has them. Raises FabricError."""
    files, vendors = options.get(f"trusted_{name}"), options.get("trusted_vendors")
    found = [item.content for item in files if isinstance(item, File)] if isinstance(files, list) else []
    return (
        *found,
        *(_from_base64(text) for text in texts(vendors.get(name) if isinstance(vendors, Mapping) else None)),
    )


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise FabricError(Problem(NO_CERTIFICATE_TEXT, "trusted_vendors", str(error))) from error


def _tell(results: Results, question: Question) -> Mapping[str, object]:
    options = question.options
    demands = Demands(
        at=question.now,
        bitlocker=bool(options.get("bitlocker")),
        roots=_trusted(options, "roots"),
        intermediates=_trusted(options, "intermediates"),
    )
    return {"readiness": readiness.as_data(readiness.judge(facts_of(results), demands), question.machine)}


INSPECTION = Inspection(
    name="host_readiness",
    owner=Owner.FABRIC,
    options=(
        Option("trusted_roots", Role.INPUT, type="list", elements="path", file=True),
        Option("trusted_intermediates", Role.INPUT, type="list", elements="path", file=True),
        Option(
            "trusted_vendors",
            Role.INPUT,
            type="dict",
            suboptions=(
                Option("roots", Role.INPUT, type="list", elements="str", longest=_LONGEST_CERTIFICATE),
                Option("intermediates", Role.INPUT, type="list", elements="str", longest=_LONGEST_CERTIFICATE),
            ),
        ),
        Option("bitlocker", Role.INPUT, type="bool"),
    ),
    observe=_observe,
    tell=_tell,
)
