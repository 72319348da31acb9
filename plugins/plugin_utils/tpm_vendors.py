# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose TPMs an HGS node trusts: the names in its two stores, and whether a chain by name can lead to one of them.

Names only: the certificates themselves would be a hundred times as much to read, and HGS checks them anyway. So what is
found here to lead nowhere leads nowhere; what seems to lead somewhere is for HGS to judge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .calls import ANY_ERROR, Call, Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT, INTERMEDIATE = "root", "intermediate"
STORES: Final[Mapping[str, str]] = {
    ROOT: r"Cert:\LocalMachine\TrustedTPM_RootCA",
    INTERMEDIATE: r"Cert:\LocalMachine\TrustedTPM_IntermediateCA",
}
"""WSD guarded-fabric-install-trusted-tpm-root-certificates."""

_COMMON_NAME: Final = re.compile(r"(?:^|,)CN=([^,+\\\"]+)(?:,|$)")
_LONGEST_CHAIN: Final = 8


@dataclass(frozen=True)
class Trusted:
    """Subject and issuer of the certificates in the two stores, as Windows writes them."""

    roots: tuple[tuple[str, str], ...]
    intermediates: tuple[tuple[str, str], ...]


def observe() -> Sequence[Call]:
    """Return the calls that read the stores."""
    return tuple(
        Call("Get-ChildItem", {"LiteralPath": [path]}, id=store, select=("Subject", "Issuer"), accept=(ANY_ERROR,))
        for store, path in STORES.items()
    )


def read(results: Results) -> Trusted | None:
    """Return what is in the stores; None where one of them could not be read."""
    if any(results.error(store) is not None or store not in results for store in STORES):
        return None
    roots, intermediates = (tuple(_names(results, store)) for store in (ROOT, INTERMEDIATE))
    return Trusted(roots, intermediates)


def _names(results: Results, store: str) -> Iterator[tuple[str, str]]:
    for certificate in results.objects(store):
        yield str(certificate.get("Subject", "")), str(certificate.get("Issuer", ""))


def leads_nowhere(issuer: str, trusted: Trusted) -> bool:
    """Whether no chain of names leads from `issuer`, as this collection writes names, to a trusted root.

    Windows writes names in another way, so the first step goes by the common name; one that is not plain may be anyone.
    """
    named = _COMMON_NAME.search(issuer)
    if named is None:
        return False
    known = (*trusted.roots, *trusted.intermediates)
    reached = {subject for subject, _issuer in known if named[1].casefold() in subject.casefold()}
    for _ in range(_LONGEST_CHAIN):
        if any(subject in reached for subject, _issuer in trusted.roots):
            return False
        reached |= {above for subject, above in trusted.intermediates if subject in reached}
    return True
