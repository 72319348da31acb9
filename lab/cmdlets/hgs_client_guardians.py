# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module HgsClient, its part about guardians and key protectors (PSD HgsClient).

The words and ids of errors are the lab's. A guardian in a key protector that this computer does not know has an empty
name, which is a guess.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import certificates, guardians, local_protectors
from ansible_collections.guarded.fabric.lab.world.guardians import Overlooked, RefusedError
from ansible_collections.guarded.fabric.lab.world.machine_clock import time_of
from ansible_collections.guarded.fabric.lab.world.model import Certificate, Guardian
from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata, key_protector

from . import file_parameters
from .certificate_object import certificate_object
from .registry import CmdletError, NotEmulatedError, PSObject, SecureString, cmdlet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ansible_collections.guarded.fabric.lab.world.model import Machine
    from ansible_collections.guarded.fabric.plugins.module_utils.key_protector import Wrapping

    from .registry import Bound, Session

MODULE: Final = "HgsClient"
_CIM: Final = "Microsoft.Management.Infrastructure.CimInstance#root/Microsoft/Windows/Hgs/"
_REMOTE: Final = ("CimSession", "ThrottleLimit", "AsJob")


@cmdlet(MODULE, "Get-HgsGuardian")
def get_guardian(session: Session, p: Bound) -> object:
    """Return the guardians of this computer, all or by name."""
    _refuse_remote(p)
    found = guardians.listed(session.machine)
    if "Name" not in p:
        return [_guardian_object(each) for each in found]
    by_name = {each.name.lower(): each for each in found}
    missing = [name for name in p.texts("Name") if name.lower() not in by_name]
    if missing:
        raise CmdletError(
            f"There is no guardian named '{missing[0]}'.", "GuardianNotFound,Get-HgsGuardian", "ObjectNotFound"
        )
    return [_guardian_object(by_name[name.lower()]) for name in p.texts("Name")]


@cmdlet(MODULE, "New-HgsGuardian")
def new_guardian(session: Session, p: Bound) -> object:
    """Make a guardian whose private keys are on this computer."""
    machine, now = session.machine, _now(session)
    with _refusals("New-HgsGuardian"):
        if p.flag("GenerateCertificates"):
            return _guardian_object(guardians.generate(machine, p.text("Name"), now))
        if "SigningCertificateThumbprint" in p:
            pair = [guardians.certificate_in_stores(machine, p.text(f"{use}CertificateThumbprint")) for use in _USES]
        else:
            pair = [_from_pfx(machine, p, f"{use}Certificate") for use in _USES]
        guardians.check_trust(machine, tuple(certificate.der for certificate in pair), _overlooked(p), now)
        return _guardian_object(guardians.from_certificates(machine, p.text("Name"), *pair))


@cmdlet(MODULE, "Import-HgsGuardian")
def import_guardian(session: Session, p: Bound) -> object:
    """Trust the guardian that a metadata file introduces."""
    document = file_parameters.content(session.machine, p.text("Path"))
    with _refusals("Import-HgsGuardian"):
        return _guardian_object(
            guardians.introduce(session.machine, p.text("Name"), document, _overlooked(p), _now(session))
        )


@cmdlet(MODULE, "Export-HgsGuardian")
def export_guardian(session: Session, p: Bound) -> object:
    """Write the public part of a guardian to a file."""
    file_parameters.save(
        session.machine, p.text("Path"), _guardian(p.get("InputObject"), "Export-HgsGuardian").metadata
    )
    return None


@cmdlet(MODULE, "Remove-HgsGuardian")
def remove_guardian(session: Session, p: Bound) -> object:
    """Forget a guardian."""
    name = p.text("Name") if "Name" in p else _guardian(p.get("InputObject"), "Remove-HgsGuardian").name
    with _refusals("Remove-HgsGuardian"):
        guardians.remove(session.machine, name)
    return None


@cmdlet(MODULE, "New-HgsKeyProtector")
def new_key_protector(session: Session, p: Bound) -> object:
    """Make a key protector for an owner whose private keys are here, and the guardians the owner trusts."""
    owner = _guardian(p.get("Owner"), "New-HgsKeyProtector")
    given = p.get("Guardian")
    items = given if isinstance(given, list) else [] if given is None else [given]
    trusted = [_guardian(each, "New-HgsKeyProtector") for each in items]
    with _refusals("New-HgsKeyProtector"):
        raw = local_protectors.create(session.machine, owner, trusted, _overlooked(p), _now(session))
        return _protector_object(session.machine, raw)


@cmdlet(MODULE, "ConvertTo-HgsKeyProtector")
def convert_to_key_protector(session: Session, p: Bound) -> object:
    """Make a key protector object of raw bytes."""
    _refuse_remote(p)
    with _refusals("ConvertTo-HgsKeyProtector"):
        return _protector_object(session.machine, p.data("Bytes"))


@cmdlet(MODULE, "Grant-HgsKeyProtectorAccess")
def grant_key_protector_access(session: Session, p: Bound) -> object:
    """Add a guardian to a key protector."""
    name = "Grant-HgsKeyProtectorAccess"
    raw = _raw(p.get("KeyProtector"), name)
    with _refusals(name):
        guardian = _chosen_guardian(session.machine, p, name)
        granted = local_protectors.grant(session.machine, raw, guardian, _overlooked(p), _now(session))
        return _protector_object(session.machine, granted)


@cmdlet(MODULE, "Revoke-HgsKeyProtectorAccess")
def revoke_key_protector_access(session: Session, p: Bound) -> object:
    """Take a guardian out of a key protector."""
    name = "Revoke-HgsKeyProtectorAccess"
    raw = _raw(p.get("KeyProtector"), name)
    with _refusals(name):
        revoked = local_protectors.revoke(session.machine, raw, _chosen_guardian(session.machine, p, name))
        return _protector_object(session.machine, revoked)


_USES: Final = ("Signing", "Encryption")


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise CmdletError(str(error), f"{error.reason},{name}", error.category) from error


def _now(session: Session) -> datetime:
    return time_of(session.machine, session.clock)


def _refuse_remote(p: Bound) -> None:
    for name in _REMOTE:
        if name in p:
            raise NotEmulatedError(f"the lab emulates the cmdlet on the computer itself, without -{name}")


def _overlooked(p: Bound) -> Overlooked:
    return Overlooked(untrusted_root=p.flag("AllowUntrustedRoot"), expired=p.flag("AllowExpired"))


def _from_pfx(machine: Machine, p: Bound, parameter: str) -> Certificate:
    password = p.get(f"{parameter}Password")
    data = file_parameters.content(machine, p.text(parameter))
    try:
        return certificates.open_pfx(data, password.text if isinstance(password, SecureString) else "")
    except certificates.PfxError as error:
        raise CmdletError(str(error), "InvalidPfx,New-HgsGuardian", "InvalidData") from error


def _chosen_guardian(machine: Machine, p: Bound, command: str) -> Guardian:
    if "GuardianFriendlyName" in p:
        return guardians.find(machine, p.text("GuardianFriendlyName"))
    return _guardian(p.get("Guardian"), command)


def _guardian(given: object, command: str) -> Guardian:
    if isinstance(given, PSObject) and isinstance(given.base, Guardian):
        return given.base
    raise _not_an_object("guardian", command)


def _raw(given: object, command: str) -> bytes:
    if (
        isinstance(given, PSObject)
        and given.type_name == _CIM + "MSFT_HgsKeyProtector"
        and isinstance(given.base, bytes)
    ):
        return given.base
    raise _not_an_object("key protector", command)


def _not_an_object(what: str, command: str) -> CmdletError:
    return CmdletError(
        f"Cannot bind the parameter: the object is no {what}.",
        f"ParameterArgumentTransformationError,{command}",
        "InvalidData",
    )


def _guardian_object(guardian: Guardian) -> PSObject:
    metadata = guardian_metadata.read(guardian.metadata)
    return PSObject(
        _CIM + "MSFT_HgsGuardian",
        {
            "Name": guardian.name,
            "HasPrivateSigningKey": guardian.signing.key is not None,
            "SigningCertificate": certificate_object(guardian.signing),
            "EncryptionCertificate": certificate_object(guardian.encryption),
            "EncryptionCertificateSignature": base64.b64encode(
                metadata.encryption_certificate_signature.value
            ).decode(),
            "EncryptionCertificateSignatureAlgorithm": metadata.encryption_certificate_signature.algorithm,
            "GuardianMetadataVersion": metadata.guardian_version,
        },
        base=guardian,
    )


def _protector_object(machine: Machine, raw: bytes) -> PSObject:
    protector = local_protectors.read(raw)
    owner = key_protector.owner(protector)
    return PSObject(
        _CIM + "MSFT_HgsKeyProtector",
        {
            "Owner": None if owner is None else _wrapping_object(machine, owner),
            "Guardians": [_wrapping_object(machine, each) for each in key_protector.guardians(protector)],
            "RawData": raw,
        },
        base=raw,
    )


def _wrapping_object(machine: Machine, wrapping: Wrapping) -> PSObject:
    """Return the guardian a wrapping is for: as this computer knows it, or what the protector says of it."""
    known = guardians.named(machine, wrapping.signing_certificate)
    if known is not None:
        return _guardian_object(known)
    return PSObject(
        _CIM + "MSFT_HgsGuardian",
        {
            "Name": "",
            "HasPrivateSigningKey": False,
            "SigningCertificate": certificate_object(Certificate(wrapping.signing_certificate)),
            "EncryptionCertificate": certificate_object(Certificate(wrapping.encryption_certificate)),
            "EncryptionCertificateSignature": base64.b64encode(
                wrapping.encryption_certificate_signature.value
            ).decode(),
            "EncryptionCertificateSignatureAlgorithm": wrapping.encryption_certificate_signature.algorithm,
            "GuardianMetadataVersion": guardian_metadata.VERSION,
        },
    )
