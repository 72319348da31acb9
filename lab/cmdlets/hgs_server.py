# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module HgsServer: how servers become nodes of a Host Guardian Service.

Which state each step needs: WSD guarded-fabric-install-hgs-default, guarded-fabric-initialize-hgs-tpm-mode-default and
guarded-fabric-configure-additional-hgs-nodes. None of the cmdlets is documented as one that can be run twice, so a
second run is refused. The words and ids of the errors are the lab's: no public text has Windows' own.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from ansible_collections.guarded.fabric.lab.world import (
    certificates,
    directory,
    hgs_clusters,
    key_certificates,
    network,
    restarts,
)
from ansible_collections.guarded.fabric.lab.world.model import KeyCertificate

from . import file_parameters
from .registry import CmdletError, Credential, NotEmulatedError, PSObject, SecureString, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import HgsCluster

    from .registry import Bound, Session

MODULE: Final = "HgsServer"
_RESTART_DELAY: Final = timedelta(seconds=5)
_DOMAIN_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})+")
_SERVICE_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,15}")
"""A computer account's name: NetBIOS, 15 characters."""
_SAFE_MODE_PASSWORD_LENGTH: Final = 7
_CHARACTER_KINDS: Final = 3
_PURPOSES: Final[tuple[Literal["Signing", "Encryption"], ...]] = ("Signing", "Encryption")


@cmdlet(MODULE, "Install-HgsServer")
def install_hgs_server(session: Session, p: Bound) -> object:
    """Prepare the server to become, at its next start, the first or a further controller of the HGS domain."""
    problems = _obstacles_to_installation(session, p)
    if problems:
        raise _refused("Install-HgsServer", *problems[0])
    directory.prepare_promotion(
        session.machine, p.text("HgsDomainName"), p.text("DatabasePath", directory.DATABASE_FOLDER)
    )
    if p.flag("Restart"):
        restarts.schedule(session.machine, session.clock.now(), _RESTART_DELAY)
    else:
        session.warn("A restart is needed to complete the installation of the Host Guardian Service.")
    return None


@cmdlet(MODULE, "Test-HgsServer")
def test_hgs_server(session: Session, p: Bound) -> object:
    """Say what would stop Install-HgsServer; the members of a report are not documented, so they show as warnings."""
    for _reason, _category, message in _obstacles_to_installation(session, p):
        session.warn(message)
    return PSObject("Microsoft.Windows.HostGuardianService.PowerShell.TestReport", {})


_Obstacle = tuple[str, str, str]
"""Reason (error id), category, message."""


def _obstacles_to_installation(session: Session, p: Bound) -> list[_Obstacle]:
    machine = session.machine
    name = p.text("HgsDomainName")
    found: list[_Obstacle] = []
    if machine.pending_features or machine.pending_promotion:
        found.append(("RestartPending", "InvalidOperation", "A restart of this computer is pending."))
    if machine.domain_controller:
        found.append(
            (
                "AlreadyDomainController",
                "ResourceExists",
                f"This computer is already a domain controller of {machine.domain}.",
            )
        )
    elif machine.domain is not None:
        found.append(
            (
                "ComputerInDomain",
                "InvalidOperation",
                f"This computer is a member of the domain {machine.domain}; HGS needs a workgroup.",
            )
        )
    if name and not _DOMAIN_NAME.fullmatch(name):
        found.append(("InvalidDomainName", "InvalidArgument", f"'{name}' is not a fully qualified domain name."))
    password = p.get("SafeModeAdministratorPassword")
    if isinstance(password, SecureString) and not _is_complex(password.text):
        message = "The safe mode administrator password does not meet the password complexity requirements."
        found.append(("PasswordNotComplex", "InvalidArgument", message))
    if not found and name:
        found.extend(_obstacles_in_domain(session, name, p.get("HgsDomainCredential")))
    return found


def _obstacles_in_domain(session: Session, name: str, credential: object) -> list[_Obstacle]:
    """Say what is wrong with the domain: a first node makes a new one, a further one has to find it and be let in."""
    if isinstance(credential, Credential):
        return _obstacles_to_joining(session, name, credential)
    parents = (".".join(name.lower().split(".")[index:]) for index in range(name.count(".") + 1))
    taken = next((parent for parent in parents if parent in session.world.domains), None)
    if taken is None:
        return []
    return [("DomainExists", "ResourceExists", f"The domain {taken} already exists; a new forest cannot be {name}.")]


def _obstacles_to_joining(session: Session, name: str, credential: Credential) -> list[_Obstacle]:
    domain = session.world.domains.get(name.lower())
    missing = f"No domain controller of {name} could be contacted."
    try:
        controller = network.locate(session.world, session.clock.now(), session.machine, name)
    except network.NetworkError as error:
        return [("DomainNotFound", "ObjectNotFound", f"{missing} {error}")]
    if domain is None or controller.name not in domain.controllers:
        return [("DomainNotFound", "ObjectNotFound", missing)]
    account = directory.domain_account(domain, credential.username)
    if account is None or account.password != credential.password.text:
        return [("LogonFailure", "AuthenticationError", "The user name or password is incorrect.")]
    return [] if account.administrator else [("AccessDenied", "PermissionDenied", "Access is denied.")]


def _is_complex(password: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit, lambda character: not character.isalnum())
    present = sum(any(kind(character) for character in password) for kind in kinds)
    return len(password) >= _SAFE_MODE_PASSWORD_LENGTH and present >= _CHARACTER_KINDS


@cmdlet(MODULE, "Initialize-HgsServer")
def initialize_hgs_server(session: Session, p: Bound) -> object:
    """Form the cluster on the first node, or make this server a further node of it."""
    machine = session.machine
    if p.parameter_set == "PrimaryServer_SecureDomain":
        raise NotEmulatedError("the lab does not emulate an HGS in an existing (bastion) domain")
    if p.flag("Https") or "HttpPort" in p:
        raise NotEmulatedError("the lab's HGS speaks HTTP on port 80 only")
    if machine.pending_features or machine.pending_promotion:
        raise _refused(
            "Initialize-HgsServer", "RestartPending", "InvalidOperation", "A restart of this computer is pending."
        )
    if not machine.domain_controller or machine.domain is None:
        raise _refused(
            "Initialize-HgsServer",
            "HgsServerNotInstalled",
            "InvalidOperation",
            "This computer is not a domain controller of an HGS domain. Run Install-HgsServer first.",
        )
    if not directory.answers(machine, session.clock.now()):
        message = "The Active Directory Web Services of this computer do not answer yet."
        raise _refused("Initialize-HgsServer", "DirectoryNotReady", "ResourceUnavailable", message)
    if hgs_clusters.cluster_of(session.world, machine) is not None:
        raise _refused(
            "Initialize-HgsServer",
            "AlreadyInitialized",
            "ResourceExists",
            "The Host Guardian Service is already initialized on this computer. Run Clear-HgsServer first.",
        )
    if p.parameter_set == "AdditionalServer":
        _join(session, p.text("HgsServerIPAddress"))
    else:
        _form(session, p, machine.domain)
    return None


def _form(session: Session, p: Bound, domain: str) -> None:
    name = p.text("HgsServiceName")
    if not _SERVICE_NAME.fullmatch(name):
        message = f"'{name}' cannot be the name of the service: up to 15 letters, digits and hyphens."
        raise _refused("Initialize-HgsServer", "InvalidServiceName", "InvalidArgument", message)
    taken = {item.name.lower() for item in session.world.machines.values() if item.domain == domain}
    if name.lower() in taken or f"{name}.{domain}".lower() in session.world.clusters:
        message = f"The name {name} already exists in {domain}."
        raise _refused("Initialize-HgsServer", "NameExists", "ResourceExists", message)
    modes = [mode for switch, mode in _MODES.items() if p.flag(switch)]
    if len(modes) > 1:
        raise _refused(
            "Initialize-HgsServer", "AmbiguousMode", "InvalidArgument", "Only one attestation mode can be trusted."
        )
    keys = [key for purpose in _PURPOSES if (key := _key_certificate(session, p, purpose)) is not None]
    if len(keys) < len(_PURPOSES):
        session.warn("The Key Protection Service does not work before it has a signing and an encryption certificate.")
    mode = modes[0] if modes else "Tpm"
    cluster = hgs_clusters.form(session.world, session.machine, domain, name, mode, keys, session.clock.now())
    if p.text("HgsVersion").lower() in _FIRST_VERSION:
        cluster.attestation.functional_level = 1


_MODES: Final[dict[str, Literal["Tpm", "HostKey", "AD"]]] = {
    "TrustTpm": "Tpm",
    "TrustHostKey": "HostKey",
    "TrustActiveDirectory": "AD",
}
_FIRST_VERSION: Final = frozenset({"v1", "hgsversion1503"})


def _key_certificate(session: Session, p: Bound, purpose: Literal["Signing", "Encryption"]) -> KeyCertificate | None:
    if f"{purpose}CertificateThumbprint" in p:
        raise NotEmulatedError("the lab's HGS takes certificates from PFX files only")
    if f"{purpose}CertificatePath" not in p:
        return None
    path = p.text(f"{purpose}CertificatePath")
    password = p.get(f"{purpose}CertificatePassword")
    data = file_parameters.content(session.machine, path)
    try:
        certificate = certificates.open_pfx(data, password.text if isinstance(password, SecureString) else "")
    except certificates.PfxError as error:
        raise CmdletError(
            str(error),
            "InvalidCertificate,Initialize-HgsServer",
            "InvalidData",
            "System.Security.Cryptography.CryptographicException",
        ) from error
    reason = key_certificates.why_not(purpose, certificate)
    if reason:
        message = f"The {purpose.lower()} certificate cannot be used. {reason}"
        raise _refused("Initialize-HgsServer", "InvalidCertificate", "InvalidData", message)
    return KeyCertificate(purpose, certificate)


def _join(session: Session, address: str) -> None:
    machine = session.machine
    try:
        primary = network.locate(session.world, session.clock.now(), machine, address)
    except network.NetworkError as error:
        raise _refused("Initialize-HgsServer", "HgsServerNotFound", "ConnectionError", f"{address}: {error}") from error
    cluster = hgs_clusters.cluster_of(session.world, primary)
    if cluster is None or cluster.domain != machine.domain:
        message = f"The Host Guardian Service is not initialized on {address}, or belongs to another domain."
        raise _refused("Initialize-HgsServer", "HgsServerNotInitialized", "InvalidOperation", message)
    if primary.version != machine.version:
        message = f"{address} runs Windows Server {primary.version}; all nodes must run the same version."
        raise _refused("Initialize-HgsServer", "VersionMismatch", "InvalidOperation", message)
    hgs_clusters.join(cluster, machine, session.clock.now())


@cmdlet(MODULE, "Get-HgsServer")
def get_hgs_server(session: Session, _p: Bound) -> object:
    """Return mode and addresses of the service, as a dictionary."""
    cluster = _cluster(session, "Get-HgsServer")
    base = f"http://{hgs_clusters.service_address(cluster)}"
    return {
        "AttestationOperationMode": cluster.attestation.mode,
        "AttestationUrl": [f"{base}/Attestation"],
        "KeyProtectionUrl": [f"{base}/KeyProtection"],
    }


@cmdlet(MODULE, "Set-HgsServer")
def set_hgs_server(session: Session, p: Bound) -> object:
    """Change the attestation mode; HTTP is always on."""
    cluster = _cluster(session, "Set-HgsServer")
    if p.flag("Https") or "HttpPort" in p:
        raise NotEmulatedError("the lab's HGS speaks HTTP on port 80 only")
    for switch, mode in _MODES.items():
        if p.flag(switch):
            cluster.attestation.mode = mode
    return None


@cmdlet(MODULE, "Clear-HgsServer")
def clear_hgs_server(session: Session, p: Bound) -> object:
    """Take the service off this node; the last node takes the cluster with it and needs -Force. The domain stays."""
    cluster = _cluster(session, "Clear-HgsServer")
    if cluster.nodes == [session.machine.name] and not p.flag("Force"):
        message = "This is the last node of the cluster. Use -Force to destroy it and all it knows."
        raise _refused("Clear-HgsServer", "LastNode", "InvalidOperation", message)
    hgs_clusters.leave(session.world, cluster, session.machine)
    return None


def _cluster(session: Session, name: str) -> HgsCluster:
    cluster = hgs_clusters.cluster_of(session.world, session.machine)
    if cluster is None:
        message = "The Host Guardian Service is not initialized on this computer."
        raise _refused(name, "HgsServerNotInitialized", "InvalidOperation", message)
    return cluster


def _refused(name: str, reason: str, category: str, message: str) -> CmdletError:
    return CmdletError(message, f"{reason},{name}", category, "System.InvalidOperationException")
