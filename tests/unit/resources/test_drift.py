# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole machine against its declaration, on the lab."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar, trust_as_template
from ansible_collections.guarded.fabric.plugins.action import drift as action
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import CODE_INTEGRITY_POLICY
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import ANY_ERROR, Call, Ref, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.catalogue import RESOURCES
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift import Declaration, Difference, Verdict, drifting
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import BAD_ANSWER, UNREADABLE
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.attestation_hosts import NO_IDENTIFIER
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.hgs_client import URLS_INCOMPLETE

from .test_documentation import NAMES, document
from .test_documentation import action as action_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab

    from .rollout import Operator, Stages

FEATURES = [{"name": "Hyper-V"}, {"name": "HostGuardian"}]
CLIENT = {
    "attestation_url": "http://hgs.hgs.lab/Attestation",
    "key_protection_url": "http://hgs.hgs.lab/KeyProtection",
    "attested": True,
}
GONE = r"C:\gone"


def declared(name: str, *config: Item, state: str = "merged") -> Declaration:
    return Declaration(RESOURCES[name], state, config)


def host(operator: Operator, **other: Declaration) -> dict[str, Declaration]:
    policy = operator.path(CODE_INTEGRITY_POLICY, "core")
    loaded = operator.load(RESOURCES["code_integrity_policy"], [{"policy": policy}])
    return {
        "windows_features": declared("windows_features", *FEATURES),
        "code_integrity_policy": declared("code_integrity_policy", *loaded),
        "hgs_client": declared("hgs_client", CLIENT),
        "shielded_vms": declared("shielded_vms", state="gathered"),
        **other,
    }


def look(lab: Lab, machine: str, declarations: dict[str, Declaration]) -> dict[str, Verdict]:
    changes = lab.reader.statistics.changes.total()
    verdicts = dict(lab.drive(lab.machine(machine), drifting(declarations, machine), check_mode=True).verdicts)
    assert lab.reader.statistics.changes.total() == changes
    assert list(verdicts) == list(declarations)
    return verdicts


def made_up(name: str, *calls: Call) -> Resource:
    """Make a resource that is what the last call gave."""
    return Resource(
        name=name,
        owner=Owner.FABRIC,
        options=(Option("value"),),
        observe=lambda _config: calls,
        read=lambda results, _config: Reading({"": {"value": str(results.scalars(calls[-1].id))}}),
        change=lambda _before, _after: (),
        single=True,
    )


FAILING = made_up("failing", Call("Get-FileHash", {"LiteralPath": [GONE], "Algorithm": "SHA256"}, id="hash"))
DANGLING = made_up(
    "dangling",
    Call("Get-Item", {"LiteralPath": [GONE]}, id="item"),
    Call("Get-Item", {"LiteralPath": [Ref("item", ("0", "FullName"))]}, id="again", accept=(ANY_ERROR,)),
)


def test_every_resource_of_the_collection_can_be_looked_at() -> None:
    found = {name for name in NAMES if hasattr(action_of(name), "resource")}
    assert set(RESOURCES) == found
    (text, _states) = document("drift")["DOCUMENTATION"]["options"]["resources"]["description"]
    assert set(re.findall(r"C\(([a-z_]+)\)", text)) == found


def test_a_host_as_declared_takes_one_execution_and_has_not_drifted(stages: Stages) -> None:
    operator = stages.after("attest")
    verdicts = look(operator.lab, "host01", host(operator))
    assert len(operator.lab.log.executions) == 1
    assert all(verdict.known and not verdict.differences and not verdict.problems for verdict in verdicts.values())
    assert verdicts["hgs_client"].before[0]["is_host_guarded"] is True


def said(verdict: Verdict) -> list[Kind]:
    return [problem.kind for problem in (verdict.missing, *verdict.unknown) if problem is not None]


def alone(lab: Lab, machine: str, name: str) -> tuple[object, list[Kind]]:
    """Return what a resource's own module reads, or why it does not."""
    try:
        return lab.run(machine, RESOURCES[name], [], state="gathered").before, []
    except FabricError as error:
        return [], [problem.kind for problem in error.problems]


@pytest.mark.parametrize("machine", ["hgs01", "dns01", "host01", "tenant01"])
def test_what_each_module_reads_alone_is_read_together(stages: Stages, machine: str) -> None:
    operator = stages.after("attest")
    declarations = {
        name: declared(name, state="gathered") for name, item in RESOURCES.items() if "gathered" in item.states
    }
    verdicts = look(operator.lab, machine, declarations)
    assert len(operator.lab.log.executions) == 1
    for name, verdict in verdicts.items():
        assert (verdict.before, said(verdict)) == alone(operator.lab, machine, name)


def test_what_differs_is_named_with_both_values(stages: Stages) -> None:
    operator = stages.after("attest")
    config = {**CLIENT, "attestation_url": "http://other.lab/Attestation"}
    more = declared("windows_features", *FEATURES, {"name": "DNS"})
    verdicts = look(
        operator.lab, "host01", host(operator, hgs_client=declared("hgs_client", config), windows_features=more)
    )
    assert verdicts["hgs_client"].differences == (
        Difference("", "attestation_url", "http://other.lab/Attestation", CLIENT["attestation_url"]),
    )
    assert verdicts["windows_features"].differences == (Difference("DNS", "installed", expected=True, actual=False),)


def test_items_that_are_lacking_or_that_nobody_declared_differ_as_a_whole(stages: Stages) -> None:
    operator = stages.after("attest")
    only = declared("attestation_hosts", {"name": "HOST01"}, {"name": "host09"}, state="overridden")
    (verdict,) = look(operator.lab, "hgs01", {"attestation_hosts": only}).values()
    found = {item.thing: (item.option, item.expected, item.actual is None) for item in verdict.differences}
    assert found == {"host02": ("", None, False), "host09": ("", {"name": "host09"}, True)}
    assert [problem.kind for problem in verdict.problems] == [NO_IDENTIFIER]


def test_a_host_that_no_longer_attests_says_why(stages: Stages) -> None:
    operator = stages.after("attest")
    operator.do("hgs01", RESOURCES["attestation_hosts"], {"name": "host01"}, state="deleted")
    operator.lab.restart("host01")
    verdict = look(operator.lab, "host01", host(operator))["hgs_client"]
    assert verdict.differences == (Difference("", "attested", expected=True, actual=False),)
    assert [problem.kind.id for problem in verdict.problems] == ["GF-ATT-006"]
    assert [problem.thing for problem in verdict.problems] == ["host01"]


def test_what_is_not_installed_is_unknown_and_not_gone(stages: Stages) -> None:
    operator = stages.after("attest")
    (verdict,) = look(operator.lab, "dns01", {"hgs_client": declared("hgs_client", CLIENT)}).values()
    assert (verdict.known, verdict.differences) == (False, ())
    assert verdict.missing is not None


def test_one_that_fails_hides_no_other(stages: Stages) -> None:
    operator = stages.after("attest")
    failing = {"failing": Declaration(FAILING, "merged", [{"value": "a"}])}
    verdicts = look(operator.lab, "host01", failing | host(operator))
    assert len(operator.lab.log.executions) == 1
    assert [problem.kind for problem in verdicts["failing"].unknown] == [UNREADABLE]
    assert all(verdicts[name].known for name in host(operator))


def test_one_that_stops_the_batch_hides_no_other(stages: Stages) -> None:
    operator = stages.after("attest")
    first = {"windows_features": declared("windows_features", *FEATURES)}
    stopping = {"dangling": Declaration(DANGLING, "merged", [{"value": "a"}])}
    verdicts = look(operator.lab, "host01", first | stopping | {"hgs_client": declared("hgs_client", CLIENT)})
    assert len(operator.lab.log.executions) == 2
    (problem,) = verdicts["dangling"].unknown
    assert problem.kind == UNREADABLE
    assert problem.detail.startswith("Get-Item: Cannot find path")
    assert [name for name, verdict in verdicts.items() if not verdict.known] == ["dangling"]


def test_config_that_is_wrong_by_itself_hides_no_other(stages: Stages) -> None:
    operator = stages.after("attest")
    wrong = declared("hgs_client", {"attestation_url": "http://hgs.hgs.lab/Attestation"})
    verdicts = look(operator.lab, "host01", host(operator, hgs_client=wrong))
    assert [problem.kind for problem in verdicts["hgs_client"].unknown] == [URLS_INCOMPLETE]
    assert verdicts["windows_features"].known


def test_an_answer_that_makes_no_sense_leaves_one_unknown(stages: Stages) -> None:
    operator = stages.after("attest")

    def misled(_results: Results, _config: Sequence[Item]) -> Reading:
        raise TypeError("text for a number")

    strange = {
        "strange": Declaration(
            replace(FAILING, name="strange", observe=lambda _config: (), read=misled), "merged", [{}]
        )
    }
    verdicts = look(operator.lab, "host01", strange | host(operator))
    assert [problem.kind for problem in verdicts["strange"].unknown] == [BAD_ANSWER]
    assert verdicts["windows_features"].known


def test_a_secret_that_differs_is_not_shown(stages: Stages) -> None:
    operator = stages.after("attest")
    resource = replace(
        FAILING,
        options=(Option("value", Role.STATE, secret=True), Option("echo")),
        observe=lambda _config: (),
        read=lambda _results, _config: Reading({"": {"value": "other", "echo": "is s3cr3t here"}}),
    )
    config = {"value": "s3cr3t", "echo": "no"}
    (verdict,) = look(operator.lab, "host01", {"failing": Declaration(resource, "merged", [config])}).values()
    assert verdict.differences == (
        Difference("", "value", None, None),
        Difference("", "echo", "no", "is ******** here"),
    )
    assert "s3cr3t" not in repr(verdict)


def bare(**parts: object) -> action.ActionModule:
    """Return an action that has only these parts."""
    plugin = action.ActionModule.__new__(action.ActionModule)
    vars(plugin).update(parts)
    return plugin


def test_what_is_declared_is_that_of_the_machine_that_the_task_is_delegated_to() -> None:
    features = trust_as_template("{{ features }}")
    declared = {"windows_features": {"config": [{"name": features}]}}
    delegating = {"features": "RSAT", "host_declared": declared}
    machine = {"features": "Hyper-V", "host_declared": declared}
    task_vars = {**delegating, "ansible_delegated_vars": {"host02": machine}}
    named = []
    for delegate_to in (None, "host02"):
        plugin = bare(_templar=Templar(DataLoader(), task_vars), _task=SimpleNamespace(delegate_to=delegate_to))
        named.append(plugin._declared(["host_declared"], task_vars)["windows_features"]["config"][0]["name"])
    assert named == ["RSAT", "Hyper-V"]


@pytest.mark.parametrize(
    ("variables", "said"), [({}, "no variable host_declared"), ({"host_declared": [1]}, "has to be a dictionary")]
)
def test_a_variable_that_declares_nothing_is_refused(variables: dict[str, object], said: str) -> None:
    plugin = bare(_templar=Templar(DataLoader(), variables), _task=SimpleNamespace(delegate_to=None))
    with pytest.raises(AnsibleActionFail, match=said):
        plugin._declared(["host_declared"], variables)


@pytest.mark.parametrize(("delegate_to", "closes"), [("host02", [True]), (None, [])])
def test_a_delegated_task_closes_its_connection(
    monkeypatch: pytest.MonkeyPatch, delegate_to: str | None, closes: list[bool]
) -> None:
    closed: list[bool] = []

    def close() -> None:
        closed.append(True)
        raise ConnectionError

    monkeypatch.setattr(ActionBase, "cleanup", lambda *_arguments: None)
    # ansible-core cleans up whatever came of a task.
    connection = SimpleNamespace(close=close, _connected=True)
    bare(_connection=connection, _task=SimpleNamespace(delegate_to=delegate_to)).cleanup()
    assert closed == closes
    assert connection._connected is not bool(closes)


def test_states_are_those_that_say_what_a_machine_is_to_be() -> None:
    for name, resource in RESOURCES.items():
        choices = action.resource_spec(resource)["state"]["choices"]
        assert choices == [state for state in resource.states if state != "rendered"], name


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"hgs_clients": {}}, "no resource is called hgs_clients"),
        ({"hgs_client": None}, "hgs_client: has to be a dictionary"),
        ({"hgs_client": {}}, "hgs_client: config is needed"),
        ({"hgs_client": {"config": {"url": "x"}}}, "hgs_client: .*url"),
        ({"hgs_client": {"config": {"mode": "Local"}, "state": "rendered"}}, "hgs_client: .*rendered"),
        ({"windows_features": {"config": [{"installed": True}]}}, "windows_features: .*name"),
    ],
)
def test_what_no_resource_takes_is_refused_before_the_host_is_asked(resources: Item, said: str) -> None:
    with pytest.raises(AnsibleActionFail, match=said):
        bare()._given(resources)
