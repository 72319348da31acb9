# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
r"""What of a machine is about to fail, whatever is declared for it: its clock, restarts that wait, certificates.

Every call may fail, and then nothing is known of what it would have told. Sources: PSD HgsKeyProtection (certificate
types; that the property Certificate is an X509Certificate2 is from scripts that use it), HgsClient; WSD
guarded-fabric-install-trusted-tpm-root-certificates. Not published: the two keys by which Windows asks for a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .calls import ANY_ERROR, Call, Results
from .certificate_validity import as_time, time_of
from .tpm_vendors import STORES
from .windows_values import name_of

RESTARTS = {
    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending": "components",
    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired": "Windows Update",
}
"""Keys that are there while something waits for a restart, and what it is."""
SIGNING = "HGS signing"
"""Purpose of the certificates by which key protectors name a Host Guardian Service."""
_X509 = ("Subject", "Thumbprint", "NotBefore", "NotAfter")


@dataclass(frozen=True)
class Aspect:
    """A side of a machine's health: the calls that observe it, and what they tell, None where they tell nothing.

    read(results, now): JSON data; now: the controller's time when the answer came (UTC).
    """

    calls: tuple[Call, ...]
    read: Callable[[Results, datetime], object]


def _clock(results: Results, now: datetime) -> float | None:
    """Return by how many seconds the machine's clock is ahead."""
    there = time_of(results, "clock")
    return None if there is None else round((there - now).total_seconds(), 1)


def _restarts(results: Results, _now: datetime) -> list[str] | None:
    """Return what waits for a restart."""
    flags = results.scalars("restart")
    if results.error("restart") is not None or len(flags) != len(RESTARTS):
        return None
    return [told for told, flag in zip(RESTARTS.values(), flags, strict=True) if flag is True]


def _certificate(purpose: str, found: object) -> Iterator[Mapping[str, str]]:
    """Yield a certificate as JSON data, if it is one."""
    if isinstance(found, Mapping) and all(found.get(name) for name in _X509):
        yield {
            "purpose": purpose,
            "subject": str(found["Subject"]),
            "thumbprint": str(found["Thumbprint"]),
            "not_before": as_time(str(found["NotBefore"])).isoformat(),
            "not_after": as_time(str(found["NotAfter"])).isoformat(),
        }


def _of_service(results: Results, _now: datetime) -> list[Mapping[str, str]] | None:
    if results.error("service-certificates") is not None:
        return None
    return [
        certificate
        for item in results.objects("service-certificates")
        for certificate in _certificate(
            f"HGS {name_of(item.get('CertificateType'), {}).lower()}", item.get("Certificate")
        )
    ]


def _of_vendors(results: Results, _now: datetime) -> list[Mapping[str, str]] | None:
    calls = [f"vendor-{store}" for store in STORES]
    if all(results.error(call) is not None for call in calls):
        return None
    return [
        certificate
        for store, call in zip(STORES, calls, strict=True)
        for item in results.objects(call)
        for certificate in _certificate(f"TPM vendor {store}", item)
    ]


def _of_guardians(results: Results, _now: datetime) -> list[Mapping[str, str]] | None:
    if results.error("guardian-certificates") is not None:
        return None
    return [
        certificate
        for guardian in results.objects("guardian-certificates")
        for use in ("Signing", "Encryption")
        for certificate in _certificate(
            f"guardian {guardian.get('Name', '')}, {use.lower()}", guardian.get(f"{use}Certificate")
        )
    ]


ASPECTS: Mapping[str, Aspect] = {
    "clock": Aspect((Call("Get-Date", id="clock", accept=(ANY_ERROR,)),), _clock),
    "restart": Aspect(
        (Call("Test-Path", {"LiteralPath": list(RESTARTS)}, id="restart", accept=(ANY_ERROR,)),), _restarts
    ),
    "service_certificates": Aspect(
        (
            Call(
                "Get-HgsKeyProtectionCertificate",
                id="service-certificates",
                select=("CertificateType", "Certificate"),
                accept=(ANY_ERROR,),
            ),
        ),
        _of_service,
    ),
    "vendor_certificates": Aspect(
        tuple(
            Call("Get-ChildItem", {"LiteralPath": [path]}, id=f"vendor-{store}", select=_X509, accept=(ANY_ERROR,))
            for store, path in STORES.items()
        ),
        _of_vendors,
    ),
    "guardian_certificates": Aspect(
        (
            Call(
                "Get-HgsGuardian",
                id="guardian-certificates",
                select=("Name", "SigningCertificate", "EncryptionCertificate"),
                accept=(ANY_ERROR,),
            ),
        ),
        _of_guardians,
    ),
}


def observe(names: Sequence[str]) -> tuple[Call, ...]:
    """Return the calls that observe aspects, by name."""
    return tuple(call for name in dict.fromkeys(names) for call in ASPECTS[name].calls)


def read(names: Sequence[str], results: Results, now: datetime) -> dict[str, object]:
    """Return what aspects tell, by name: None for one that could not be read, or told what cannot be."""
    return {name: _told(ASPECTS[name], results, now) for name in dict.fromkeys(names)}


def _told(aspect: Aspect, results: Results, now: datetime) -> object:
    try:
        return aspect.read(results, now)
    except ValueError:  # a time that is none
        return None
