# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose TPMs an HGS node trusts: certificates of TPM vendors in the two stores for them.

The stores are not replicated, so every node needs them. Their names: WSD guarded-fabric-install-trusted-tpm-root-
certificates; a page on SQL Server calls them TrustedHgs_RootCA and TrustedHgs_IntermediateCA, which no other page does.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, File, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certainly
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.tpm_vendors import INTERMEDIATE, ROOT, STORES
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

_NO_STORE = "PathNotFound"

CERTIFICATE_INVALID = Kind(
    "GF-TPM-001",
    Owner.GUARDIAN,
    "is no certificate",
    "take a .cer or .crt file of the TPM's vendor, DER or PEM",
)
UNNAMED = Kind(
    "GF-TPM-002",
    Owner.CONTROLLER,
    "names no certificate",
    "set path to its file, or thumbprint to that of one to remove",
)
OTHER_THUMBPRINT = Kind(
    "GF-TPM-003",
    Owner.GUARDIAN,
    "is another certificate than the thumbprint says",
    "find out which one the vendor publishes",
)
NO_FILE = Kind(
    "GF-TPM-004",
    Owner.CONTROLLER,
    "is not in the store, and config has no file for it",
    "set path to the certificate's file",
)
STORE_MISSING = Kind(
    "GF-TPM-005",
    Owner.GUARDIAN,
    "has no store for TPM vendors' certificates",
    "install the feature HostGuardianServiceRole and restart",
)


def _certificate(file: File) -> x509.Certificate:
    try:
        if b"-----BEGIN" in file.content:
            return x509.load_pem_x509_certificate(file.content)
        return x509.load_der_x509_certificate(file.content)
    except ValueError as error:
        raise FabricError(Problem(CERTIFICATE_INVALID, file.name, str(error))) from error


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    return [_named(item) for item in config]


def _named(item: Item) -> Item:
    file, given = item.get("path"), str(item.get("thumbprint") or "").replace(" ", "").upper()
    if not isinstance(file, File):
        if not given:
            raise FabricError(Problem(UNNAMED, "an item of trusted_tpm_certificates"))
        return {**item, "thumbprint": given}
    found = thumbprint(_certificate(file).public_bytes(Encoding.DER))
    if given not in ("", found):
        raise FabricError(Problem(OTHER_THUMBPRINT, file.name, f"it is {found}"))
    return {**item, "thumbprint": found}


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return tuple(
        Call("Get-ChildItem", {"LiteralPath": [path]}, id=store, select=("Thumbprint", "Subject"), accept=(_NO_STORE,))
        for store, path in STORES.items()
    )


def _read(results: Results, _config: Sequence[Item]) -> Reading:
    state = {}
    for store in STORES:
        for certificate in results.objects(store):
            found = name_in(certificate, "Thumbprint").upper()
            subject = str(certificate.get("Subject", ""))
            state[found.casefold()] = {"thumbprint": found, "store": store, "subject": subject}
    missing = next((store for store in STORES if results.error(store) is not None), None)
    return Reading(state, missing=None if missing is None else Problem(STORE_MISSING, "", STORES[missing]))


def _refuse(_before: Item | None, after: Item | None) -> Sequence[Problem]:
    if after is not None and after.get("path") is None:
        return (Problem(NO_FILE, str(after["thumbprint"])),)
    return ()


def _removal(item: Item) -> Step:
    path = rf"{STORES[str(item['store'])]}\{item['thumbprint']}"
    return changing("Remove-Item", {"LiteralPath": [path]})


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    removal = () if before is None else (_removal(before),)
    if after is None:
        return removal
    file = certainly(File, after.get("path"), "refused without")
    store = STORES[str(after["store"])]
    return (*removal, changing("Import-Certificate", {"FilePath": file, "CertStoreLocation": store}))


RESOURCE = Resource(
    name="trusted_tpm_certificates",
    owner=Owner.GUARDIAN,
    options=(
        Option("thumbprint", Role.KEY),
        Option("store", choices=(ROOT, INTERMEDIATE), default=ROOT),
        Option("path", Role.INPUT, type="path", file=True),
        Option("subject", Role.COMPUTED),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    states=("merged", "overridden", "deleted", "gathered", "rendered"),
)
