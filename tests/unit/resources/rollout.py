# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a whole fabric, resource by resource, in the order of the playbooks; each is checked, run, and run again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Unpack

from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.controller_files import with_files
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_evidence,
    attestation_hosts,
    attestation_policies,
    code_integrity_policy,
    dns_client,
    dns_conditional_forwarders,
    guardian_metadata,
    guardians,
    hgs_client,
    hgs_server,
    key_protectors,
    shielded_vms,
    trusted_tpm_certificates,
    windows_features,
)
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab, beats, lab
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Report
    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource
    from ansible_collections.guarded.fabric.tests.unit.engine.switches import RunOptions

TOPOLOGY = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}", edition: Standard, count: 2}
  - {kind: dns, name: "dns{:02}", edition: Standard}
  - {kind: host, name: "host{:02}", hardware: Contoso R740, count: 2}
  - {kind: tenant, name: "tenant{:02}"}
virtual_machines:
  - {name: "vm{:02}", count: 2}
trusted_tpm_vendors: false
"""


class CarryOut(Protocol):
    """How often a task is run, and what is looked at."""

    def __call__(
        self, lab: Lab, machine: str, resource: Resource, config: Sequence[Item], /, **options: Unpack[RunOptions]
    ) -> Report:
        """Run it."""


class Operator:
    """Does with the lab what the roles do."""

    def __init__(self, fabric: Lab, exchange: Path, carry_out: CarryOut = beats) -> None:
        self.lab = fabric
        self.exchange = exchange
        self.carry_out = carry_out

    def load(self, resource: Resource, config: list[Item]) -> list[Item]:
        return with_files(resource.options, config, str, ahead=False)

    def do(self, machine: str, resource: Resource, *config: Item, **options: Unpack[RunOptions]) -> Report:
        return self.carry_out(self.lab, machine, resource, self.load(resource, list(config)), **options)

    def path(self, kind: ArtifactKind, name: str) -> str:
        return str(self.exchange / kind.folder / (name + kind.suffix))

    def approve(self, kind: ArtifactKind, name: str) -> None:
        judge(Path(self.path(kind, name)), Approval("ada", "2026-11-24T19:00:00Z", "compared"), check_mode=False)


def build_hgs(operator: Operator, pfx_files: dict[str, File]) -> None:
    first = {
        "domain": "hgs.lab",
        "service": "HGS",
        "mode": "Tpm",
        "safe_mode_password": "Safe-Mode-1",
        **{f"{name}_certificate": file for name, file in pfx_files.items()},
        **{f"{name}_certificate_password": "Pfx-1" for name in pfx_files},
    }
    address = operator.lab.machine("hgs01").address
    further = {
        "domain": "hgs.lab",
        "mode": "Tpm",
        "join_address": address,
        "safe_mode_password": "Safe-Mode-1",
        "domain_username": "hgs\\Administrator",
        "domain_password": "Guardian-1",
    }
    assert operator.carry_out(operator.lab, "hgs01", hgs_server.RESOURCE, [first]).changed
    assert operator.do("hgs02", dns_client.RESOURCE, {"server_addresses": [address]}).changed
    assert operator.do("hgs02", hgs_server.RESOURCE, further).changed
    vendor = operator.exchange / "vendor.cer"
    certificate = x509.load_der_x509_certificate(operator.lab.world.tpm_vendors["Lab Silicon"].der)
    vendor.write_bytes(certificate.public_bytes(Encoding.PEM))
    for node in ("hgs01", "hgs02"):
        assert operator.do(node, trusted_tpm_certificates.RESOURCE, {"path": str(vendor), "store": "root"}).changed


def prepare_hosts(operator: Operator) -> None:
    masters = [operator.lab.machine(name).address for name in ("hgs01", "hgs02")]
    operator.do("dns01", dns_conditional_forwarders.RESOURCE, {"name": "hgs.lab", "master_servers": masters})
    for host in ("host01", "host02"):
        features: list[Item] = [{"name": name} for name in ("Hyper-V", "HostGuardian")]
        assert operator.do(host, windows_features.RESOURCE, *features).changed
    scan = {"level": "Publisher", "removed_rule_options": [16], "hypervisor_enforced": True}
    assert operator.do("host01", code_integrity_policy.RESOURCE, {"scan": scan}).changed
    names = {"name": "host01", "hardware_class": "r740", "software_class": "core"}
    operator.lab.capture("host01", attestation_evidence.CAPTURE, names, str(operator.exchange))
    policy = operator.path(kinds.CODE_INTEGRITY_POLICY, "core")
    assert operator.do("host02", code_integrity_policy.RESOURCE, {"policy": policy}).changed
    operator.lab.capture("host02", attestation_evidence.CAPTURE, {"name": "host02"}, str(operator.exchange))


def register(operator: Operator) -> None:
    for kind, name in (
        (kinds.PLATFORM_IDENTIFIER, "host01"),
        (kinds.PLATFORM_IDENTIFIER, "host02"),
        (kinds.TPM_BASELINE, "r740"),
        (kinds.CODE_INTEGRITY_POLICY, "core"),
    ):
        operator.approve(kind, name)
    hosts = [{"name": name, "path": operator.path(kinds.PLATFORM_IDENTIFIER, name)} for name in ("host01", "host02")]
    assert operator.do("hgs01", attestation_hosts.RESOURCE, *hosts).changed
    policies: list[Item] = [
        {"name": "r740", "baseline": operator.path(kinds.TPM_BASELINE, "r740")},
        {"name": "core", "code_integrity_policy": operator.path(kinds.CODE_INTEGRITY_POLICY, "core")},
        {"name": "Hgs_NoHibernation", "enabled": False},
    ]
    assert operator.do("hgs01", attestation_policies.RESOURCE, *policies).changed


def attest(operator: Operator) -> None:
    for host in ("host01", "host02"):
        client = {
            "attestation_url": "http://hgs.hgs.lab/Attestation",
            "key_protection_url": "http://hgs.hgs.lab/KeyProtection",
            "attested": True,
        }
        report = operator.do(host, hgs_client.RESOURCE, client)
        assert report.after[0]["attestation_status"] == "Passed"


def protect(operator: Operator) -> None:
    operator.lab.capture("hgs01", guardian_metadata.CAPTURE, {"name": "fabric"}, str(operator.exchange))
    operator.approve(kinds.GUARDIAN_METADATA, "fabric")
    metadata = operator.path(kinds.GUARDIAN_METADATA, "fabric")
    report = operator.do(
        "tenant01",
        guardians.RESOURCE,
        {"name": "Owner", "generate": True},
        {"name": "Fabric", "path": metadata, "allow_untrusted_root": True},
    )
    assert report.changed
    made = {"names": ["vm01", "vm02"], "owner": "Owner", "guardians": ["Fabric"], "allow_untrusted_root": True}
    captured = operator.lab.capture("tenant01", key_protectors.CAPTURE, made, str(operator.exchange))
    assert captured.changed
    assert len(operator.lab.log.executions) == 2
    captured = operator.lab.capture("tenant01", key_protectors.CAPTURE, made, str(operator.exchange))
    assert not captured.changed
    assert len(captured.filed) == 2
    assert len(operator.lab.log.executions) == 1


def shield(operator: Operator) -> None:
    for host, name in (("host01", "vm01"), ("host02", "vm02")):
        vm = {
            "name": name,
            "key_protector": operator.path(kinds.KEY_PROTECTOR, name),
            "shielded": True,
            "power": "running",
            "allow_stop": True,
        }
        assert operator.do(host, shielded_vms.RESOURCE, vm).changed


STAGES = (prepare_hosts, register, attest, protect, shield)


class Stages:
    """The lab as it is after each stage of a rollout, built once; each test gets a copy of its own."""

    def __init__(self, keys: Sequence[bytes], pfx_files: dict[str, File], exchange: Path) -> None:
        self.exchange = exchange
        operator = Operator(lab(TOPOLOGY, keys), exchange)
        self._labs = {"nothing": operator.lab.copy()}
        build_hgs(operator, pfx_files)
        self._labs["build_hgs"] = operator.lab.copy()
        for stage in STAGES:
            stage(operator)
            self._labs[stage.__name__] = operator.lab.copy()

    def after(self, stage: str) -> Operator:
        """Return somebody who works with a lab of their own, as it is after a stage."""
        return Operator(self._labs[stage].copy(), self.exchange)
