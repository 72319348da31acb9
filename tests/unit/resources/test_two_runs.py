# SPDX-License-Identifier: GPL-3.0-or-later
"""Two operators who ask for the same at the same time, in every order in which their executions can come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Report, Request, reconcile
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_hosts,
    attestation_policies,
    dns_client,
    dns_conditional_forwarders,
    guardians,
    hgs_client,
    hgs_server,
    shielded_vms,
    windows_features,
)
from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Answer, Work
    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab
    from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Stages

TWO = (0, 1)


@dataclass(frozen=True)
class Case:
    """What both ask for, on which machine, after which stage of a rollout; `made` is made anew in each fabric."""

    resource: Resource
    stage: str
    machine: str
    config: Callable[[Operator], list[Item]]
    state: str = "merged"
    made: tuple[str, ...] = ()


def _named(kind: ArtifactKind, option: str, *names: str) -> Callable[[Operator], list[Item]]:
    return lambda operator: [{"name": name, option: operator.path(kind, name)} for name in names]


def _policies(operator: Operator) -> list[Item]:
    return [
        *_named(kinds.TPM_BASELINE, "baseline", "r740")(operator),
        *_named(kinds.CODE_INTEGRITY_POLICY, "code_integrity_policy", "core")(operator),
        {"name": "Hgs_NoHibernation", "enabled": False},
    ]


def _guardians(operator: Operator) -> list[Item]:
    imported = {"path": operator.path(kinds.GUARDIAN_METADATA, "fabric"), "allow_untrusted_root": True}
    return [{"name": "Owner", "generate": True}, {"name": "Fabric", **imported}]


def _machine(operator: Operator) -> list[Item]:
    protector = {"key_protector": operator.path(kinds.KEY_PROTECTOR, "vm01")}
    return [{"name": "vm01", **protector, "shielded": True, "power": "running", "allow_stop": True}]


def _client(_operator: Operator) -> list[Item]:
    urls = {
        "attestation_url": "http://hgs.hgs.lab/Attestation",
        "key_protection_url": "http://hgs.hgs.lab/KeyProtection",
    }
    return [{**urls, "attested": True}]


CASES = {
    case.resource.name: case
    for case in (
        Case(windows_features.RESOURCE, "nothing", "host01", lambda _: [{"name": "Hyper-V"}, {"name": "HostGuardian"}]),
        Case(dns_client.RESOURCE, "nothing", "hgs02", lambda _: [{"server_addresses": ["10.0.0.1"]}]),
        Case(
            dns_conditional_forwarders.RESOURCE,
            "nothing",
            "dns01",
            lambda _: [{"name": f"{name}.lab", "master_servers": ["10.0.0.1"]} for name in ("one", "two")],
            state="overridden",
        ),
        Case(
            attestation_hosts.RESOURCE,
            "prepare_hosts",
            "hgs01",
            _named(kinds.PLATFORM_IDENTIFIER, "path", "host01", "host02"),
            state="overridden",
        ),
        Case(attestation_policies.RESOURCE, "prepare_hosts", "hgs01", _policies),
        Case(hgs_client.RESOURCE, "register", "host01", _client),
        Case(
            guardians.RESOURCE, "attest", "tenant01", _guardians, made=("signing_thumbprint", "encryption_thumbprint")
        ),
        Case(shielded_vms.RESOURCE, "protect", "host01", _machine),
    )
}


class Race:
    """Two runs of one task on one machine, executed step by step."""

    def __init__(self, lab: Lab, machine: str, resource: Resource, config: Sequence[Item], state: str) -> None:
        self.lab = lab
        self.machine = lab.machine(machine)
        request = Request(state=state, config=config, thing=machine, reboot=True)
        self.works: list[Work] = [reconcile(resource, request) for _ in TWO]
        self.needs: dict[int, Any] = {number: next(work) for number, work in enumerate(self.works)}
        self.outcomes: dict[int, Report | FabricError] = {}

    def step(self, number: int) -> None:
        """Let the host do what one of the runs needs, and the run go on."""
        answer: Answer = self.lab.answer(self.machine, self.needs.pop(number), check_mode=False)
        try:
            self.needs[number] = self.works[number].send(answer)
        except StopIteration as finished:
            self.outcomes[number] = finished.value
        except FabricError as error:
            self.outcomes[number] = error


def races(start: Callable[[], Race]) -> Iterator[Race]:
    """Go through every order of the steps of two runs."""
    waiting: list[list[int]] = [[]]
    while waiting:
        order = waiting.pop()
        race, taken = start(), list[int]()
        while race.needs:
            turn = order[len(taken)] if len(taken) < len(order) else min(race.needs)
            if len(taken) >= len(order) and len(race.needs) > 1:
                waiting.append([*taken, max(race.needs)])
            race.step(turn)
            taken.append(turn)
        yield race


def lasting(case: Case, items: Sequence[Item]) -> list[dict[str, object]]:
    """Return items without what the fabric decides, at each time anew."""
    passing = {option.name for option in case.resource.options if option.role is Role.COMPUTED} | {*case.made}
    return [{name: value for name, value in item.items() if name not in passing} for item in items]


@pytest.mark.parametrize("name", CASES)
def test_two_who_ask_for_the_same_get_it_both(stages: Stages, name: str) -> None:
    case = CASES[name]
    operator = stages.after(case.stage)
    config = operator.load(case.resource, case.config(operator))
    alone = operator.lab.copy()
    assert alone.run(case.machine, case.resource, config, state=case.state).changed
    expected = alone.run(case.machine, case.resource, config, state=case.state, check_mode=True).before
    count = 0
    for race in races(lambda: Race(operator.lab.copy(), case.machine, case.resource, config, case.state)):
        reports = [race.outcomes[number] for number in TWO]
        now = race.lab.run(case.machine, case.resource, config, state=case.state, check_mode=True)
        assert not now.changed, now.commands
        assert lasting(case, now.before) == lasting(case, expected)
        for report in reports:
            assert isinstance(report, Report), report
            assert lasting(case, report.after) == lasting(case, expected)
            # What was made once is what both report.
            assert [[item.get(name) for name in case.made] for item in report.after] == [
                [item.get(name) for name in case.made] for item in now.before
            ]
        count += 1
    assert count >= 6


@pytest.mark.parametrize("turns", [(0, 1), (0, 0, 0, 1)], ids=["by turns", "one ahead of the other"])
def test_two_who_build_a_service_build_one(stages: Stages, pfx_files: dict[str, File], turns: tuple[int, ...]) -> None:
    config = {
        "domain": "hgs.lab",
        "service": "HGS",
        "mode": "Tpm",
        "safe_mode_password": "Safe-Mode-1",
        **{f"{name}_certificate": file for name, file in pfx_files.items()},
        **{f"{name}_certificate_password": "Pfx-1" for name in pfx_files},
    }
    lab = stages.after("nothing").lab
    race = Race(lab, "hgs01", hgs_server.RESOURCE, [config], "merged")
    for turn in cycle(turns):
        if not race.needs:
            break
        race.step(turn if turn in race.needs else min(race.needs))
    assert [type(race.outcomes[number]) for number in TWO] == [Report, Report], race.outcomes
    assert not lab.run("hgs01", hgs_server.RESOURCE, [config]).changed
    assert len(lab.world.clusters) == 1
