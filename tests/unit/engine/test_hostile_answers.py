# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that answer something else: real answers, changed at one place, for every resource and every capture.

Whatever comes back, the engine ends with a report or with a FabricError, never with another exception; what it takes
for no answer makes it stop, and nothing is sent any more.
"""

from __future__ import annotations

import importlib
import pkgutil
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import resources
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture, CaptureRequest, capturing
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import (
    BAD_ANSWER,
    FAULT,
    UNREADABLE,
    Request,
    reconcile,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Inspection, Question, inspecting
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_evidence,
    guardian_metadata,
    hgs_server,
    key_protectors,
    maintenance_mode,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.wire import AnswerError, from_wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .lab_driver import NOW, PASSWORDS
from .mutations import MUTATIONS, Mutation, nested
from .recordings import Recording, Work
from .test_prediction import CASES, completed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource
    from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Operator, Stages

pytestmark = pytest.mark.usefixtures("opened_once")
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(MANY, max_examples=30)
WHEN = "2026-11-24T19:00:00Z"

CONFIGS: Mapping[str, tuple[str, Sequence[Item]]] = {
    "windows_features": ("merged", [{"name": "Hyper-V"}, {"name": "HostGuardian"}]),
    "dns_client": ("merged", [{"server_addresses": ["10.0.0.1"]}]),
    "dns_conditional_forwarders": ("overridden", [{"name": "other.lab", "master_servers": ["10.0.0.1"]}]),
    "trusted_tpm_certificates": ("overridden", [{"vendor": "contoso", "store": "root"}]),
    "attestation_hosts": ("overridden", [{"name": "host01"}]),
    "attestation_policies": (
        "merged",
        [
            {"name": "next", "content": "policy", "enabled": False},
            {"name": "Hgs_NoDumps", "content": None, "enabled": False},
        ],
    ),
    "hgs_client": ("merged", [{"local": False, "port": "", "fallback": "one", "attested": True}]),
    "guardians": ("merged", [{"name": "Fabric"}, {"name": "Owner"}]),
    "shielded_vms": (
        "merged",
        [{"name": "vm01", "protector": True, "shielded": True, "power": "off", "allow_stop": True}],
    ),
    "bitlocker_volumes": ("merged", [{"mount_point": "C:", "encrypted": True}]),
    "code_integrity_policy": ("merged", [{"scan": {"level": "Hash", "user_mode": None}}]),
}
CAPTURES: Mapping[str, tuple[Capture, str, str, Item]] = {
    "attestation_evidence": (
        attestation_evidence.CAPTURE,
        "shield",
        "host01",
        {"name": "host01", "hardware_class": "r740", "software_class": "core"},
    ),
    "guardian_metadata": (guardian_metadata.CAPTURE, "shield", "hgs01", {"name": "fabric"}),
    "key_protectors": (
        key_protectors.CAPTURE,
        "shield",
        "tenant01",
        {"names": ["vm01", "vm02"], "owner": "Owner", "guardians": ["Fabric"], "allow_untrusted_root": True},
    ),
}


def described(kind: str) -> Iterator[tuple[str, Any]]:
    """Go through the modules that are described as a resource, a capture or an inspection."""
    for module in pkgutil.iter_modules(resources.__path__):
        found = getattr(importlib.import_module(f"{resources.__name__}.{module.name}"), kind, None)
        if found is not None:
            yield module.name, found


INSPECTIONS: Mapping[str, Inspection] = dict(described("INSPECTION"))


class Recordings:
    """A recording of each resource and capture, made when it is first wanted."""

    def __init__(self, stages: Stages, pfx_files: dict[str, File], exchange: Path) -> None:
        self._stages = stages
        self._pfx_files = pfx_files
        self.exchange = exchange
        self.of = cache(self._of)

    def _of(self, name: str) -> Recording:
        if name in CAPTURES:
            return self._captured(*CAPTURES[name])
        if name in INSPECTIONS:
            machine = "hgs01" if INSPECTIONS[name].owner is Owner.GUARDIAN else "host01"
            question = Question({"trusted_roots": [], "limit": 10}, machine, NOW)
            recording = Recording(lambda: inspecting(INSPECTIONS[name], question))
            return recording.record(self._stages.after("shield").lab, machine)
        if name == "hgs_server":
            return self._resource(hgs_server.RESOURCE, self._stages.after("nothing"), "hgs01", "merged", [self._node()])
        if name == "maintenance_mode":
            operator = self._stages.after("shield")
            for host in ("host01", "host02"):
                operator.lab.machine(host).failover_cluster = "hv"
                operator.lab.machine(host).features |= {"RSAT-Clustering-PowerShell"}
            return self._resource(maintenance_mode.RESOURCE, operator, "host01", "merged", [{"enabled": True}])
        case = CASES[name]
        operator = self._stages.after(case.stage)
        state, items = CONFIGS[name]
        return self._resource(case.resource, operator, case.machine, state, completed(case, operator, list(items)))

    def _node(self) -> Item:
        return {
            "domain": "hgs.lab",
            "service": "HGS",
            "safe_mode_password": PASSWORDS.guardian,
            **{f"{name}_certificate": file for name, file in self._pfx_files.items()},
            **{f"{name}_certificate_password": "Pfx-1" for name in self._pfx_files},
        }

    def _resource(
        self, resource: Resource, operator: Operator, machine: str, state: str, config: Sequence[Item]
    ) -> Recording:
        request = Request(state=state, config=config, thing=machine, reboot=True, settle_seconds=60)
        return Recording(lambda: reconcile(resource, request)).record(operator.lab, machine)

    def _captured(self, capture: Capture, stage: str, machine: str, config: Item) -> Recording:
        count = iter(range(10**6))

        def begin() -> Work:
            return capturing(capture, CaptureRequest(config, str(self.exchange / str(next(count))), machine, WHEN))

        return Recording(begin).record(self._stages.after(stage).lab, machine)


@pytest.fixture(scope="module")
def recordings(stages: Stages, pfx_files: dict[str, File], tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(stages, pfx_files, tmp_path_factory.mktemp("hostile"))


EVERY = sorted({*CONFIGS, *CAPTURES, *INSPECTIONS, "hgs_server", "maintenance_mode"})


def test_every_module_that_asks_a_host_is_attacked() -> None:
    assert set(EVERY) == {name for kind in ("RESOURCE", "CAPTURE", "INSPECTION") for name, _found in described(kind)}


@pytest.mark.parametrize("name", EVERY)
def test_what_was_recorded_ends_as_it_did(recordings: Recordings, name: str) -> None:
    recording = recordings.of(name)
    replay = recording.replay(0, recording.answers[0])
    assert replay.error is None
    assert replay.report is not None
    assert replay.answers == len(recording.answers)


@pytest.mark.parametrize("name", EVERY)
def test_an_answer_that_was_changed_ends_in_a_report_or_an_error_of_the_fabric(
    recordings: Recordings, name: str
) -> None:
    recording = recordings.of(name)
    executions = [number for number, answer in enumerate(recording.answers) if answer]

    @(FEW if name in CAPTURES else MANY)
    @given(number=st.sampled_from(executions), mutation=MUTATIONS)
    def check(number: int, mutation: Mutation) -> None:
        replay = recording.replay(number, mutation.of(dict(recording.answers[number])))
        if replay.error is None:
            return
        found = {problem.kind for problem in replay.error.problems}
        assert FAULT not in found, replay.error
        if found & {BAD_ANSWER, UNREADABLE}:
            assert replay.answers == number + 1, "something was sent after an answer that was none"
        str(replay.error).encode()

    check()


NAMED = {
    "windows_features": "Name",
    "dns_client": "InterfaceAlias",
    "dns_conditional_forwarders": "ZoneName",
    "trusted_tpm_certificates": "Thumbprint",
    "attestation_hosts": "Name",
    "attestation_policies": "Name",
    "guardians": "Name",
    "shielded_vms": "Name",
    "bitlocker_volumes": "MountPoint",
}
"""The property that names the things of a resource."""


@pytest.mark.parametrize("name", sorted(NAMED))
@pytest.mark.parametrize("value", [None, True, 5, [], ["host01"], {"Name": "host01"}])
def test_what_is_no_name_is_never_made_one(recordings: Recordings, name: str, value: object) -> None:
    recording = recordings.of(name)
    answers: list[dict[str, Any]] = [deepcopy(dict(answer)) for answer in recording.answers]
    number, named = next(
        (number, item)
        for number, answer in enumerate(answers)
        for entry in answer.get("results", ())
        for item in entry.get("output", ())
        if NAMED[name] in item
    )
    named[NAMED[name]] = value
    replay = recording.replay(number, answers[number])
    assert replay.error is not None
    assert [problem.kind for problem in replay.error.problems] == [BAD_ANSWER]


@pytest.mark.parametrize(
    "value", [float("inf"), float("-inf"), float("nan"), 2**96, "\ud800", nested(20), {"$bytes": "!"}, {"$bytes": 5}]
)
def test_what_windows_has_no_value_for_is_no_value(value: object) -> None:
    answer = {"results": [{"id": "one", "output": [{"Name": value}]}]}
    with pytest.raises(AnswerError):
        from_wire(answer, [Call("Get-Switch", id="one", select=("Name",))])
