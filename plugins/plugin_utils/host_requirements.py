# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guarded host has to be.

Sources: WSD guarded-fabric-guarded-host-prerequisites; WSD guarded-fabric-manage-hgs for the Hgs_* policies, which TPM
mode checks and host key mode does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

from .readiness_findings import (
    CERTIFICATE_NOT_TRUSTED,
    DEBUGGER,
    DUMPS,
    FEATURES_MISSING,
    FEATURES_WAIT,
    HIBERNATION,
    NO_BITLOCKER,
    NO_CERTIFICATE,
    NO_CODE_INTEGRITY,
    NO_IOMMU,
    NO_MEMORY_INTEGRITY,
    NO_SECURE_BOOT,
    NO_TPM,
    NO_UEFI,
    OLD_WINDOWS,
    OTHER_EDITION,
    OTHER_TPM_VERSION,
    PAGE_FILE_IN_THE_CLEAR,
    RESTART_PENDING,
    TEST_SIGNING,
    TPM_NOT_READY,
    VBS_IMPOSSIBLE,
    VBS_NOT_RUNNING,
    VENDORS_NOT_GIVEN,
)
from .requirement import Demands, Met, Mode, Requirement, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .host_facts import HostFacts

WINDOWS_SERVER_2019 = 17763
"""Build. Older hosts attest with version 1 of the artifacts only, and never by host key (WSD upgrade-to-2019)."""


FINE = Met(met=True)

_EVERY = frozenset(Mode)
_TPM = frozenset({Mode.TPM})


def _not(value: bool | None) -> bool | None:  # noqa: FBT001 - a fact, not a switch
    return None if value is None else not value


def _version(facts: HostFacts, _demands: Demands) -> Met:
    if facts.build is None or facts.is_server is None:
        return Met(None)
    return Met(
        facts.is_server and facts.build >= WINDOWS_SERVER_2019, f"{facts.caption or 'Windows'} (build {facts.build})"
    )


def _features(facts: HostFacts, _demands: Demands) -> Met:
    if facts.hyper_v is None or facts.host_guardian is None:
        return Met(None)
    # Another edition has no HostGuardian, and another requirement says so.
    features = {"Hyper-V": facts.hyper_v, "HostGuardian": facts.host_guardian or facts.datacenter is False}
    lacking = [name for name, is_there in features.items() if not is_there]
    return Met(not lacking or facts.feature_restart_pending is True, f"{' and '.join(lacking)} not installed")


def _tpm_version(facts: HostFacts, _demands: Demands) -> Met:
    if facts.tpm_present is False:
        return FINE
    return Met(None if facts.tpm_version is None else facts.tpm_version == "2.0", f"version {facts.tpm_version}")


def _tpm_ready(facts: HostFacts, _demands: Demands) -> Met:
    return FINE if facts.tpm_present is False else Met(facts.tpm_ready, "not ready")


def _has_certificate(facts: HostFacts, _demands: Demands) -> Met:
    if facts.tpm_present is False:
        return FINE
    certificates = facts.endorsement_certificates
    return Met(None if certificates is None else bool(certificates), "none")


def _is_trusted(facts: HostFacts, demands: Demands) -> Met:
    if facts.tpm_present is False or not facts.endorsement_certificates or not demands.roots:
        return FINE  # another requirement says so
    reasons: list[str] = []
    for content in facts.endorsement_certificates:
        try:
            why_not = ek_certificate.verify_chain(
                ek_certificate.parse(content), demands.roots, demands.intermediates, demands.at
            )
        except FormatError as error:
            why_not = (str(error),)
        if not why_not:
            return FINE
        reasons.extend(why_not)
    return Met(met=False, actual="; ".join(reasons))


def _vendors(facts: HostFacts, demands: Demands) -> Met:
    return Met(bool(demands.roots) or not facts.endorsement_certificates, "none given")


def _secure_boot(facts: HostFacts, _demands: Demands) -> Met:
    return FINE if facts.uefi is False else Met(facts.secure_boot, "off")


def _vbs_possible(facts: HostFacts, _demands: Demands) -> Met:
    if facts.vbs_running or facts.host_guardian is False:
        return FINE
    if facts.available_properties is None or facts.required_properties is None:
        return Met(None)
    lacking = sorted(facts.required_properties - facts.available_properties - {0})
    return Met(
        not lacking, f"required and not there: {', '.join(_PROPERTIES.get(item, str(item)) for item in lacking)}"
    )


def _comes_with_feature(facts: HostFacts, value: bool | None) -> Met:  # noqa: FBT001 - a fact, not a switch
    """Judge what the feature HostGuardian switches on: where it is installed already, nobody will do it any more."""
    is_due = facts.host_guardian is True and not facts.feature_restart_pending
    return Met(value, "not running", Verdict.BLOCKED if is_due else None)


_PROPERTIES: Mapping[int, str] = {
    1: "hypervisor",
    2: "Secure Boot",
    3: "DMA protection",
    4: "secure memory overwrite",
    5: "NX protections",
    6: "SMM mitigations",
    7: "mode based execution control",
    8: "APIC virtualization",
}


def _dumps(facts: HostFacts, _demands: Demands) -> Met:
    if facts.dumps is True and facts.host_guardian is False:
        return FINE  # the feature forces them off
    return Met(
        None if facts.dumps is None else not facts.dumps, "encrypted" if facts.dump_encryption else "in the clear"
    )


def _restart(facts: HostFacts, _demands: Demands) -> Met:
    return FINE if facts.feature_restart_pending else Met(_not(facts.restart_pending), "Windows waits for one")


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(OLD_WINDOWS, "Windows Server 2019 or later", _EVERY, Verdict.BLOCKED, _version),
    Requirement(
        OTHER_EDITION,
        "Datacenter",
        _EVERY,
        Verdict.BLOCKED,
        lambda facts, _: Met(facts.datacenter, facts.caption or "another edition"),
    ),
    Requirement(FEATURES_MISSING, "Hyper-V and HostGuardian", _EVERY, Verdict.PREPARABLE, _features),
    Requirement(
        FEATURES_WAIT,
        "no restart pending",
        _EVERY,
        Verdict.PREPARABLE,
        lambda facts, _: Met(_not(facts.feature_restart_pending), "pending"),
    ),
    Requirement(RESTART_PENDING, "no restart pending", _EVERY, Verdict.BLOCKED, _restart),
    Requirement(NO_TPM, "TPM 2.0", _TPM, Verdict.BLOCKED, lambda facts, _: Met(facts.tpm_present, "none")),
    Requirement(OTHER_TPM_VERSION, "version 2.0", _TPM, Verdict.BLOCKED, _tpm_version),
    Requirement(TPM_NOT_READY, "ready", _TPM, Verdict.BLOCKED, _tpm_ready),
    Requirement(NO_CERTIFICATE, "an endorsement key certificate", _TPM, Verdict.BLOCKED, _has_certificate),
    Requirement(CERTIFICATE_NOT_TRUSTED, "a chain to a trusted TPM vendor", _TPM, Verdict.BLOCKED, _is_trusted),
    Requirement(VENDORS_NOT_GIVEN, "their root certificates", _TPM, Verdict.UNKNOWN, _vendors),
    Requirement(NO_UEFI, "UEFI", _TPM, Verdict.BLOCKED, lambda facts, _: Met(facts.uefi, "BIOS")),
    Requirement(NO_SECURE_BOOT, "on", _TPM, Verdict.BLOCKED, _secure_boot),
    Requirement(
        NO_IOMMU, "DMA protection available", _TPM, Verdict.BLOCKED, lambda facts, _: Met(facts.iommu, "not available")
    ),
    Requirement(VBS_IMPOSSIBLE, "all required security properties available", _TPM, Verdict.BLOCKED, _vbs_possible),
    Requirement(
        VBS_NOT_RUNNING,
        "running",
        _TPM,
        Verdict.PREPARABLE,
        lambda facts, _: _comes_with_feature(facts, facts.vbs_running),
    ),
    Requirement(
        NO_MEMORY_INTEGRITY,
        "memory integrity running",
        _TPM,
        Verdict.PREPARABLE,
        lambda facts, _: _comes_with_feature(facts, facts.memory_integrity_running),
    ),
    Requirement(
        NO_CODE_INTEGRITY,
        "audit or enforced",
        _TPM,
        Verdict.PREPARABLE,
        lambda facts, _: Met(None if facts.code_integrity is None else facts.code_integrity != "off", "off"),
    ),
    Requirement(DEBUGGER, "off", _TPM, Verdict.BLOCKED, lambda facts, _: Met(_not(facts.debugging), "on")),
    Requirement(DUMPS, "no dumps", _TPM, Verdict.BLOCKED, _dumps),
    Requirement(HIBERNATION, "off", _TPM, Verdict.BLOCKED, lambda facts, _: Met(_not(facts.hibernation), "on")),
    Requirement(
        PAGE_FILE_IN_THE_CLEAR,
        "encrypted",
        _TPM,
        Verdict.BLOCKED,
        lambda facts, _: Met(facts.page_file_encryption, "in the clear"),
    ),
    Requirement(
        NO_BITLOCKER,
        "protection on",
        _TPM,
        Verdict.BLOCKED,
        lambda facts, demands: Met(facts.system_volume_protected, "off") if demands.bitlocker else FINE,
    ),
    Requirement(TEST_SIGNING, "off", _TPM, Verdict.READY, lambda facts, _: Met(_not(facts.test_signing), "on")),
)
"""In the order in which a person would see to them."""
