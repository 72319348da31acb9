# SPDX-License-Identifier: GPL-3.0-or-later
"""Fabrics that grew by hand, in all sorts of ways, and what adopting one comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from ansible_collections.guarded.fabric.plugins.action.adoption_reading import shown
from ansible_collections.guarded.fabric.plugins.plugin_utils import adoption_files, catalogue
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption import Adoption, adopt
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_model import Shown
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_reading import reading
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_text import texts
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture, Filed, Status
from ansible_collections.guarded.fabric.plugins.plugin_utils.controller_files import with_files
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift import Declaration, drifting
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_evidence,
    guardian_metadata,
    key_protectors,
)
from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Operator, build_hgs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Report
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource
    from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab
    from ansible_collections.guarded.fabric.tests.unit.engine.switches import RunOptions

TOPOLOGY = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
  - {name: Fabrikam X12, vendor: Fabrikam, firmware: "1.4", tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}", edition: Standard, count: 2}
  - {kind: dns, name: "dns{:02}", edition: Standard}
  - {kind: host, name: "host{:02}", hardware: Contoso R740, count: 2}
  - {kind: host, name: "x{:02}", hardware: Fabrikam X12}
  - {kind: tenant, name: "tenant{:02}"}
virtual_machines:
  - {name: "vm{:02}", count: 3}
trusted_tpm_vendors: false
"""
HOSTS = ("host01", "host02", "x01")
PARTS = {"hgs": ("hgs01", "hgs02"), "dns": ("dns01",), "host": HOSTS, "tenant": ("tenant01",)}
SCAN: Item = {"level": "FilePublisher", "fallback": ["Hash"], "removed_rule_options": [16], "hypervisor_enforced": True}
URLS = {"attestation_url": "http://hgs.hgs.lab/Attestation", "key_protection_url": "http://hgs.hgs.lab/KeyProtection"}


def once(lab: Lab, machine: str, resource: Resource, config: Sequence[Item], **options: Unpack[RunOptions]) -> Report:
    """Carry out a task and nothing beside it."""
    return lab.run(machine, resource, config, **options)


class Fabric:
    """A lab, and the exchange directory of those who built it, of which who adopts knows nothing."""

    # No dataclass: Hypothesis shows arguments, and a world is half a megabyte of text.
    def __init__(self, lab: Lab, built_with: Path) -> None:
        self.lab = lab
        self.built_with = built_with

    def copy(self) -> Fabric:
        return Fabric(self.lab.copy(), self.built_with)

    @property
    def operator(self) -> Operator:
        return Operator(self.lab, self.built_with, once)


@dataclass(frozen=True)
class Decisions:
    """How a fabric grew.

    registered: name at HGS by host; the others are no guarded hosts. classes: which artifacts are registered under
    names that carry their content. machines: what became of each virtual machine.
    """

    registered: Mapping[str, str] = field(default_factory=lambda: {name: name for name in HOSTS})
    listed: Sequence[str] = HOSTS
    baselines_by_class: bool = True
    policies_by_class: bool = True
    switched_off: Sequence[str] = ()
    left_over: bool | None = None
    left_over_by_class: bool = False
    zones: Sequence[str] = ()
    masters: Sequence[str] = ("hgs01", "hgs02")
    guardian: str = "hgs"
    second_owner: bool = False
    without_feature: bool = False
    machines: Mapping[str, str] = field(default_factory=lambda: {"vm01": "shielded", "vm02": "shielded"})


def prepared(lab: Lab, exchange: Path, pfx_files: dict[str, File]) -> Fabric:
    """Build HGS, and hosts that have all they need to be registered."""
    fabric = Fabric(lab, exchange)
    operator = fabric.operator
    build_hgs(operator, pfx_files)
    for host in HOSTS:
        operator.do(host, catalogue.RESOURCES["windows_features"], {"name": "Hyper-V"}, {"name": "HostGuardian"})
        scanned = host != "host02"
        policy = {"policy": operator.path(kinds.CODE_INTEGRITY_POLICY, "host01")}
        operator.do(host, catalogue.RESOURCES["code_integrity_policy"], {"scan": SCAN} if scanned else policy)
        lab.capture(host, attestation_evidence.CAPTURE, {"name": host, "hardware_class": host}, str(exchange))
        lab.capture(host, attestation_evidence.CAPTURE, {"software_class": host}, str(exchange))
        for kind in (kinds.PLATFORM_IDENTIFIER, kinds.TPM_BASELINE, kinds.CODE_INTEGRITY_POLICY):
            operator.approve(kind, host)
    lab.capture("hgs01", guardian_metadata.CAPTURE, {"name": "hgs"}, str(exchange))
    operator.approve(kinds.GUARDIAN_METADATA, "hgs")
    return fabric


def grow(half_built: Fabric, decisions: Decisions) -> Fabric:
    """Build the rest of a fabric."""
    fabric = half_built.copy()
    _register(fabric.operator, decisions)
    _forward(fabric.operator, decisions)
    for host in decisions.registered:
        fabric.operator.do(host, catalogue.RESOURCES["hgs_client"], {**URLS, "attested": True})
    _protect(fabric.operator, decisions)
    if decisions.without_feature:
        for host in set(HOSTS) - set(decisions.registered):
            fabric.lab.machine(host).features.discard("HostGuardian")
    return fabric


def _register(operator: Operator, decisions: Decisions) -> None:
    hosts = [
        {"name": name, "path": operator.path(kinds.PLATFORM_IDENTIFIER, host)}
        for host, name in decisions.registered.items()
    ]
    operator.do("hgs01", catalogue.RESOURCES["attestation_hosts"], *hosts)
    baseline = "class" if decisions.baselines_by_class else "name"
    policy = "class" if decisions.policies_by_class else "name"
    policies: list[Item] = [
        {baseline: f"{name}-hw", "baseline": operator.path(kinds.TPM_BASELINE, name)} for name in ("host01", "x01")
    ]
    policies += [
        {policy: f"{name}-sw", "code_integrity_policy": operator.path(kinds.CODE_INTEGRITY_POLICY, name)}
        for name in ("host01", "x01")
    ]
    if decisions.left_over is not None:
        path = operator.path(kinds.TPM_BASELINE, "x01")
        named = {"class": "left-over"} if decisions.left_over_by_class else {"name": "of somebody {{ 1 }}"}
        policies.append({**named, "baseline": path, "enabled": decisions.left_over})
    policies += [{"name": name, "enabled": False} for name in decisions.switched_off]
    operator.do("hgs01", catalogue.RESOURCES["attestation_policies"], *policies)


def _forward(operator: Operator, decisions: Decisions) -> None:
    masters = [operator.lab.machine(name).address for name in decisions.masters]
    zones = [{"name": name, "master_servers": ["127.0.0.9"]} for name in decisions.zones]
    config = [{"name": "hgs.lab", "master_servers": masters}, *zones]
    operator.do("dns01", catalogue.RESOURCES["dns_conditional_forwarders"], *config)


def _protect(operator: Operator, decisions: Decisions) -> None:
    metadata = {"path": operator.path(kinds.GUARDIAN_METADATA, "hgs"), "allow_untrusted_root": True}
    known = [{"name": "Owner", "generate": True}, {"name": decisions.guardian, **metadata}]
    if decisions.second_owner:
        known.append({"name": "Another owner", "generate": True})
    operator.do("tenant01", catalogue.RESOURCES["guardians"], *known)
    wanted = {"owner": "Owner", "guardians": [decisions.guardian], "allow_untrusted_root": True}
    names = sorted(decisions.machines)
    for name in names:  # those of another fabric that was grown before
        Path(operator.path(kinds.KEY_PROTECTOR, name)).unlink(missing_ok=True)
    operator.lab.capture("tenant01", key_protectors.CAPTURE, {"names": names, **wanted}, str(operator.exchange))
    for host in decisions.registered:
        for machine in operator.lab.machine(host).virtual_machines.values():
            settings = SETTINGS.get(decisions.machines.get(machine.name, ""))
            if settings is not None:
                protector = operator.path(kinds.KEY_PROTECTOR, machine.name)
                item = {"name": machine.name, "key_protector": protector, "allow_stop": True, **settings}
                operator.do(host, catalogue.RESOURCES["shielded_vms"], item)


SETTINGS: Mapping[str, Item] = {
    "shielded": {"shielded": True, "power": "running"},
    "shielded, off": {"shielded": True, "power": "off"},
    "supported": {"tpm": True, "encrypt_state": True, "power": "running"},
}


def show(fabric: Fabric, listed: Sequence[str]) -> list[Shown]:
    """Read the machines as the playbook does: nothing changes, and nothing but JSON comes back."""
    changes = fabric.lab.reader.statistics.changes.total()
    found = []
    for part, names in PARTS.items():
        for name in names:
            if part != "host" or name in listed:
                work = reading(part, name, SCAN)
                living = fabric.lab.drive(fabric.lab.machine(name), work, check_mode=True)
                assert len(fabric.lab.log.executions) <= (2 if part == "host" else 1)
                found.append(Shown(name, part, json.loads(json.dumps(shown(living))), {"ansible_host": name}))
    assert fabric.lab.reader.statistics.changes.total() == changes
    return found


@dataclass(frozen=True)
class Written:
    """What adopting came to."""

    adoption: Adoption
    texts: Mapping[str, str]
    filed: Sequence[Filed]

    @property
    def notes(self) -> set[str]:
        return {problem.kind.id for problem in self.adoption.problems}

    @property
    def changed(self) -> list[Filed]:
        return [item for item in self.filed if item.status is not Status.UNCHANGED]


def write(machines: Sequence[Shown], folder: Path, *, may_replace: bool = False) -> Written:
    """Adopt into a folder, in the name of somebody who approves what the fabric trusts."""
    exchange = folder / "exchange"
    kept = adoption_files.kept(str(exchange), kinds.ADOPTED)
    adoption = adopt(machines, str(exchange), kept)
    written = texts(adoption)
    changes = adoption_files.compare(folder, written, may_replace=may_replace)
    now = "2026-11-24T19:00:00Z"
    filed = adoption_files.file_artifacts(adoption.artifacts, str(exchange), kept, now, check_mode=False)
    adoption_files.approve(adoption.artifacts, str(exchange), Approval("ada", now, "it runs"), check_mode=False)
    adoption_files.write(folder, written, changes)
    return Written(adoption, written, filed)


def drifts(lab: Lab, machine: str, declared: Mapping[str, Any]) -> list[str]:
    """Return what a drift check finds on a machine."""
    resources = catalogue.RESOURCES
    declarations = {
        name: Declaration(resources[name], item.get("state", "merged"), loaded(resources[name], item["config"]))
        for name, item in declared.items()
    }
    sight = lab.drive(lab.machine(machine), drifting(declarations, machine), check_mode=True)
    return [
        f"{name} of {machine}: {what}"
        for name, verdict in sight.verdicts.items()
        for what in (*verdict.differences, *verdict.unknown, *verdict.problems, verdict.missing)
        if what is not None
    ]


def loaded(resource: Resource, config: Item | list[Item]) -> list[Item]:
    return with_files(resource.options, config if isinstance(config, list) else [config], str, ahead=False)


def run_back(lab: Lab, declared: Mapping[str, Any], exchange: str) -> list[str]:
    """Do what the roles do with what is declared; return what changed."""
    changed = []
    for machine, wanted in everyone(declared):
        for name, config, state in _tasks(wanted):
            resource = catalogue.RESOURCES[name]
            if lab.run(machine, resource, loaded(resource, config), state=state).changed:
                changed.append(f"{name} of {machine}")
        for capture, item in _captures(machine, wanted):
            if lab.capture(machine, capture, item, exchange).changed:
                changed.append(f"{capture.name} of {machine}")
    return changed


def everyone(declared: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what each machine is declared to be."""
    return [(machine, wanted) for group in declared.values() for machine, wanted in group.items()]


def _tasks(wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Go through the resources that the roles set: name, config and state."""
    for name, item in wanted["drift"].items():
        if name == "attestation_hosts":
            yield name, item["config"], wanted["hosts_state"]
        elif name == "code_integrity_policy" and wanted["reference"]:
            yield name, {"scan": wanted["scan"]}, "merged"
        elif item.get("state") != "gathered":
            yield name, item["config"], "merged"


def _captures(machine: str, wanted: Mapping[str, Any]) -> list[tuple[Capture, Item]]:
    if "guardian_name" in wanted:
        return [(guardian_metadata.CAPTURE, {"name": wanted["guardian_name"]})] if machine == "hgs01" else []
    if "protectors" in wanted:
        return [(key_protectors.CAPTURE, {**wanted["protectors"], "allow_untrusted_root": True})]
    if "name" in wanted:
        classes = {name: wanted[name] for name in ("hardware_class", "software_class")}
        return [(attestation_evidence.CAPTURE, {"name": wanted["name"], **(classes if wanted["reference"] else {})})]
    return []
