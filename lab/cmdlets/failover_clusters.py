# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module FailoverClusters: the cluster under a Host Guardian Service, and clusters of Hyper-V hosts."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import failover, hgs_clusters
from ansible_collections.guarded.fabric.lab.world.model import HgsCluster

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound, Session

MODULE: Final = "FailoverClusters"
RESOURCE: Final = "HgsClusterResource"
"""Name of HGS's distributed network name (WSD guarded-fabric-manage-hgs)."""

_TYPES: Final = "Microsoft.FailoverClusters.PowerShell."
_NAMES: Final = {"Get-ClusterNode": "GetClusterNodeCommand", "Get-ClusterResource": "GetResourceCommand"}


@cmdlet(MODULE, "Get-ClusterNode")
def get_cluster_node(session: Session, p: Bound) -> object:
    """Return the nodes of the cluster and whether they are up."""
    nodes = _nodes(session, p)
    found = [_node_object(session, node, number) for number, node in enumerate(nodes, start=1)]
    return _named(found, p, "Get-ClusterNode")


@cmdlet(MODULE, "Suspend-ClusterNode")
def suspend_cluster_node(session: Session, p: Bound) -> object:
    """Pause nodes; with -Drain their roles move to other nodes first, and with -Wait that is waited for."""
    strange = set(p) - {"Name", "Drain", "Wait", "Cluster"}
    if strange:
        raise NotEmulatedError(f"the lab does not emulate Suspend-ClusterNode -{min(strange)}")
    chosen = _chosen(session, p, "Suspend-ClusterNode")
    try:
        for _number, node in chosen:
            failover.suspend(session.world, session.clock, node, drain=p.flag("Drain"))
    except failover.CannotDrainError as error:
        raise CmdletError(
            f"The drain failed. {error}",
            f"Suspend-ClusterNode,{_TYPES}SuspendClusterNodeCommand",
            "NotSpecified",
            _TYPES + "ClusterCmdletException",
        ) from error
    return [_node_object(session, node, number) for number, node in chosen]


@cmdlet(MODULE, "Resume-ClusterNode")
def resume_cluster_node(session: Session, p: Bound) -> object:
    """Let paused nodes take roles again; without -Failback those that were moved away stay where they are."""
    strange = set(p) - {"Name", "Failback", "Cluster"}
    if strange or p.text("Failback", "NoFailback") == "Policy":
        raise NotEmulatedError("the lab emulates Resume-ClusterNode -Name -Failback Immediate and NoFailback only")
    chosen = _chosen(session, p, "Resume-ClusterNode")
    for _number, node in chosen:
        failover.resume(session.world, session.clock, node, failback=p.text("Failback") == "Immediate")
    return [_node_object(session, node, number) for number, node in chosen]


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
    _check_local(p)
    cluster = hgs_clusters.cluster_of(session.world, session.machine)
    if cluster is None:
        raise _no_cluster()
    return cluster


def _check_local(p: Bound) -> None:
    if "Cluster" in p:
        raise NotEmulatedError("the lab's cluster cmdlets ask the local cluster only")


def _no_cluster() -> CmdletError:
    return CmdletError(
        "The cluster service is not running. Make sure that the service is running on all nodes in the cluster. "
        "There are no more endpoints available from the endpoint mapper",
        "Get-Cluster,Microsoft.FailoverClusters.PowerShell.GetClusterCommand",
        "ConnectionError",
        _TYPES + "ClusterCmdletException",
    )


def _nodes(session: Session, p: Bound) -> list[Machine]:
    _check_local(p)
    hosts = failover.nodes_of(session.world, session.machine)
    if hosts:
        return hosts
    return [session.world.machines[name] for name in _cluster(session, p).nodes]


def _chosen(session: Session, p: Bound, name: str) -> list[tuple[int, Machine]]:
    """Return the nodes that -Name says, or this one, each with its number."""
    nodes = list(enumerate(_nodes(session, p), start=1))
    if "Name" not in p:
        return [(number, node) for number, node in nodes if node is session.machine]
    wanted = {str(item.properties["Id"]) for item in _named([_node_object(session, n, i) for i, n in nodes], p, name)}
    return [(number, node) for number, node in nodes if str(number) in wanted]


def _node_object(session: Session, node: Machine, number: int) -> PSObject:
    state = failover.state_of(session.world, session.clock, node)
    return PSObject(
        _TYPES + "ClusterNode", {"Name": node.name, "NodeName": node.name, "Id": str(number), "State": state}
    )


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
