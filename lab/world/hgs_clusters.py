# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Host Guardian Service a machine is a node of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import HgsCluster, Machine, World


def cluster_of(world: World, machine: Machine) -> HgsCluster | None:
    """Return the cluster of which the machine is a node; None where it is of none."""
    return next((cluster for cluster in world.clusters.values() if machine.name in cluster.nodes), None)
