# SPDX-License-Identifier: GPL-3.0-or-later
"""Host Guardian Service clusters: which machine is a node of which, how a cluster begins, grows and ends.

What a cluster knows is there on every node at once, but for the key protection certificates: a new node has them only
after up to ten minutes (WSD guarded-fabric-configure-additional-hgs-nodes). Lab only: there is no quorum, any node that
runs answers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from . import attestation, certificates
from .model import HgsCluster, KeyProtectionState

if TYPE_CHECKING:
    from datetime import datetime

    from .model import KeyCertificate, Machine, World

HTTP_PORT: Final = 80
REPLICATION: Final = timedelta(minutes=6)
"""World time until a new node has the key protection certificates."""


def cluster_of(world: World, machine: Machine) -> HgsCluster | None:
    """Return the cluster of which the machine is a node; None where it is of none."""
    return next((cluster for cluster in world.clusters.values() if machine.name in cluster.nodes), None)


def service_address(cluster: HgsCluster) -> str:
    """Return the fully qualified name under which hosts reach the service."""
    return f"{cluster.service_name}.{cluster.domain}".lower()


def form(  # noqa: PLR0913, PLR0917 - what Initialize-HgsServer is told
    world: World,
    node: Machine,
    domain: str,
    service_name: str,
    mode: Literal["Tpm", "HostKey", "AD"],
    keys: list[KeyCertificate],
    now: datetime,
) -> HgsCluster:
    """Make a machine the first node of a new cluster."""
    state = attestation.new_state(mode, now)
    cluster = HgsCluster(
        service_name=service_name,
        domain=domain,
        attestation=state,
        key_protection=KeyProtectionState(
            certificates=keys,
            communications=certificates.self_signed("HGS Communications Certificate", now),
            trusted_attestation_signers=[state.signer.der],
        ),
    )
    cluster.nodes.append(node.name)
    cluster.joined[node.name] = now - REPLICATION
    world.clusters[service_address(cluster)] = cluster
    return cluster


def join(cluster: HgsCluster, node: Machine, now: datetime) -> None:
    """Make a machine a further node."""
    cluster.nodes.append(node.name)
    cluster.joined[node.name] = now


def leave(world: World, cluster: HgsCluster, node: Machine) -> None:
    """Take a node out; the last one takes the cluster with it."""
    cluster.nodes.remove(node.name)
    cluster.joined.pop(node.name, None)
    if not cluster.nodes:
        del world.clusters[service_address(cluster)]


def has_key_certificates(cluster: HgsCluster, node: Machine, now: datetime) -> bool:
    """Whether the key protection certificates have reached a node."""
    return now >= cluster.joined[node.name] + REPLICATION
