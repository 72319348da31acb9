# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes hosts in their life, and what becomes of it: the steps of the playbook reattest, without Ansible.

A DBX update, a firmware update, a new code integrity policy, Secure Boot switched off, an adapter with an option ROM,
and Windows updates, one of which breaks attestation. Each comes to one host, the canary; the other stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import restarts, updates
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_status import SUBSTATUS
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import CAPTURE_FAILED, Status
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence_comparison import (
    AWAITS_APPROVAL,
    DEVIATES,
    Comparison,
    compare,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval, ArtifactKind, load
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_evidence,
    attestation_policies,
    code_integrity_policy,
    hgs_client,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.retirement import Registered, retirement
from ansible_collections.guarded.fabric.plugins.plugin_utils.shown_evidence import shown

from .rollout import Operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.guarded.fabric.lab.world.model import Firmware, Machine
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages

CANARY, OTHER = "host01", "host02"
CLASSES = {"hardware_class": "r740", "software_class": "core"}
APPROVAL = Approval("ada", "2026-11-24T19:00:00Z", "looked at")


def firmware_of(machine: Machine) -> Firmware:
    assert machine.firmware is not None
    return machine.firmware


class Fabric:
    """Two hosts of one class that attest; what they may show is approved and registered."""

    def __init__(self, stages: Stages, exchange: Path, before: Callable[[Machine], None] | None = None) -> None:
        self.operator = Operator(stages.after("attest").lab, exchange)
        self.lab = self.operator.lab
        for host in (CANARY, OTHER):
            if before is not None:
                before(self.lab.machine(host))
            self.restart(host)
        self.capture(CANARY, **CLASSES)
        self.approve()
        self.register()
        old = [{"name": "r740"}, {"name": "core"}]
        self.lab.run("hgs01", attestation_policies.RESOURCE, old, state="deleted")
        for host in (CANARY, OTHER):
            self.show(host)
            assert self.attest(host) == []

    def restart(self, host: str) -> None:
        restarts.restart(self.lab.world, self.lab.machine(host), self.lab.clock.now())
        self.lab.clock.move(600)

    def update(self, host: str, update: str) -> None:
        updates.UPDATES[update](self.lab.machine(host))
        self.restart(host)

    def capture(self, machine: str, **names: object) -> list[Status]:
        report = self.lab.capture(machine, attestation_evidence.CAPTURE, names, str(self.operator.exchange))
        return [filed.status for filed in report.filed]

    def show(self, host: str) -> None:
        self.capture(host, host=host, skip_validation=True)

    def path(self, kind: ArtifactKind, name: str) -> Path:
        return Path(self.operator.path(kind, name))

    def comparisons(self, host: str) -> list[Comparison]:
        pairs = (
            (self.path(kinds.BOOT_LOG, host), self.path(kinds.TPM_BASELINE, "r740")),
            (self.path(kinds.ACTIVE_POLICY, host), self.path(kinds.CODE_INTEGRITY_POLICY, "core")),
        )
        return [compare(path, reference, self.policies) for path, reference in pairs]

    def problems(self, host: str) -> list[tuple[Kind, str]]:
        found = (item.problem for item in self.comparisons(host))
        return [(problem.kind, problem.detail) for problem in found if problem is not None]

    def approve(self) -> None:
        for kind, name in ((kinds.TPM_BASELINE, "r740"), (kinds.CODE_INTEGRITY_POLICY, "core")):
            candidate = self.path(kind, f"{name}.candidate")
            judge(candidate if candidate.exists() else self.path(kind, name), APPROVAL, check_mode=False)

    def register(self) -> None:
        config: list[Item] = [
            {"class": "r740", "baseline": str(self.path(kinds.TPM_BASELINE, "r740"))},
            {"class": "core", "code_integrity_policy": str(self.path(kinds.CODE_INTEGRITY_POLICY, "core"))},
        ]
        self.lab.run("hgs01", attestation_policies.RESOURCE, self.operator.load(attestation_policies.RESOURCE, config))

    @property
    def policies(self) -> list[str]:
        (cluster,) = self.lab.world.clusters.values()
        return sorted(name.name for name in cluster.attestation.policies.values() if not name.name.startswith("Hgs_"))

    def attest(self, host: str) -> list[Kind]:
        """Let a host attest; return why it does not pass."""
        try:
            self.lab.run(host, hgs_client.RESOURCE, [{"attested": True}])
        except FabricError as error:
            return [problem.kind for problem in error.problems]
        return []

    def retired(self, policy_type: str, approved: ArtifactKind, used: ArtifactKind) -> list[str]:
        report = self.lab.run("hgs01", attestation_policies.RESOURCE, [], state="gathered")
        policies = [
            Registered(str(item["name"]), enabled=True) for item in report.before if item.get("type") == policy_type
        ]
        return list(retirement(policies, shown(str(self.operator.exchange), approved, used, [CANARY, OTHER])).unused)


def substatus(*names: str) -> set[Kind]:
    return {SUBSTATUS[name] for name in names}


BASELINE = ("SecureBootSettings", kinds.TPM_BASELINE, kinds.BOOT_LOG)
POLICY = ("CiPolicy", kinds.CODE_INTEGRITY_POLICY, kinds.ACTIVE_POLICY)


@dataclass(frozen=True)
class Cause:
    """An update, how HGS refuses a host that has it, what is said of it, and which evidence it is about."""

    update: str
    refusal: str
    words: tuple[str, ...]
    evidence: tuple[str, ArtifactKind, ArtifactKind] = BASELINE


@pytest.mark.parametrize(
    "cause",
    [
        Cause("dbx", "SecureBootSettings", ("variable dbx", "PCR 7", "3 entries", "4 entries", "added 1")),
        Cause("firmware", "SecureBootSettings", ("variable dbx", "firmware update", "added 1")),
        Cause("policy", "CodeIntegrityPolicy", ("version",), POLICY),
    ],
    ids=lambda cause: cause.update,
)
def test_an_update_stops_at_the_canary_until_it_is_approved(stages: Stages, tmp_path: Path, cause: Cause) -> None:
    fabric = Fabric(stages, tmp_path)
    before = fabric.policies
    fabric.update(CANARY, cause.update)
    fabric.show(CANARY)
    assert Status.CANDIDATE in fabric.capture(CANARY, **CLASSES)
    ((kind, detail),) = fabric.problems(CANARY)
    assert kind is AWAITS_APPROVAL
    for word in cause.words:
        assert word in detail, (word, detail)

    # Nothing of it is trusted yet, and whoever was not touched attests as before.
    fabric.register()
    assert fabric.policies == before
    assert set(fabric.attest(CANARY)) == substatus(cause.refusal)
    assert (fabric.problems(OTHER), fabric.attest(OTHER)) == ([], [])

    fabric.approve()
    fabric.register()
    assert set(before) < set(fabric.policies)
    for host in (CANARY, OTHER):  # the old one holds beside the new one
        assert (fabric.problems(host), fabric.attest(host)) == ([], [])
    assert fabric.retired(*cause.evidence) == []

    if cause.evidence is POLICY:
        policy = str(fabric.path(kinds.CODE_INTEGRITY_POLICY, "core"))
        assert fabric.operator.do(OTHER, code_integrity_policy.RESOURCE, {"policy": policy}).changed
    else:
        fabric.update(OTHER, cause.update)
    fabric.show(OTHER)
    assert (fabric.problems(OTHER), fabric.attest(OTHER)) == ([], [])
    (old,) = fabric.retired(*cause.evidence)
    assert old in before


def test_an_option_rom_is_told_by_the_authority_that_vouches_for_it(stages: Stages, tmp_path: Path) -> None:
    def bare(machine: Machine) -> None:
        firmware_of(machine).option_roms = []

    fabric = Fabric(stages, tmp_path, bare)
    fabric.update(CANARY, "option-rom")
    fabric.show(CANARY)
    fabric.capture(CANARY, **CLASSES)
    ((kind, detail),) = fabric.problems(CANARY)
    assert kind is AWAITS_APPROVAL
    for word in ("UEFI launch authority in db", "Lab Third Party UEFI CA", "EV_EFI_VARIABLE_AUTHORITY", "option ROM"):
        assert word in detail, (word, detail)
    assert set(fabric.attest(CANARY)) == substatus("SecureBootSettings")
    fabric.approve()
    fabric.register()
    assert (fabric.attest(CANARY), fabric.attest(OTHER)) == ([], [])


def test_secure_boot_that_was_switched_off_yields_no_evidence_and_passes_by_no_approval(
    stages: Stages, tmp_path: Path
) -> None:
    fabric = Fabric(stages, tmp_path)
    before = fabric.policies
    fabric.update(CANARY, "secure-boot-off")
    fabric.show(CANARY)
    with pytest.raises(FabricError) as error:
        fabric.capture(CANARY, **CLASSES)
    assert [problem.kind for problem in error.value.problems] == [CAPTURE_FAILED]
    ((kind, detail),) = fabric.problems(CANARY)
    assert kind is DEVIATES
    assert "variable SecureBoot (PCR 7, EV_EFI_VARIABLE_DRIVER_CONFIG): on -> off" in detail

    # Even where somebody overrules Windows and approves it.
    fabric.capture(CANARY, hardware_class="r740", skip_validation=True)
    fabric.approve()
    fabric.register()
    assert len(fabric.policies) == len(before) + 1
    assert SUBSTATUS["SecureBoot"] in fabric.attest(CANARY)
    assert (fabric.problems(OTHER), fabric.attest(OTHER)) == ([], [])


def test_a_windows_update_that_changes_nothing_hgs_compares_needs_nobody(stages: Stages, tmp_path: Path) -> None:
    fabric = Fabric(stages, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*/[!.]*")}
    fabric.update(CANARY, "windows")
    fabric.show(CANARY)
    assert fabric.capture(CANARY, **CLASSES) == [Status.UNCHANGED, Status.UNCHANGED]
    assert (fabric.problems(CANARY), fabric.attest(CANARY)) == ([], [])
    assert {path: path.read_bytes() for path in tmp_path.glob("*/[!.]*")} == before


def test_a_windows_update_that_breaks_attestation_breaks_that_of_the_canary_alone(
    stages: Stages, tmp_path: Path
) -> None:
    fabric = Fabric(stages, tmp_path)
    fabric.update(CANARY, "windows-that-breaks")
    fabric.show(CANARY)
    fabric.capture(CANARY, **CLASSES)
    ((kind, detail),) = fabric.problems(CANARY)
    assert kind is AWAITS_APPROVAL
    assert "variable dbx" in detail
    assert set(fabric.attest(CANARY)) == substatus("SecureBootSettings", "HypervisorEnforcedCodeIntegrityPolicy")

    fabric.approve()
    fabric.register()
    # The baseline that was approved matches now; what the update broke beside it still stops the wave here.
    assert (fabric.problems(CANARY), set(fabric.attest(CANARY))) == (
        [],
        substatus("HypervisorEnforcedCodeIntegrityPolicy"),
    )
    assert (fabric.problems(OTHER), fabric.attest(OTHER)) == ([], [])


def test_a_host_that_differs_from_the_canary_is_none_of_its_class(stages: Stages, tmp_path: Path) -> None:
    fabric = Fabric(stages, tmp_path)
    firmware_of(fabric.lab.machine(OTHER)).debug = True
    fabric.restart(OTHER)
    fabric.show(OTHER)
    ((kind, detail),) = fabric.problems(OTHER)
    assert kind is DEVIATES
    assert "UEFI Debug Mode" in detail
    assert fabric.problems(CANARY) == []


def test_going_back_is_trusted_as_long_as_hgs_has_the_old_one(stages: Stages, tmp_path: Path) -> None:
    fabric = Fabric(stages, tmp_path)
    old = dict(firmware_of(fabric.lab.machine(CANARY)).variables)
    fabric.update(CANARY, "firmware")
    fabric.show(CANARY)
    fabric.capture(CANARY, **CLASSES)
    fabric.approve()
    fabric.register()
    firmware_of(fabric.lab.machine(CANARY)).variables = old
    fabric.restart(CANARY)
    fabric.show(CANARY)
    assert [item.trusted for item in fabric.comparisons(CANARY)] == ["registered", "approved"]
    assert fabric.attest(CANARY) == []
    approved = load(fabric.path(kinds.TPM_BASELINE, "r740"), kinds.TPM_BASELINE).sidecar
    assert approved is not None
    assert fabric.retired(*BASELINE) == []
