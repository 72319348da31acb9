# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the exchange directory says about the evidence of hosts: what each showed, and what was approved for a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .certainty import certain
from .exchange import in_use
from .retirement import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .exchange import ArtifactKind, Sidecar


def _sidecars(exchange: str, kind: ArtifactKind) -> dict[str, Sidecar]:
    return {name: certain(item.sidecar, "it was loaded") for name, item in in_use(exchange, kind)}


def shown(exchange: str, approved: ArtifactKind, used: ArtifactKind, hosts: Sequence[str]) -> Shown:
    """Return what was approved of one kind and what `hosts` showed of another. Raises FabricError."""
    fingerprints = {name.casefold(): sidecar.fingerprint for name, sidecar in _sidecars(exchange, used).items()}
    return Shown(
        used={host: fingerprints[host.casefold()] for host in hosts if host.casefold() in fingerprints},
        approved={
            name: item.fingerprint for name, item in _sidecars(exchange, approved).items() if item.approval is not None
        },
        unseen=tuple(host for host in hosts if host.casefold() not in fingerprints),
    )
