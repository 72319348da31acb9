# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module HgsKeyProtection: the certificates of the Key Protection Service (PSD HgsKeyProtection).

Names of the two flags that Get-HgsKeyProtectionCertificate shows are not public beyond the reference's words; both
spellings are there. Certificates by thumbprint and the export of state are not emulated.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import certificates, hgs_clusters, key_certificates
from ansible_collections.guarded.fabric.lab.world.key_certificates import RefusedError
from ansible_collections.guarded.fabric.lab.world.model import Certificate
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint
from cryptography import x509

from . import file_parameters
from .certificate_object import certificate_object
from .registry import CmdletError, NotEmulatedError, PSObject, SecureString, cmdlet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.lab.world.key_certificates import Kind
    from ansible_collections.guarded.fabric.lab.world.model import KeyCertificate, KeyProtectionState

    from .registry import Bound, Session

MODULE: Final = "HgsKeyProtection"
_DATA: Final = "Microsoft.Windows.KpsServer.Common.Store.Data."
_EITHER: Final[dict[str, Kind]] = {"Signing": "Signing", "Encryption": "Encryption"}


@cmdlet(MODULE, "Get-HgsKeyProtectionCertificate")
def get_certificate(session: Session, p: Bound) -> object:
    """Return certificates, all or those that the filters leave."""
    state = _service(session)
    if not _has_certificates(session):
        return None
    if "Thumbprint" in p:
        with _refusals("Get-HgsKeyProtectionCertificate"):
            return _certificate(key_certificates.find(state, _kind(p), p.text("Thumbprint")))
    found = state.certificates if "CertificateType" not in p else key_certificates.listed(state, _kind(p))
    if "IsPrimary" in p:
        found = [each for each in found if each.primary == p.flag("IsPrimary")]
    if "IsEnabled" in p:
        found = [each for each in found if each.enabled == p.flag("IsEnabled")]
    return [_certificate(each) for each in found]


@cmdlet(MODULE, "Add-HgsKeyProtectionCertificate")
def add_certificate(session: Session, p: Bound) -> object:
    """Add a certificate out of a PFX file."""
    if "Thumbprint" in p:
        raise NotEmulatedError("the lab does not emulate key protection certificates by thumbprint")
    state = _service(session)
    certificate = _from_pfx(session, p, "CertificatePath", "CertificatePassword", "Add-HgsKeyProtectionCertificate")
    with _refusals("Add-HgsKeyProtectionCertificate"):
        key_certificates.add(state, _kind(p), certificate, from_pfx=True)
    return None


@cmdlet(MODULE, "Set-HgsKeyProtectionCertificate")
def set_certificate(session: Session, p: Bound) -> object:
    """Enable or disable a certificate, or make it the primary one."""
    state, kind, wanted = _service(session), _kind(p), p.text("Thumbprint")
    with _refusals("Set-HgsKeyProtectionCertificate"):
        if "IsEnabled" in p:
            key_certificates.set_enabled(state, kind, wanted, enabled=p.flag("IsEnabled"))
        if p.flag("IsPrimary"):
            key_certificates.make_primary(state, kind, wanted)
        key_certificates.find(state, kind, wanted)
    return None


@cmdlet(MODULE, "Remove-HgsKeyProtectionCertificate")
def remove_certificate(session: Session, p: Bound) -> object:
    """Forget a certificate that is not the primary one."""
    with _refusals("Remove-HgsKeyProtectionCertificate"):
        key_certificates.remove(_service(session), _kind(p), p.text("Thumbprint"))
    return None


@cmdlet(MODULE, "Get-HgsKeyProtectionConfiguration")
def get_configuration(session: Session, _p: Bound) -> object:
    """Return the communications certificate."""
    communications = certificate_object(_service(session).communications)
    return PSObject(
        _DATA + "ServiceConfiguration",
        {"CommunicationsCertificate": communications, "CommunicationsCertificateData": None},
    )


@cmdlet(MODULE, "Set-HgsKeyProtectionConfiguration")
def set_configuration(session: Session, p: Bound) -> object:
    """Replace the communications certificate, which signs the metadata document."""
    if "CommunicationsCertificatePath" not in p:
        raise NotEmulatedError("the lab emulates Set-HgsKeyProtectionConfiguration with a PFX file only")
    state = _service(session)
    name = "Set-HgsKeyProtectionConfiguration"
    certificate = _from_pfx(session, p, "CommunicationsCertificatePath", "CommunicationsCertificatePassword", name)
    problem = key_certificates.why_not("Communications", certificate)
    if problem:
        raise CmdletError(problem, f"InvalidCertificate,{name}", "InvalidData")
    state.communications = certificate
    return None


@cmdlet(MODULE, "Get-HgsKeyProtectionAttestationSignerCertificate")
def get_attestation_signer(session: Session, p: Bound) -> object:
    """Return the attestation services that are trusted."""
    state = _service(session)
    found = state.trusted_attestation_signers
    if "Thumbprint" in p:
        found = [_trusted(state, p.text("Thumbprint"), "Get-HgsKeyProtectionAttestationSignerCertificate")]
    return [_signer(state, each) for each in found]


@cmdlet(MODULE, "Add-HgsKeyProtectionAttestationSignerCertificate")
def add_attestation_signer(session: Session, p: Bound) -> object:
    """Trust a further attestation service."""
    state = _service(session)
    given = p.get("Certificate")
    certificate = given.base if isinstance(given, PSObject) else None
    if not isinstance(certificate, Certificate):
        raise CmdletError(
            "Cannot bind the parameter 'Certificate': the object is no certificate.",
            "ParameterArgumentTransformationError,Add-HgsKeyProtectionAttestationSignerCertificate",
            "InvalidData",
        )
    if certificate.der in state.trusted_attestation_signers:
        raise CmdletError(
            "The attestation signer certificate already exists.",
            "CertificateExists,Add-HgsKeyProtectionAttestationSignerCertificate",
            "ResourceExists",
        )
    state.trusted_attestation_signers.append(certificate.der)
    return None


@cmdlet(MODULE, "Remove-HgsKeyProtectionAttestationSignerCertificate")
def remove_attestation_signer(session: Session, p: Bound) -> object:
    """Trust an attestation service no longer."""
    state = _service(session)
    der = _trusted(state, p.text("Thumbprint"), "Remove-HgsKeyProtectionAttestationSignerCertificate")
    state.trusted_attestation_signers.remove(der)
    state.deny_issued_before.pop(thumbprint(der), None)
    return None


@cmdlet(MODULE, "Set-HgsKeyProtectionAttestationSignerCertificatePolicy")
def set_attestation_signer_policy(session: Session, p: Bound) -> object:
    """Deny health certificates that were issued before a moment, by one attestation service or all."""
    state = _service(session)
    earliest = p.get("DenyHealthCertificatesIssuedBefore")
    if not isinstance(earliest, datetime):
        raise TypeError("the binder gives a DateTime")
    name = "Set-HgsKeyProtectionAttestationSignerCertificatePolicy"
    one = [_trusted(state, p.text("Thumbprint"), name)] if "Thumbprint" in p else None
    for der in one or state.trusted_attestation_signers:
        # A time without a zone is one of this computer, whose zone is UTC.
        state.deny_issued_before[thumbprint(der)] = earliest if earliest.tzinfo else earliest.replace(tzinfo=UTC)
    return None


def _has_certificates(session: Session) -> bool:
    """Whether they have reached this node: on a new one that takes minutes."""
    cluster = hgs_clusters.cluster_of(session.world, session.machine)
    return cluster is not None and hgs_clusters.has_key_certificates(cluster, session.machine, session.clock.now())


def _service(session: Session) -> KeyProtectionState:
    cluster = hgs_clusters.cluster_of(session.world, session.machine)
    if cluster is None:
        raise CmdletError(
            "The Host Guardian Service is not initialized on this computer.",
            "HgsServerNotInitialized",
            "InvalidOperation",
        )
    return cluster.key_protection


def _kind(p: Bound) -> Kind:
    return _EITHER[p.text("CertificateType")]


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise CmdletError(str(error), f"{error.reason},{name}", error.category) from error


def _from_pfx(session: Session, p: Bound, path: str, password: str, name: str) -> Certificate:
    secret = p.get(password)
    data = file_parameters.content(session.machine, p.text(path))
    try:
        return certificates.open_pfx(data, secret.text if isinstance(secret, SecureString) else "")
    except certificates.PfxError as error:
        raise CmdletError(str(error), f"InvalidPfx,{name}", "InvalidData") from error


def _certificate(found: KeyCertificate) -> PSObject:
    return PSObject(
        _DATA + "KeyCertificate",
        {
            "Thumbprint": thumbprint(found.certificate.der),
            "CertificateType": found.type,
            "Certificate": certificate_object(Certificate(found.certificate.der)),
            "IsPrimary": found.primary,
            "Primary": found.primary,
            "IsEnabled": found.enabled,
            "Enabled": found.enabled,
        },
        base=found,
    )


def _trusted(state: KeyProtectionState, wanted: str, name: str) -> bytes:
    for der in state.trusted_attestation_signers:
        if thumbprint(der) == wanted.upper():
            return der
    raise CmdletError(
        f"There is no attestation signer certificate with thumbprint {wanted}.",
        f"CertificateNotFound,{name}",
        "ObjectNotFound",
    )


def _signer(state: KeyProtectionState, der: bytes) -> PSObject:
    earliest = state.deny_issued_before.get(thumbprint(der))
    policy = PSObject(_DATA + "AttestationCertificatePolicy", {"DenyHealthCertificatesIssuedBefore": earliest})
    return PSObject(
        _DATA + "AttestationCertificate",
        {
            "Thumbprint": thumbprint(der),
            "Certificate": certificate_object(Certificate(der)),
            "AttestationCertificatePolicy": policy,
        },
        base=x509.load_der_x509_certificate(der),
    )
