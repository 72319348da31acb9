# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds, attestation_service
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_policies as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import beats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Operator, Stages

RESOURCE = resource.RESOURCE


def artifacts(operator: Operator) -> tuple[Item, Item]:
    baseline, policy = operator.load(
        RESOURCE,
        [
            {"name": "r740", "baseline": operator.path(artifact_kinds.TPM_BASELINE, "r740")},
            {"name": "core", "code_integrity_policy": operator.path(artifact_kinds.CODE_INTEGRITY_POLICY, "core")},
        ],
    )
    return baseline, policy


def refused(operator: Operator, config: Sequence[Item], state: str = "merged") -> list[Kind]:
    changes = operator.lab.reader.statistics.changes.total()
    with pytest.raises(FabricError) as error:
        operator.lab.run("hgs01", RESOURCE, config, state=state)
    assert operator.lab.reader.statistics.changes.total() == changes
    return [problem.kind for problem in error.value.problems]


def state_of(operator: Operator, name: str) -> str | None:
    service = next(iter(operator.lab.world.clusters.values())).attestation
    return next(
        (policy.state for policy in service.policies.values() if policy.name.casefold() == name.casefold()), None
    )


def test_policies_are_added_once(stages: Stages) -> None:
    operator = stages.after("register")
    assert not operator.lab.run("hgs02", RESOURCE, [*artifacts(operator)]).changed


def test_a_new_policy_can_be_there_and_not_in_force(stages: Stages) -> None:
    operator = stages.after("register")
    baseline, _policy = artifacts(operator)
    report = beats(operator.lab, "hgs01", RESOURCE, [{**baseline, "name": "next", "enabled": False}])
    assert [command.split()[0] for command in report.commands] == [
        "Add-HgsAttestationTpmPolicy",
        "Disable-HgsAttestationPolicy",
    ]
    beats(operator.lab, "hgs01", RESOURCE, [{"name": "NEXT", "enabled": True}])
    assert state_of(operator, "next") == "Enabled"


def test_built_in_policies_are_switched_and_never_removed(stages: Stages) -> None:
    operator = stages.after("register")
    beats(operator.lab, "hgs01", RESOURCE, [{"name": "hgs_iommuenabled", "enabled": False}])
    assert state_of(operator, "Hgs_IommuEnabled") == "Disabled"
    assert refused(operator, [{"name": "Hgs_IommuEnabled"}], "deleted") == [resource.BUILT_IN]
    baseline, policy = artifacts(operator)
    beats(operator.lab, "hgs01", RESOURCE, [baseline, policy, {"name": "Hgs_IommuEnabled"}], state="overridden")
    # What is declared goes back to its default; what is built in and not declared is left alone.
    assert state_of(operator, "Hgs_IommuEnabled") == "Enabled"
    assert state_of(operator, "Hgs_NoHibernation") == "Disabled"


def test_overriding_removes_policies_that_nobody_declared(stages: Stages) -> None:
    operator = stages.after("register")
    baseline, policy = artifacts(operator)
    beats(operator.lab, "hgs01", RESOURCE, [{**baseline, "name": "old"}])
    beats(operator.lab, "hgs01", RESOURCE, [baseline, policy], state="overridden")
    assert state_of(operator, "old") is None
    assert state_of(operator, "Hgs_BitLockerEnabled") is not None


def test_a_locked_policy_is_reported_and_never_tried(stages: Stages) -> None:
    operator = stages.after("register")
    report = operator.lab.run("hgs01", RESOURCE, [], state="gathered")
    locked = [str(item["name"]) for item in report.before if item["locked"]]
    assert locked
    assert refused(operator, [{"name": locked[0], "enabled": False}]) == [resource.LOCKED]
    assert not operator.lab.run("hgs01", RESOURCE, [{"name": locked[0], "enabled": True}]).changed


def test_a_class_is_named_after_the_content_of_its_artifact(stages: Stages) -> None:
    operator = stages.after("register")
    baseline, policy = artifacts(operator)
    config = [{**baseline, "name": None, "class": "r740"}, {**policy, "name": None, "class": "core"}]
    report = beats(operator.lab, "hgs01", RESOURCE, config)
    added = [
        name for item in report.after if (name := str(item["name"])) not in {str(i["name"]) for i in report.before}
    ]
    assert [re.sub("[0-9a-f]{8}$", "DIGITS", name) for name in sorted(added)] == ["core DIGITS", "r740 DIGITS"]


def test_an_artifact_that_is_still_to_come_has_no_digits_yet(stages: Stages) -> None:
    operator = stages.after("register")
    report = operator.lab.run(
        "hgs01", RESOURCE, [{"class": "next", "baseline": Artifact("next.tcglog", None, None)}], check_mode=True
    )
    assert "next (fingerprint)" in {item["name"] for item in report.after}


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({}, resource.NO_NAME),
        ({"name": "a", "class": "a"}, resource.NO_NAME),
        ({"class": "of two words"}, resource.NO_CLASS),
        ({"class": "a" * 56}, resource.NO_CLASS),
    ],
)
def test_a_policy_has_a_name_or_a_class(stages: Stages, item: Item, kind: Kind) -> None:
    operator = stages.after("register")
    baseline, _policy = artifacts(operator)
    assert refused(operator, [{**baseline, "name": None, **item}]) == [kind]


def test_a_class_without_an_artifact_is_refused(stages: Stages) -> None:
    assert refused(stages.after("register"), [{"class": "r740"}]) == [resource.NO_CLASS]


def test_a_policy_without_content_is_refused(stages: Stages) -> None:
    assert refused(stages.after("register"), [{"name": "nobody knows"}]) == [resource.NO_CONTENT]


def test_a_policy_of_two_contents_is_refused_before_the_service_is_asked(stages: Stages) -> None:
    operator = stages.after("register")
    baseline, policy = artifacts(operator)
    both = {**policy, **baseline}
    assert refused(operator, [both]) == [resource.TWO_CONTENTS]
    assert operator.lab.log.executions == []


def test_a_name_that_is_taken_by_another_type_is_refused(stages: Stages) -> None:
    operator = stages.after("register")
    baseline, _policy = artifacts(operator)
    assert refused(operator, [{**baseline, "name": "core"}]) == [resource.OTHER_TYPE]


def test_types_are_read_without_the_name_of_the_property(stages: Stages) -> None:
    report = stages.after("register").lab.run("hgs01", RESOURCE, [], state="gathered")
    types = {str(item["name"]): item.get("type") for item in report.before}
    assert (types["r740"], types["core"]) == ("SecureBootSettings", "CiPolicy")
    assert all(call.select == ("Name",) for call in RESOURCE.observe([]))


def test_a_server_without_the_service_is_named(stages: Stages) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.run("hgs01", RESOURCE, [{"name": "Hgs_NoDumps"}])
    assert [problem.kind for problem in error.value.problems] == [attestation_service.NOT_ANSWERING]
