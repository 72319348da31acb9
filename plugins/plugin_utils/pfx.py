# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of the Key Protection Service in PFX files, looked at before they are sent anywhere.

What they need: WSD guarded-fabric-obtain-certs (RSA of 2048 bits or more, digital signature and data encipherment). A
service that runs does not mind that one has expired; tenants do when they import its guardian, so none begins with one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from . import certificate_validity
from .problems import Kind, Owner, Problem

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12

if TYPE_CHECKING:
    from datetime import datetime

    from .calls import File

SMALLEST_KEY = 2048

PFX_UNREADABLE = Kind(
    "GF-PFX-001",
    Owner.GUARDIAN,
    "cannot be opened with the password given",
    "check the password, and that the file is a PFX (PKCS #12) file",
)
PFX_WITHOUT_KEY = Kind(
    "GF-PFX-002",
    Owner.GUARDIAN,
    "holds no certificate with its private key",
    "export the certificate again, with its private key",
)
PFX_KEY_UNSUITABLE = Kind(
    "GF-PFX-003",
    Owner.GUARDIAN,
    f"has a key that the Key Protection Service does not take: RSA of {SMALLEST_KEY} bits or more is needed",
    "obtain a certificate with such a key, from a provider of type KSP",
)
PFX_USAGE_UNSUITABLE = Kind(
    "GF-PFX-004",
    Owner.GUARDIAN,
    "may not be used for both digital signature and data encipherment",
    "obtain a certificate with both key usages",
)

PFX_OUT_OF_TIME = Kind(
    "GF-PFX-005",
    Owner.GUARDIAN,
    "is not valid at the node's time, and tenants would not trust a service that begins with it",
    "obtain a new certificate, or set the clock of the node right",
)


def _usages(certificate: x509.Certificate) -> set[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        # RFC 5280 4.2.1.3: a certificate that does not say may be used for anything.
        return {"digital_signature", "data_encipherment"}
    return {name for name in ("digital_signature", "data_encipherment") if getattr(usage, name)}


def why_not(file: File, password: str) -> Problem | None:
    """Say what keeps a PFX file from being a certificate of the Key Protection Service, None where nothing does."""
    try:
        key, certificate, _chain = pkcs12.load_key_and_certificates(file.content, password.encode())
    except (ValueError, TypeError) as error:
        return Problem(PFX_UNREADABLE, file.name, str(error))
    if key is None or certificate is None:
        return Problem(PFX_WITHOUT_KEY, file.name)
    if not isinstance(key, rsa.RSAPrivateKey):
        return Problem(PFX_KEY_UNSUITABLE, file.name, "it is no RSA key")
    if key.key_size < SMALLEST_KEY:
        return Problem(PFX_KEY_UNSUITABLE, file.name, f"it has {key.key_size} bits")
    usages = _usages(certificate)
    if len(usages) < 2:  # noqa: PLR2004 - both
        return Problem(PFX_USAGE_UNSUITABLE, file.name, f"it may be used for: {', '.join(sorted(usages)) or 'neither'}")
    return None


def why_not_now(file: File, password: str, now: datetime) -> Problem | None:
    """Say what keeps a PFX file that is one of those from being used at a time, None where nothing does."""
    _key, certificate, _chain = pkcs12.load_key_and_certificates(file.content, password.encode())
    reason = "" if certificate is None else certificate_validity.why_not(certificate, now)
    return Problem(PFX_OUT_OF_TIME, file.name, reason) if reason else None
