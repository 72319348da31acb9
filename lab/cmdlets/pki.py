# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module PKI: certificates into and out of stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import certificate_stores, certificates
from ansible_collections.guarded.fabric.lab.world.model import Certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from . import file_parameters, item_paths
from .certificate_object import certificate_object
from .item_paths import CertificatePath
from .registry import CmdletError, NotEmulatedError, PSObject, SecureString, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "pki"
_DEFAULT_STORE: Final = r"Cert:\CurrentUser\My"
_PEM: Final = b"-----BEGIN CERTIFICATE-----"


@cmdlet(MODULE, "Import-Certificate")
def import_certificate(session: Session, p: Bound) -> object:
    """Put the certificate of a file (.cer, DER or PEM) into a store."""
    store = _store(session, p, "Import-Certificate")
    data = file_parameters.content(session.machine, p.text("FilePath"))
    try:
        parsed = x509.load_pem_x509_certificate(data) if _PEM in data else x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise CmdletError(
            "Cannot find the requested object. 0x80092009 (-2146885623 CRYPT_E_NO_MATCH)",
            "System.ComponentModel.Win32Exception,Microsoft.CertificateServices.Commands.ImportCertificateCommand",
            "NotSpecified",
            "System.ComponentModel.Win32Exception",
        ) from error
    certificate = Certificate(parsed.public_bytes(Encoding.DER))
    certificate_stores.add(session.machine, store, certificate)
    return certificate_object(certificate)


@cmdlet(MODULE, "Import-PfxCertificate")
def import_pfx_certificate(session: Session, p: Bound) -> object:
    """Put the certificate of a PFX file with its private key into a store."""
    store = _store(session, p, "Import-PfxCertificate")
    password = p.get("Password")
    data = file_parameters.content(session.machine, p.text("FilePath"))
    try:
        certificate = certificates.open_pfx(data, password.text if isinstance(password, SecureString) else "")
    except certificates.PfxError as error:
        raise CmdletError(
            "The PFX file you are trying to import requires either a different password or membership in an Active "
            "Directory principal to which it is protected.",
            "System.Exception,Microsoft.CertificateServices.Commands.ImportPfxCertificate",
            "NotSpecified",
            "System.Exception",
        ) from error
    certificate_stores.add(session.machine, store, certificate)
    return certificate_object(certificate)


@cmdlet(MODULE, "Export-Certificate")
def export_certificate(session: Session, p: Bound) -> object:
    """Write a certificate of a store to a file (DER)."""
    given = p.get("Cert")
    if p.text("Type", "CERT") != "CERT":
        raise NotEmulatedError("the lab exports single certificates only")
    certificate = given.base if isinstance(given, PSObject) else None
    if not isinstance(certificate, Certificate):
        path = item_paths.parse(str(given))
        found = isinstance(path, CertificatePath) and certificate_stores.find(
            session.machine, path.store, path.thumbprint
        )
        if not isinstance(found, Certificate):
            raise item_paths.not_found(path, "ExportCertificateCommand")
        certificate = found
    file_parameters.save(session.machine, p.text("FilePath"), certificate.der)
    return None


def _store(session: Session, p: Bound, name: str) -> str:
    path = item_paths.parse(p.text("CertStoreLocation", _DEFAULT_STORE))
    if (
        not isinstance(path, CertificatePath)
        or path.thumbprint
        or not certificate_stores.exists(session.machine, path.store)
    ):
        raise CmdletError(
            f"Cannot find path '{path.text}' because it does not exist.",
            f"PathNotFound,Microsoft.CertificateServices.Commands.{name.replace('-', '')}Command",
            "ObjectNotFound",
            "System.Management.Automation.ItemNotFoundException",
        )
    return path.store
