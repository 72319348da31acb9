# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fabric is, put so that two of them can be compared: no keys, times, addresses or ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ansible_collections.guarded.fabric.lab.world import virtual_machines
from ansible_collections.guarded.fabric.plugins.module_utils import key_protector
from ansible_collections.guarded.fabric.plugins.plugin_utils import policy_names
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import CODE_INTEGRITY_POLICY, TPM_BASELINE

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import (
        AttestationPolicy,
        HgsCluster,
        Machine,
        VirtualMachine,
        World,
    )

Description: TypeAlias = dict[str, object]


def _service(cluster: HgsCluster) -> Description:
    attestation = cluster.attestation
    return {
        "nodes": sorted(cluster.nodes),
        "mode": attestation.mode,
        "hosts": {host.name: host.policy_version for host in attestation.hosts.values()},
        "policies": {
            _policy_name(policy): (policy.type, policy.state)
            for policy in attestation.policies.values()
            if not policy.name.startswith("Hgs_")
        },
        "certificates": sorted((item.type, item.primary, item.enabled) for item in cluster.key_protection.certificates),
    }


def _policy_name(policy: AttestationPolicy) -> str:
    """Return the class where the digits in the name are those of the content, else the whole name."""
    named = policy_names.parse(policy.name)
    kind = {"SecureBootSettings": TPM_BASELINE, "CiPolicy": CODE_INTEGRITY_POLICY}[policy.type]
    if named == policy_names.content_name(named.class_name if named else "", kind.fingerprint(policy.content)):
        return f"{named.class_name} and its content"
    return policy.name


def _names(world: World) -> dict[bytes, str]:
    """Return who has a signing key, by its certificate."""
    owners = {
        guardian.signing.der: f"{guardian.name} of {machine.name}"
        for machine in world.machines.values()
        for guardian in machine.guardians.values()
        if guardian.signing.key is not None
    }
    services = {
        item.certificate.der: name
        for name, cluster in world.clusters.items()
        for item in cluster.key_protection.certificates
        if item.type == "Signing"
    }
    return {**owners, **services}


def _virtual_machine(world: World, host: Machine, vm: VirtualMachine) -> Description:
    names = _names(world)
    protector = key_protector.read(vm.key_protector)
    owner = key_protector.owner(protector) if protector else None
    guardians = key_protector.guardians(protector) if protector else ()
    return {
        "state": vm.state,
        "shielded": vm.shielded,
        "tpm": vm.tpm_enabled,
        "owner": names.get(owner.signing_certificate) if owner else None,
        "guardians": sorted(names.get(item.signing_certificate, "a stranger") for item in guardians),
        "encrypted": all(virtual_machines.disk(host, path).bitlocker for path in vm.disks),
    }


def _machine(world: World, machine: Machine) -> Description:
    described: Description = {
        "domain": machine.domain,
        "controller": machine.domain_controller,
        "features": sorted(machine.features),
        "waits for a restart": bool(machine.pending_features or machine.pending_promotion),
        "guardians": sorted(machine.guardians),
        "enforces a policy": machine.boot is not None and machine.boot.code_integrity_policy is not None,
        "attestation": f"{machine.client.status} at {machine.client.attestation_url}"
        if machine.client.attestation_url
        else "",
        "virtual machines": {vm.name: _virtual_machine(world, machine, vm) for vm in machine.virtual_machines.values()},
        "forwards": sorted(machine.dns_server.forwarders) if machine.dns_server else [],
        "TPM vendors": len(machine.stores.get("localmachine\\trustedtpm_rootca", ())),
    }
    return {name: value for name, value in described.items() if value}


def describe(world: World) -> Description:
    """Return what is the same in every fabric that was rolled out with the same decisions."""
    return {
        "services": {name: _service(cluster) for name, cluster in world.clusters.items()},
        "machines": {machine.name: _machine(world, machine) for machine in world.machines.values()},
    }


SMALL: Description = {
    "services": {
        "hgs.guardian.example": {
            "nodes": ["hgs01"],
            "mode": "Tpm",
            "hosts": {"host01": "v2"},
            "policies": {
                "Contoso-R740 and its content": ("SecureBootSettings", "Enabled"),
                "Contoso-R740-software and its content": ("CiPolicy", "Enabled"),
            },
            "certificates": [("Encryption", True, True), ("Signing", True, True)],
        }
    },
    "machines": {
        "hgs01": {
            "domain": "guardian.example",
            "controller": True,
            "features": [
                "AD-Domain-Services",
                "DNS",
                "Failover-Clustering",
                "HostGuardianServiceRole",
                "RSAT-AD-PowerShell",
                "RSAT-Clustering-PowerShell",
                "RSAT-DNS-Server",
                "RSAT-Shielded-VM-Tools",
                "Web-Mgmt-Tools",
                "Web-Server",
            ],
            "TPM vendors": 1,
        },
        "dns01": {
            "domain": "fabric.lab",
            "controller": True,
            "features": ["AD-Domain-Services", "DNS", "RSAT-AD-PowerShell", "RSAT-DNS-Server"],
            "forwards": ["guardian.example"],
        },
        "host01": {
            "features": ["HostGuardian", "Hyper-V", "Hyper-V-PowerShell", "RSAT-Hyper-V-Tools"],
            "enforces a policy": True,
            "attestation": "Passed at http://hgs.guardian.example/Attestation",
            "virtual machines": {
                "vm01": {
                    "state": "Running",
                    "shielded": True,
                    "tpm": True,
                    "owner": "Owner of tenant01",
                    "guardians": ["hgs.guardian.example"],
                    "encrypted": True,
                }
            },
        },
        "tenant01": {"features": ["RSAT-Shielded-VM-Tools"], "guardians": ["hgs", "owner"]},
        "vm01": {"features": ["BitLocker"]},
    },
}
"""What every rollout of the topology `small` comes to, however it was run."""
