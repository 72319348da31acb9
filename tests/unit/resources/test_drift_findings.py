# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of finding appears on the lab when its cause does, and goes away by its own remedy."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.lab.world.host_conditions import CONDITIONS
from ansible_collections.guarded.fabric.lab.world.registry_values import RESTART_PENDING
from ansible_collections.guarded.fabric.plugins.action import drift as action
from ansible_collections.guarded.fabric.plugins.plugin_utils import (
    artifact_kinds,
    drift_findings,
    finding_query,
    machine_health,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CallError, Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.catalogue import RESOURCES
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift import Declaration, drifting
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_conclusions import Limits, Seen
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_run import Settings, conclude
from ansible_collections.guarded.fabric.plugins.plugin_utils.finding_suppressions import EXPIRED
from ansible_collections.guarded.fabric.plugins.plugin_utils.finding_suppressions import read as read_suppressions
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import findings_json
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import Run
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import key_protectors
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from .rollout import Operator

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import VirtualMachine
    from ansible_collections.guarded.fabric.plugins.plugin_utils.finding_query import Query
    from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, FindingKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages

PARTS = {"hgs01": "hgs", "hgs02": "hgs", "dns01": "dns", "host01": "host", "host02": "host", "tenant01": "tenant"}
HEALTH = {
    "hgs": ["clock", "restart", "service_certificates", "vendor_certificates"],
    "host": ["clock", "restart"],
    "dns": ["clock", "restart"],
    "tenant": ["clock", "restart", "guardian_certificates"],
}
LIMITS = Limits(days=30, seconds=300)


@dataclass
class Fabric:
    """A rolled out fabric, what is declared for it, and the runs of the drift check so far."""

    operator: Operator
    unreachable: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    classes: tuple[str, ...] = ()
    skew: timedelta = timedelta()
    suppressions: list[dict[str, object]] = field(default_factory=list)
    last: Run | None = None

    def declarations(self, machine: str) -> dict[str, Declaration]:
        part, operator = PARTS[machine], self.operator
        masters = [operator.lab.machine(name).address for name in ("hgs01", "hgs02")]

        def loaded(name: str, *config: Item, state: str = "merged") -> Declaration:
            return Declaration(RESOURCES[name], state, operator.load(RESOURCES[name], list(config)))

        if part == "dns":
            return {"dns_conditional_forwarders": loaded("dns_conditional_forwarders", _forwarder(masters))}
        if part == "tenant":
            path = operator.path(artifact_kinds.GUARDIAN_METADATA, "fabric")
            fabric = {"name": "Fabric", "path": path, "allow_untrusted_root": True}
            owner = {"name": "Owner", "generate": True}
            return {"guardians": loaded("guardians", owner, fabric, state="overridden")}
        if part == "host":
            policy = {"policy": operator.path(artifact_kinds.CODE_INTEGRITY_POLICY, "core")}
            return {
                "windows_features": loaded("windows_features", {"name": "Hyper-V"}, {"name": "HostGuardian"}),
                "code_integrity_policy": loaded("code_integrity_policy", policy),
                "hgs_client": loaded("hgs_client", CLIENT),
                "shielded_vms": loaded("shielded_vms", _vm(operator, f"vm{machine[-2:]}")),
            }
        hosts = [_registered(operator, name) for name in ("host01", "host02")]
        vendor = {"path": str(operator.exchange / "vendor.cer"), "store": "root"}
        return {
            "hgs_server": loaded("hgs_server", {"domain": "hgs.lab", "service": "HGS", "mode": "Tpm"}),
            "attestation_hosts": loaded("attestation_hosts", *hosts, state="overridden"),
            "attestation_policies": loaded("attestation_policies", *self.policies(), state="overridden"),
            "trusted_tpm_certificates": loaded("trusted_tpm_certificates", vendor, state="overridden"),
        }

    def policies(self) -> list[Item]:
        """Return what is declared of policies; those under the name of a class from when somebody names it."""
        baseline = self.operator.path(artifact_kinds.TPM_BASELINE, "r740")
        policy = self.operator.path(artifact_kinds.CODE_INTEGRITY_POLICY, "core")
        return [
            {"name": "r740", "baseline": baseline},
            {"name": "core", "code_integrity_policy": policy},
            {"name": "Hgs_NoHibernation", "enabled": False},
            *({"class": name, "baseline": baseline} for name in self.classes),
        ]

    def look(self, name: str) -> dict[str, Any]:
        """Return what the module drift returns for a machine."""
        if name in self.unreachable:
            return {"unreachable": True, "msg": "timed out"}
        lab, health = self.operator.lab, HEALTH[PARTS[name]]
        work = drifting(self.declarations(name), name, machine_health.observe(health))
        sight = lab.drive(lab.machine(name), work, check_mode=True)
        assert len(lab.log.executions) == 1
        others = sight.others
        if name in self.unreadable:
            denied = Outcome(error=CallError("AccessDenied", "PermissionDenied", "Access is denied.", accepted=True))
            others = Results(dict.fromkeys(others, denied))
        return {
            "resources": {key: action._shown(RESOURCES[key], verdict) for key, verdict in sight.verdicts.items()},
            "health": machine_health.read(health, others, lab.clock.now() + self.skew),
        }

    def check(self) -> Run:
        """Run the drift check."""
        changes = self.operator.lab.reader.statistics.changes.total()
        seen = [Seen(name, part, self.look(name)) for name, part in PARTS.items()]
        assert self.operator.lab.reader.statistics.changes.total() == changes
        now = datetime.now(UTC)
        suppressions = read_suppressions(self.suppressions, drift_findings.SAMPLES)
        last = None if self.last is None else findings_json.data(self.last)
        self.last = conclude(seen, Settings(LIMITS, suppressions), now - timedelta(seconds=9), now, last)
        return self.last

    def do(self, machine: str, name: str, *config: Item, state: str = "merged") -> None:
        self.operator.do(machine, RESOURCES[name], *config, state=state)


CLIENT = {
    "attestation_url": "http://hgs.hgs.lab/Attestation",
    "key_protection_url": "http://hgs.hgs.lab/KeyProtection",
    "attested": True,
}


def _forwarder(masters: list[str]) -> Item:
    return {"name": "hgs.lab", "master_servers": masters}


def _registered(operator: Operator, name: str) -> Item:
    return {"name": name, "path": operator.path(artifact_kinds.PLATFORM_IDENTIFIER, name)}


def _vm(operator: Operator, name: str) -> Item:
    path = operator.path(artifact_kinds.KEY_PROTECTOR, name)
    return {"name": name, "key_protector": path, "shielded": True, "power": "running"}


@pytest.fixture
def fabric(stages: Stages) -> Fabric:
    made = Fabric(stages.after("shield"))
    run = made.check()
    assert run.findings == []
    return made


Change = Callable[[Fabric], None]


def vm01(fabric: Fabric) -> VirtualMachine:
    machines = fabric.operator.lab.machine("host01").virtual_machines
    return next(machine for machine in machines.values() if machine.name == "vm01")


def lose_a_forwarder(fabric: Fabric) -> None:
    fabric.do("dns01", "dns_conditional_forwarders", {"name": "hgs.lab"}, state="deleted")


def forward_elsewhere(fabric: Fabric) -> None:
    fabric.do("dns01", "dns_conditional_forwarders", _forwarder(["127.9.9.9"]))


def forward_as_declared(fabric: Fabric) -> None:
    masters = [fabric.operator.lab.machine(name).address for name in ("hgs01", "hgs02")]
    fabric.do("dns01", "dns_conditional_forwarders", _forwarder(masters))


def elsewhere(fabric: Fabric) -> Path:
    """Return a folder beside the exchange directory, which other tests share."""
    folder = fabric.operator.exchange.with_name("elsewhere")
    folder.mkdir(exist_ok=True)
    return folder


def vendor(fabric: Fabric, begins: timedelta, ends: timedelta) -> str:
    """Write a certificate of a TPM vendor to a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Another TPM vendor")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now + begins, now + ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = elsewhere(fabric) / "another-vendor.cer"
    path.write_bytes(made.public_bytes(Encoding.DER))
    return str(path)


def trust_another_vendor(*nodes: str, begins: int = -1, ends: int = 3650) -> Change:
    def trust(fabric: Fabric) -> None:
        path = vendor(fabric, timedelta(days=begins), timedelta(days=ends))
        for node in nodes:
            fabric.do(node, "trusted_tpm_certificates", {"path": path, "store": "root"})

    return trust


def trust_only_what_is_declared(fabric: Fabric) -> None:
    declared = {"path": str(fabric.operator.exchange / "vendor.cer"), "store": "root"}
    for node in ("hgs01", "hgs02"):
        fabric.operator.lab.run(
            node, RESOURCES["trusted_tpm_certificates"], _load(fabric, declared), state="overridden"
        )


def _load(fabric: Fabric, *config: Item) -> list[Item]:
    return fabric.operator.load(RESOURCES["trusted_tpm_certificates"], list(config))


def admit_others(fabric: Fabric) -> None:
    operator = fabric.operator
    made = {"names": ["other"], "owner": "Owner", "guardians": []}
    folder = elsewhere(fabric)
    operator.lab.capture("tenant01", key_protectors.CAPTURE, made, str(folder))
    protector = folder / artifact_kinds.KEY_PROTECTOR.folder / "other.kp"
    vm01(fabric).key_protector = protector.read_bytes()


def admit_whom_the_owner_meant(fabric: Fabric) -> None:
    protector = Path(fabric.operator.path(artifact_kinds.KEY_PROTECTOR, "vm01"))
    vm01(fabric).key_protector = protector.read_bytes()


def lose_the_shield(fabric: Fabric) -> None:
    vm01(fabric).shielded = False


def shield(fabric: Fabric) -> None:
    fabric.do("host01", "shielded_vms", {**_vm(fabric.operator, "vm01"), "allow_stop": True})


def lose_hyper_v(fabric: Fabric) -> None:
    host = fabric.operator.lab.machine("host02")
    host.features -= {feature for feature in host.features if feature.startswith("Hyper-V")}


def install_hyper_v(fabric: Fabric) -> None:
    fabric.operator.do("host02", RESOURCES["windows_features"], {"name": "Hyper-V"}, reboot=True)
    fabric.do("host02", "shielded_vms", _vm(fabric.operator, "vm02"))


def join_anew(fabric: Fabric) -> None:
    lab = fabric.operator.lab
    for cluster in lab.world.clusters.values():
        cluster.joined["hgs02"] = lab.clock.now()


def wait_for_replication(fabric: Fabric) -> None:
    fabric.operator.lab.pass_time(timedelta(hours=1))


def lose_the_key_protection_certificates(fabric: Fabric) -> None:
    fabric.unreadable.add("hgs02")


def give_the_right_back(fabric: Fabric) -> None:
    fabric.unreadable.clear()


def disconnect(fabric: Fabric) -> None:
    fabric.unreachable.add("host02")


def connect(fabric: Fabric) -> None:
    fabric.unreachable.clear()


def deregister(fabric: Fabric) -> None:
    fabric.operator.lab.run("hgs01", RESOURCES["attestation_hosts"], [{"name": "host02"}], state="deleted")
    fabric.operator.lab.restart("host02")


def register(fabric: Fabric) -> None:
    config = fabric.operator.load(RESOURCES["attestation_hosts"], [_registered(fabric.operator, "host02")])
    fabric.operator.lab.run("hgs01", RESOURCES["attestation_hosts"], config)
    start_again(fabric)


def start_again(fabric: Fabric) -> None:
    fabric.operator.lab.restart("host02")
    fabric.operator.lab.run("host02", RESOURCES["hgs_client"], [CLIENT])
    fabric.operator.lab.run("host02", RESOURCES["shielded_vms"], [{"name": "vm02", "power": "running"}])


def set_the_clock(fabric: Fabric) -> None:
    fabric.skew = timedelta(hours=1)


def synchronise(fabric: Fabric) -> None:
    fabric.skew = timedelta()


def install_an_update(fabric: Fabric) -> None:
    fabric.operator.lab.machine("host02").registry[RESTART_PENDING] = {}


def leave_it_to_time(fabric: Fabric) -> None:
    fabric.suppressions = [_suppression(timedelta(days=-1))]
    forward_elsewhere(fabric)


def decide_anew(fabric: Fabric) -> None:
    fabric.suppressions = [_suppression(timedelta(days=9))]


def _suppression(expires: timedelta) -> dict[str, object]:
    until = (datetime.now(UTC) + expires).date().isoformat()
    return {"query": "[?id=='GF-DRF-001']", "reason": "being moved", "owner": "ada", "expires": until}


def register_a_newer_baseline(fabric: Fabric) -> None:
    fabric.classes = ("r740",)
    (_, _, _, newer) = fabric.policies()
    fabric.do("hgs01", "attestation_policies", newer, {"name": OLDER, "baseline": newer["baseline"]})


def retire_the_older(fabric: Fabric) -> None:
    fabric.do("hgs01", "attestation_policies", {"name": OLDER}, state="deleted")


OLDER = "r740 0badcafe"
BOTH = ("hgs01", "hgs02")
CASES: dict[FindingKind, tuple[Change, Change, Owner]] = {
    drift_findings.DIFFERS: (forward_elsewhere, forward_as_declared, Owner.FABRIC),
    drift_findings.ABSENT: (lose_a_forwarder, forward_as_declared, Owner.FABRIC),
    drift_findings.UNDECLARED: (trust_another_vendor(*BOTH), trust_only_what_is_declared, Owner.GUARDIAN),
    drift_findings.ADMITS_OTHERS: (admit_others, admit_whom_the_owner_meant, Owner.TENANT),
    drift_findings.NOT_SHIELDED: (lose_the_shield, shield, Owner.TENANT),
    drift_findings.NOT_READY: (lose_hyper_v, install_hyper_v, Owner.FABRIC),
    drift_findings.UNSETTLED: (join_anew, wait_for_replication, Owner.GUARDIAN),
    drift_findings.UNREADABLE: (lose_the_key_protection_certificates, give_the_right_back, Owner.GUARDIAN),
    drift_findings.UNSEEN: (disconnect, connect, Owner.FABRIC),
    drift_findings.NOT_ATTESTED: (deregister, register, Owner.FABRIC),
    drift_findings.CLOCKS_APART: (set_the_clock, synchronise, Owner.FABRIC),
    drift_findings.RESTART_PENDING: (install_an_update, start_again, Owner.FABRIC),
    drift_findings.NODES_DISAGREE: (trust_another_vendor("hgs01"), trust_only_what_is_declared, Owner.GUARDIAN),
    drift_findings.ENDS_SOON: (trust_another_vendor(*BOTH, ends=10), trust_only_what_is_declared, Owner.GUARDIAN),
    drift_findings.ENDED: (
        trust_another_vendor(*BOTH, begins=-20, ends=-10),
        trust_only_what_is_declared,
        Owner.GUARDIAN,
    ),
    drift_findings.SUPERSEDED: (register_a_newer_baseline, retire_the_older, Owner.GUARDIAN),
    EXPIRED: (leave_it_to_time, decide_anew, Owner.CONTROLLER),
}
"""What brings each kind about, its remedy, and whose it is then."""


def of(run: Run, kind: FindingKind) -> list[Finding]:
    return [finding for finding in run.findings if finding.kind.id == kind.id]


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: str(kind.id))
def test_a_finding_comes_with_its_cause_and_goes_with_its_remedy(fabric: Fabric, kind: FindingKind) -> None:
    cause, remedy, owner = CASES[kind]
    cause(fabric)
    run = fabric.check()
    found = of(run, kind)
    assert found
    assert all(finding in run.new() for finding in found)
    assert owner in {finding.whose for finding in found}
    assert all(query_of(finding).matches(finding) for finding in found)
    again = fabric.check()
    assert of(again, kind) == found
    assert again.new() == []
    remedy(fabric)
    after = fabric.check()
    assert of(after, kind) == []
    assert after.findings == []
    assert kind.id in {item["id"] for item in after.gone} | {item.finding.kind.id for item in after.suppressed}


def query_of(finding: Finding) -> Query:
    """Read a query for just this finding; it is refused if no sample says that there can be such a one."""
    return finding_query.read(f"[?id=='{finding.kind.id}' && owner=='{finding.whose.value}']", drift_findings.SAMPLES)


def test_every_kind_has_a_case() -> None:
    attestation = {kind.id for kind in drift_findings.ATTESTATION}
    assert {sample.kind.id for sample in drift_findings.SAMPLES} - attestation == {kind.id for kind in CASES}


ATTESTING = {
    "no-secure-boot": "GF-ATT-101",
    "debugger": "GF-ATT-103",
    "no-memory-integrity": "GF-ATT-105",
    "no-iommu": "GF-ATT-106",
    "no-vbs": "GF-ATT-107",
    "page-file-in-the-clear": "GF-ATT-108",
    "dumps": "GF-ATT-111",
}
"""What the lab can do to a host, and the finding that it leads to."""


@pytest.mark.parametrize("condition", ATTESTING)
def test_a_host_that_stops_attesting_says_why_until_it_is_repaired(fabric: Fabric, condition: str) -> None:
    host = fabric.operator.lab.machine("host02")
    healthy = {name: deepcopy(getattr(host, name)) for name in ("firmware", "settings", "registry")}
    CONDITIONS[condition](host)
    fabric.operator.lab.restart("host02")
    run = fabric.check()
    found = {finding.kind.id: finding for finding in run.findings if finding.machine == "host02"}
    assert {ATTESTING[condition], drift_findings.NOT_ATTESTED.id} <= set(found)
    assert [host.guarded for host in run.hosts] == [True, False]
    assert query_of(found[ATTESTING[condition]]).matches(found[ATTESTING[condition]])
    for name, value in healthy.items():
        setattr(host, name, value)
    start_again(fabric)
    after = fabric.check()
    assert after.findings == []
    assert {ATTESTING[condition], drift_findings.NOT_ATTESTED.id} <= {item["id"] for item in after.gone}
