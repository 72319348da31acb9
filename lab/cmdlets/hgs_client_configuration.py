# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module HgsClient, its part about the host: with which HGS it attests, how that ended, its TPM baseline.

Properties: cmdlet output captured on Windows, and win32 docs, MSFT_HgsClientConfiguration. The words of errors are the
lab's but for `UNSUPPORTED_MODE` (sql-docs issue 3912, which does not say when it comes; here, where the feature or the
edition for guarded hosts is missing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ansible_collections.guarded.fabric.lab.world import attestation_client
from ansible_collections.guarded.fabric.lab.world.machine_clock import time_of
from ansible_collections.guarded.fabric.lab.world.model import ClientConfiguration

from . import file_parameters
from .registry import CmdletError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound, Session

MODULE: Final = "HgsClient"
UNSUPPORTED_MODE: Final = "Using this operation in SHS mode is unsupported for this version of Windows."
_FALLBACK: Final = ("FallbackAttestationServerUrl", "FallbackKeyProtectionServerUrl")


@cmdlet(MODULE, "Get-HgsClientConfiguration")
def get_client_configuration(session: Session, _p: Bound) -> object:
    """Return configuration and status; attests where there is no certificate that counts."""
    attestation_client.refresh(session.world, session.clock, session.machine)
    return _configuration(session)


@cmdlet(MODULE, "Set-HgsClientConfiguration")
def set_client_configuration(session: Session, p: Bound) -> object:
    """Set all of the configuration and attest; fallback URLs that are not given are gone."""
    if "AttestationServerUrl" in p:
        _check_host(session.machine)
        session.machine.client = _hosting_configuration(session.machine, p)
    elif p.flag("EnableLocalMode"):
        session.machine.client = ClientConfiguration()
    else:
        raise CmdletError(
            "Neither local mode nor the URLs of a Host Guardian Service were given.",
            "InvalidParameter,Set-HgsClientConfiguration",
            "InvalidArgument",
        )
    attestation_client.attest(session.world, session.clock, session.machine)
    return _configuration(session)


@cmdlet(MODULE, "Test-HgsClientConfiguration")
def test_client_configuration(session: Session, p: Bound) -> object:
    """Attest now, whatever certificate there is; with the first fallback service nothing is remembered (lab only)."""
    client = session.machine.client
    if session.machine.version == "2016":
        raise CmdletError(
            "The term 'Test-HgsClientConfiguration' is not recognized as the name of a cmdlet, function, script file, "
            "or operable program.",
            "CommandNotFoundException",
            "ObjectNotFound",
        )
    if not p.flag("UseFallback"):
        attestation_client.attest(session.world, session.clock, session.machine)
        return _test_result(client.attestation_url, client.operation_mode, client.status, client.substatus)
    if not client.fallback_attestation_urls:
        return _test_result("", "Unknown", "NotConfigured", [])
    url = client.fallback_attestation_urls[0]
    found = attestation_client.attempt(session.world, session.clock, session.machine, url)
    return _test_result(url, found.mode, found.finding.status, list(found.finding.substatus))


@cmdlet(MODULE, "Get-HgsAttestationBaselinePolicy")
def get_attestation_baseline_policy(session: Session, p: Bound) -> object:
    """Return the TCG log of the last full boot as bytes, or write it to a file."""
    machine = session.machine
    boot = machine.boot
    if machine.tpm is None or boot is None or not boot.log or boot.settings.resume_instead_of_boot:
        raise _baseline_error("There is no TCG log of a full boot on this computer.", "TcgLogNotFound")
    problems = [] if p.flag("SkipValidation") else _would_not_attest(machine)
    if problems:
        raise _baseline_error(" ".join(problems), "BaselineValidationFailed")
    if p.flag("Console"):
        return boot.log
    path = p.text("Path")
    if file_parameters.is_there(machine, path) and not p.flag("Force"):
        raise _baseline_error(f"The file '{path}' already exists.", "FileExists", "ResourceExists")
    file_parameters.save(machine, path, boot.log)
    return None


def _check_host(machine: Machine) -> None:
    if machine.edition != "Datacenter" or "HostGuardian" not in machine.features:
        raise CmdletError(UNSUPPORTED_MODE, "UnsupportedMode,Set-HgsClientConfiguration", "InvalidOperation")


def _hosting_configuration(machine: Machine, p: Bound) -> ClientConfiguration:
    fallback = [p.texts(name) for name in _FALLBACK]
    if machine.version == "2016" and any(fallback):
        raise CmdletError(
            f"A parameter cannot be found that matches parameter name '{_FALLBACK[0]}'.",
            "NamedParameterNotFound,Set-HgsClientConfiguration",
            "InvalidArgument",
        )
    if len(fallback[0]) != len(fallback[1]):
        raise CmdletError(
            "A fallback server needs both of its URLs.",
            "InvalidParameter,Set-HgsClientConfiguration",
            "InvalidArgument",
        )
    urls = [p.text("AttestationServerUrl"), p.text("KeyProtectionServerUrl"), *fallback[0], *fallback[1]]
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CmdletError(
                f"'{url}' is not the URL of a server.",
                "InvalidUrl,Set-HgsClientConfiguration",
                "InvalidArgument",
            )
    return ClientConfiguration(
        mode="HostGuardianService",
        attestation_url=urls[0],
        key_protection_url=urls[1],
        fallback_attestation_urls=fallback[0],
        fallback_key_protection_urls=fallback[1],
        status="Unknown",
    )


def _configuration(session: Session) -> PSObject:
    client = session.machine.client
    status = attestation_client.current_status(session.machine, time_of(session.machine, session.clock))
    return PSObject(
        "Microsoft.Management.Infrastructure.CimInstance#root/Microsoft/Windows/Hgs/MSFT_HgsClientConfiguration",
        {
            "IsHostGuarded": status == "Passed",
            "Mode": client.mode,
            "KeyProtectionServerUrl": client.key_protection_url,
            "AttestationServerUrl": client.attestation_url,
            "AttestationOperationMode": client.operation_mode,
            "AttestationStatus": status,
            "AttestationSubstatus": _flags(client.substatus),
            "FallbackKeyProtectionServerUrl": client.fallback_key_protection_urls or None,
            "FallbackAttestationServerUrl": client.fallback_attestation_urls or None,
            "LastKeyProtectionServerUrl": client.last_key_protection_url,
            "LastAttestationServerUrl": client.last_attestation_url,
            "IsFallbackInUse": client.last_attestation_url in client.fallback_attestation_urls,
        },
    )


def _test_result(url: str, mode: str, status: str, substatus: list[str]) -> PSObject:
    return PSObject(
        "System.Management.Automation.PSCustomObject",
        {
            "AttestationServerUrl": url,
            "IsHostGuarded": status == "Passed",
            "AttestationOperationMode": mode,
            "AttestationStatus": status,
            "AttestationSubstatus": _flags(substatus),
        },
    )


def _flags(names: list[str]) -> str:
    """Write a flags enum as .NET does."""
    return ", ".join(names) or "NoInformation"


def _would_not_attest(machine: Machine) -> list[str]:
    """Say why this computer would not attest, as far as capturing checks it (WSD capturing-hardware)."""
    firmware, boot = machine.firmware, machine.boot
    checks = (
        (firmware is not None and firmware.secure_boot, "Secure Boot is not enabled."),
        (firmware is not None and firmware.iommu, "No IOMMU is in use."),
        (boot is not None and boot.identity_key is not None, "Virtualization-based security is not running."),
        (
            boot is not None and boot.code_integrity_policy is not None,
            "No code integrity policy is applied.",
        ),
    )
    return [problem for holds, problem in checks if not holds]


def _baseline_error(message: str, reason: str, category: str = "InvalidOperation") -> CmdletError:
    return CmdletError(message, f"{reason},Get-HgsAttestationBaselinePolicy", category)
