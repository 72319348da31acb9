# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fabric is, put so that two of them can be compared: no keys, times, addresses or ids."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from ansible_collections.guarded.fabric.lab.world import endorsement, tpm, virtual_machines
from ansible_collections.guarded.fabric.lab.world.bitlocker import SECTOR
from ansible_collections.guarded.fabric.lab.world.model import BootSettings
from ansible_collections.guarded.fabric.plugins.module_utils import key_protector
from ansible_collections.guarded.fabric.plugins.plugin_utils import policy_names
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import CODE_INTEGRITY_POLICY, TPM_BASELINE

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import (
        AttestationPolicy,
        HgsCluster,
        Machine,
        VirtualDisk,
        VirtualMachine,
        World,
    )

Description: TypeAlias = dict[str, Any]


def _service(world: World, cluster: HgsCluster) -> Description:
    attestation = cluster.attestation
    identities = {
        endorsement.identifier(tpm.endorsement_key(machine.tpm)): machine.name
        for machine in world.machines.values()
        if machine.tpm is not None
    }
    return {
        "nodes": sorted(cluster.nodes),
        "mode": attestation.mode,
        "hosts": {
            host.name: (host.policy_version, identities.get(host.identifier)) for host in attestation.hosts.values()
        },
        "policies": {
            _policy_name(policy): (policy.type, policy.state)
            for policy in attestation.policies.values()
            if not policy.name.startswith("Hgs_")
        },
        "built in policies that are off": sorted(
            policy.name
            for policy in attestation.policies.values()
            if policy.name.startswith("Hgs_") and policy.state == "Disabled"
        ),
        "certificates": sorted((item.type, item.primary, item.enabled) for item in cluster.key_protection.certificates),
        "trusted signers": len(cluster.key_protection.trusted_attestation_signers),
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


def _is_encrypted(disk: VirtualDisk) -> bool:
    locked = disk.bitlocker
    return locked is not None and not locked.waits_for_restart and locked.encrypted * SECTOR >= len(disk.volume)


def _virtual_machine(world: World, host: Machine, vm: VirtualMachine) -> Description:
    names = _names(world)
    protector = key_protector.read(vm.key_protector)
    owner = key_protector.owner(protector) if protector else None
    guardians = key_protector.guardians(protector) if protector else ()
    disks = [virtual_machines.disk(host, path) for path in vm.disks]
    return {
        "state": vm.state,
        "shielded": vm.shielded,
        "tpm": vm.tpm_enabled,
        "secure boot": vm.secure_boot,
        "state encrypted": vm.encrypt_state,
        "checkpoints": vm.checkpoints,
        "owner": names.get(owner.signing_certificate) if owner else None,
        "guardians": sorted(names.get(item.signing_certificate, "a stranger") for item in guardians),
        "encrypted": all(_is_encrypted(disk) for disk in disks),
        "protectors": [sorted(item.type for item in disk.bitlocker.protectors) for disk in disks if disk.bitlocker],
    }


def _policies_in_force(world: World, machine: Machine) -> list[str]:
    """Return the registered code integrity policies that are the one which a machine started with."""
    content = machine.boot.code_integrity_policy if machine.boot else None
    if content is None:
        return []
    return [
        _policy_name(policy)
        for cluster in world.clusters.values()
        for policy in cluster.attestation.policies.values()
        if policy.content and policy.type == "CiPolicy" and policy.content == content
    ] or ["a policy that nobody registered"]


def _attestation(machine: Machine) -> str:
    client = machine.client
    if client.mode == "Local":
        return ""
    return f"{client.operation_mode}: {client.status} at {client.attestation_url}, keys at {client.key_protection_url}"


def _machine(world: World, machine: Machine) -> Description:
    owners = _names(world)
    addresses = {"127.0.0.1": "itself", **{item.address: item.name for item in world.machines.values()}}
    forwarders = machine.dns_server.forwarders if machine.dns_server else {}
    settings_wait = machine.boot is not None and machine.boot.settings != machine.settings
    described: Description = {
        "dead": machine.dead,
        "domain": machine.domain,
        "controller": machine.domain_controller,
        "features": sorted(machine.features),
        "waits for a restart": bool(
            machine.pending_features or machine.pending_promotion or machine.shutdown_at or settings_wait
        ),
        "asks for names": [addresses.get(address, address) for address in machine.dns_client],
        "guardians": {key: owners.get(item.signing.der, "a stranger") for key, item in machine.guardians.items()},
        "policies": _policies_in_force(world, machine),
        "settings": sorted(asdict(machine.settings).items() - asdict(BootSettings()).items()),
        "attestation": _attestation(machine),
        "virtual machines": {vm.name: _virtual_machine(world, machine, vm) for vm in machine.virtual_machines.values()},
        "forwards": {zone: [addresses.get(master, master) for master in forwarders[zone]] for zone in forwarders},
        "certificates": {store: len(found) for store, found in machine.stores.items() if found},
        "files": sorted(path.rpartition("\\")[2] for path in machine.files),
        "registry": {key.rpartition("\\")[2]: sorted(values) for key, values in machine.registry.items()},
    }
    return {name: value for name, value in described.items() if value}


def describe(world: World) -> Description:
    """Return what is the same in every fabric that was rolled out with the same decisions."""
    return {
        "domains": {
            domain.name: {"controllers": sorted(domain.controllers), "accounts": sorted(domain.accounts)}
            for domain in world.domains.values()
        },
        "services": {name: _service(world, cluster) for name, cluster in world.clusters.items()},
        "machines": {machine.name: _machine(world, machine) for machine in world.machines.values()},
    }


SMALL: Description = {
    "domains": {
        "fabric.lab": {"controllers": ["dns01"], "accounts": ["administrator"]},
        "guardian.example": {"controllers": ["hgs01"], "accounts": ["administrator"]},
    },
    "services": {
        "hgs.guardian.example": {
            "nodes": ["hgs01"],
            "mode": "Tpm",
            "hosts": {"host01": ("v2", "host01")},
            "policies": {
                "Contoso-R740 and its content": ("SecureBootSettings", "Enabled"),
                "Contoso-R740-software and its content": ("CiPolicy", "Enabled"),
            },
            "built in policies that are off": ["Hgs_BitLockerEnabled"],
            "certificates": [("Encryption", True, True), ("Signing", True, True)],
            "trusted signers": 1,
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
            "asks for names": ["itself"],
            "certificates": {"localmachine\\trustedtpm_rootca": 1},
            "registry": {"parameters": ["DSA Database file"]},
        },
        "dns01": {
            "domain": "fabric.lab",
            "controller": True,
            "features": ["AD-Domain-Services", "DNS", "RSAT-AD-PowerShell", "RSAT-DNS-Server"],
            "asks for names": ["itself"],
            "forwards": {"guardian.example": ["hgs01"]},
        },
        "tenant01": {
            "features": ["RSAT-Shielded-VM-Tools"],
            "asks for names": ["dns01"],
            "guardians": {"owner": "Owner of tenant01", "hgs": "hgs.guardian.example"},
            "certificates": {"localmachine\\shielded vm local certificates": 2},
        },
        "vm01": {"features": ["BitLocker"], "asks for names": ["dns01"]},
        "host01": {
            "features": ["HostGuardian", "Hyper-V", "Hyper-V-PowerShell", "RSAT-Hyper-V-Tools"],
            "asks for names": ["dns01"],
            "policies": ["Contoso-R740-software and its content"],
            "settings": [("hypervisor_enforced_code_integrity", True), ("virtualization_based_security", True)],
            "attestation": "Tpm: Passed at http://hgs.guardian.example/Attestation, "
            "keys at http://hgs.guardian.example/KeyProtection",
            "virtual machines": {
                "vm01": {
                    "state": "Running",
                    "shielded": True,
                    "tpm": True,
                    "secure boot": True,
                    "state encrypted": True,
                    "checkpoints": [],
                    "owner": "Owner of tenant01",
                    "guardians": ["hgs.guardian.example"],
                    "encrypted": True,
                    "protectors": [["Tpm"]],
                }
            },
            "files": ["guardedfabric.p7b", "guardedfabric.xml", "sipolicy.p7b"],
            "registry": {"forcedumpsdisabled": ["GuardedHost"]},
        },
    },
}
"""What every rollout of the topology `small` comes to, however it was run."""
