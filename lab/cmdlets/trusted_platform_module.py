# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module TrustedPlatformModule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import endorsement, tpm
from ansible_collections.guarded.fabric.lab.world.model import Certificate

from .certificate_object import certificate_object
from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "TrustedPlatformModule"


@cmdlet(MODULE, "Get-Tpm")
def get_tpm(session: Session, _p: Bound) -> object:
    """Return the state of the TPM; where there is none, that."""
    found = session.machine.tpm
    return PSObject(
        "Microsoft.Tpm.Commands.TpmObject",
        {
            "TpmPresent": found is not None,
            "TpmReady": found is not None and found.ready,
            "TpmEnabled": found is not None,
            "TpmActivated": found is not None,
            "TpmOwned": found is not None and found.ready,
            "RestartPending": False,
            "ManufacturerIdTxt": found.vendor if found is not None else "",
            "AutoProvisioning": "Enabled" if found is not None else "NotDefined",
            "LockedOut": False,
        },
    )


@cmdlet(MODULE, "Get-TpmEndorsementKeyInfo")
def get_endorsement_key(session: Session, p: Bound) -> object:
    """Return the endorsement key and its certificate; the hash is of the key's SubjectPublicKeyInfo (lab only)."""
    found = session.machine.tpm
    if found is None:
        raise CmdletError(
            "A compatible Trusted Platform Module (TPM) Security Device cannot be found on this computer.",
            "TpmNotFound,Microsoft.Tpm.Commands.GetTpmEndorsementKeyInfoCommand",
            "DeviceError",
        )
    if p.text("HashAlgorithm", "sha256").lower() != "sha256":
        raise NotEmulatedError("the lab hashes endorsement keys with SHA-256 only")
    key = tpm.endorsement_key(found)
    certificates = [certificate_object(Certificate(found.ek_certificate))] if found.ek_certificate else []
    return PSObject(
        "Microsoft.Tpm.Commands.TpmEndorsementKeyInfo",
        {
            "IsPresent": True,
            "PublicKey": key,
            "PublicKeyHash": endorsement.identifier(key).lower() if "HashAlgorithm" in p else None,
            "ManufacturerCertificates": certificates,
            "AdditionalCertificates": [],
        },
    )
