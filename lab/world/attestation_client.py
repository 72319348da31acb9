# SPDX-License-Identifier: GPL-3.0-or-later
"""The HGS client of a host: when it attests, with whom, and what it remembers.

The primary service is always asked first, the fallback ones only where it does not respond (VMM guarded-fallback-hgs).
A certificate is kept until it expires by the host's clock (WSD guarded-fabric-and-shielded-vms: every 8 hours and at
start) or the host was started again, because it certifies a key of that start. Everything shown to the service comes
from the log of the last start, so a changed setting counts from the next one on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509

from . import network, private_keys
from .attestation_conversation import Evidence, Finding, ProtocolError, ask_info, attest_by_tpm
from .attestation_protocol import OperationMode
from .machine_clock import time_of

if TYPE_CHECKING:
    from datetime import datetime

    from .attestation_conversation import Send
    from .clock import Clock
    from .model import Machine, World

_MODE_NAMES: Final = {
    OperationMode.UNKNOWN: "Unknown",
    OperationMode.TPM: "Tpm",
    OperationMode.ACTIVE_DIRECTORY: "ActiveDirectory",
    OperationMode.HOST_KEY: "HostKey",
}


@dataclass(frozen=True)
class Attempt:
    """One attestation: with which service, how it ended, which mode the service has, whether it answered at all."""

    url: str
    finding: Finding
    mode: str = "Unknown"
    answered: bool = True


def attempt(world: World, clock: Clock, machine: Machine, url: str) -> Attempt:
    """Attest with the service at `url`; nothing is remembered."""
    base = url.rstrip("/")

    def send(method: str, path: str, body: bytes) -> bytes:
        return network.request(world, clock, machine, method, base + path, body).body

    mode = OperationMode.UNKNOWN
    try:
        info = ask_info(send)
        mode = info.mode
        finding = _show_evidence(send, machine, info.level)
    except network.NetworkError:
        return Attempt(url, Finding("TransientError"), answered=False)
    except ProtocolError:
        finding = Finding("TransientError")
    return Attempt(url, finding, _MODE_NAMES[finding.expected_mode or mode])


def attest(world: World, clock: Clock, machine: Machine) -> None:
    """Attest now, whatever certificate there is, and remember how it ended."""
    client = machine.client
    if not client.attestation_url:
        client.status, client.substatus, client.health_certificate = "NotConfigured", [], None
        return
    key_urls = [client.key_protection_url, *client.fallback_key_protection_urls]
    for url, key_url in zip([client.attestation_url, *client.fallback_attestation_urls], key_urls, strict=False):
        outcome = attempt(world, clock, machine, url)
        client.last_attestation_url, client.last_key_protection_url = url, key_url
        if outcome.answered:
            break
    client.operation_mode = outcome.mode
    client.status, client.substatus = outcome.finding.status, list(outcome.finding.substatus)
    client.health_certificate = outcome.finding.certificate


def refresh(world: World, clock: Clock, machine: Machine) -> None:
    """Attest where there is no certificate that still counts."""
    if _usable_certificate(machine, time_of(machine, clock)) is None:
        attest(world, clock, machine)


def health_certificate(world: World, clock: Clock, machine: Machine) -> bytes | None:
    """Return a health certificate that counts now (DER), attesting for one where needed; None where the host fails."""
    refresh(world, clock, machine)
    return machine.client.health_certificate


def current_status(machine: Machine, now: datetime) -> str:
    """Return the AttestationStatus without attesting: a host that passed is `Expired` once its certificate lapsed."""
    client = machine.client
    if client.status == "Passed" and _usable_certificate(machine, now) is None:
        return "Expired"
    return client.status


def _usable_certificate(machine: Machine, now: datetime) -> bytes | None:
    certificate = machine.client.health_certificate
    if certificate is None or not _is_ours(machine, certificate):
        return None
    parsed = x509.load_der_x509_certificate(certificate)
    return certificate if parsed.not_valid_before_utc <= now < parsed.not_valid_after_utc else None


def _is_ours(machine: Machine, certificate: bytes) -> bool:
    """Whether a certificate is for the VBS identity key of this start."""
    if machine.boot is None or machine.boot.identity_key is None:
        return False
    key = private_keys.load(machine.boot.identity_key).public_key()
    try:
        return x509.load_der_x509_certificate(certificate).public_key() == key
    except ValueError:
        return False


def _show_evidence(send: Send, machine: Machine, level: int) -> Finding:
    if machine.tpm is None or not machine.tpm.ready or machine.boot is None:
        return Finding("TpmError")
    evidence = Evidence(machine.tpm, machine.boot.log)
    finding = attest_by_tpm(send, evidence, 1 if machine.version == "2016" else level)
    if finding.certificate is not None and not _is_ours(machine, finding.certificate):
        raise ProtocolError("the certificate is for another host")
    return finding
