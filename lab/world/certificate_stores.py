# SPDX-License-Identifier: GPL-3.0-or-later
r"""Certificate stores of a machine, by path below Cert:\\ in lower case, such as localmachine\\my."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint as thumbprint_of

from . import endorsement
from .features import HGS_ROLE

if TYPE_CHECKING:
    from .model import Certificate, Machine

_ALWAYS: Final = frozenset(
    f"{location}\\{name}"
    for location in ("localmachine", "currentuser")
    for name in ("my", "root", "ca", "trust", "trustedpeople", "trustedpublisher", "disallowed")
)
_WITH_HGS: Final = frozenset({endorsement.ROOT_STORE, endorsement.INTERMEDIATE_STORE})


def exists(machine: Machine, store: str) -> bool:
    """Whether the machine has a store; those for TPM vendors come with the HGS role (lab only: when they appear)."""
    return store in _ALWAYS or (store in _WITH_HGS and HGS_ROLE in machine.features) or store in machine.stores


def find(machine: Machine, store: str, thumbprint: str) -> Certificate | None:
    """Return a certificate of a store by its thumbprint."""
    wanted = thumbprint.upper()
    return next((item for item in machine.stores.get(store, []) if thumbprint_of(item.der) == wanted), None)


def add(machine: Machine, store: str, certificate: Certificate) -> None:
    """Put a certificate into a store, in the place of the same one without its key."""
    known = find(machine, store, thumbprint_of(certificate.der))
    if known is None:
        machine.stores.setdefault(store, []).append(certificate)
    elif certificate.key is not None:
        known.key = certificate.key


def remove(machine: Machine, store: str, certificate: Certificate) -> None:
    """Take a certificate out of a store."""
    machine.stores[store].remove(certificate)
