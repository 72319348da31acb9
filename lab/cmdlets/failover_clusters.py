# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module FailoverClusters: the cluster under a Host Guardian Service."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import hgs_clusters, power
from ansible_collections.guarded.fabric.lab.world.model import HgsCluster

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "FailoverClusters"
RESOURCE: Final = "HgsClusterResource"
"""Name of HGS's distributed network name (WSD guarded-fabric-manage-hgs)."""

_TYPES: Final = "Microsoft.FailoverClusters.PowerShell."
_NAMES: Final = {"Get-ClusterNode": "GetClusterNodeCommand", "Get-ClusterResource": "GetResourceCommand"}


@cmdlet(MODULE, "Get-ClusterNode")
def get_cluster_node(session: Session, p: Bound) -> object:
    """Return the nodes of the cluster and whether they are up."""
    cluster = _cluster(session, p)
    nodes = [session.world.machines[name] for name in cluster.nodes]
    now = session.clock.now()
    found = [
        PSObject(
            _TYPES + "ClusterNode",
            {
                "Name": node.name,
                "NodeName": node.name,
                "Id": str(number),
                "State": "Up" if power.is_up(session.world, node, now) else "Down",
            },
        )
        for number, node in enumerate(nodes, start=1)
    ]
    return _named(found, p, "Get-ClusterNode")


@cmdlet(MODULE, "Get-ClusterResource")
def get_cluster_resource(session: Session, p: Bound) -> object:
    """Return the resources of the cluster: the service's name."""
    cluster = _cluster(session, p)
    resource = PSObject(
        _TYPES + "ClusterResource",
        {
            "Name": RESOURCE,
            "State": "Online",
            "OwnerGroup": "HgsClusterGroup",
            "ResourceType": "Distributed Network Name",
            "OwnerNode": cluster.nodes[0],
        },
        base=cluster,
    )
    return _named([resource], p, "Get-ClusterResource")


@cmdlet(MODULE, "Get-ClusterParameter")
def get_cluster_parameter(session: Session, p: Bound) -> object:
    """Return parameters of a resource."""
    _cluster(session, p)
    given = p.get("InputObject")
    if not isinstance(given, PSObject) or not isinstance(given.base, HgsCluster):
        raise NotEmulatedError("the lab emulates Get-ClusterParameter -InputObject with a cluster resource only")
    parameter = PSObject(
        _TYPES + "ClusterParameter",
        {"ClusterObject": RESOURCE, "Name": "DnsName", "Value": given.base.service_name, "ParameterType": "String"},
    )
    return _named([parameter], p, "Get-ClusterParameter")


def _cluster(session: Session, p: Bound) -> HgsCluster:
    if "Cluster" in p:
        raise NotEmulatedError("the lab's cluster cmdlets ask the local cluster only")
    cluster = hgs_clusters.cluster_of(session.world, session.machine)
    if cluster is None:
        raise CmdletError(
            "The cluster service is not running. Make sure that the service is running on all nodes in the cluster. "
            "There are no more endpoints available from the endpoint mapper",
            "Get-Cluster,Microsoft.FailoverClusters.PowerShell.GetClusterCommand",
            "ConnectionError",
            _TYPES + "ClusterCmdletException",
        )
    return cluster


def _named(found: list[PSObject], p: Bound, name: str) -> list[PSObject]:
    patterns = [pattern.lower() for pattern in p.texts("Name")]
    if not patterns:
        return found
    chosen = [
        item for item in found for pattern in patterns if fnmatchcase(str(item.properties["Name"]).lower(), pattern)
    ]
    if not chosen:
        command = _NAMES.get(name, "ClusterCommand")
        raise CmdletError(
            f"'{patterns[0]}' was not found in the cluster.",
            f"{name},{_TYPES}{command}",
            "ObjectNotFound",
            _TYPES + "ClusterCmdletException",
        )
    return chosen
