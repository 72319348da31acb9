# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds, exchange
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import guardian_metadata
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import guardians as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import beats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Operator, Stages

RESOURCE = resource.RESOURCE
OWNER: Item = {"name": "Owner", "generate": True}


def fabric(operator: Operator) -> Item:
    path = operator.path(artifact_kinds.GUARDIAN_METADATA, "fabric")
    return operator.load(RESOURCE, [{"name": "Fabric", "path": path, "allow_untrusted_root": True}])[0]


def refused(operator: Operator, config: Sequence[Item], state: str = "merged") -> list[Kind]:
    changes = operator.lab.reader.statistics.changes.total()
    with pytest.raises(FabricError) as error:
        operator.lab.run("tenant01", RESOURCE, config, state=state)
    assert operator.lab.reader.statistics.changes.total() == changes
    return [problem.kind for problem in error.value.problems]


def test_an_owner_is_generated_once(stages: Stages) -> None:
    operator = stages.after("protect")
    keys = operator.lab.machine("tenant01").guardians["owner"].signing.der
    assert not operator.lab.run("tenant01", RESOURCE, [{**OWNER, "name": "OWNER"}]).changed
    assert operator.lab.machine("tenant01").guardians["owner"].signing.der == keys
    assert operator.lab.reader.statistics.calls["New-HgsGuardian"] == 0


def test_a_fabric_is_imported_once(stages: Stages) -> None:
    operator = stages.after("protect")
    assert not operator.lab.run("tenant01", RESOURCE, [fabric(operator)]).changed


def test_an_owner_is_never_removed(stages: Stages) -> None:
    operator = stages.after("protect")
    assert refused(operator, [OWNER], "deleted") == [resource.OWNER_KEYS]
    beats(operator.lab, "tenant01", RESOURCE, [], state="overridden")
    assert list(operator.lab.machine("tenant01").guardians) == ["owner"]


def test_a_fabric_that_is_no_longer_trusted_is_removed(stages: Stages) -> None:
    operator = stages.after("protect")
    report = beats(operator.lab, "tenant01", RESOURCE, [{"name": "fabric"}], state="deleted")
    assert report.commands == ("Remove-HgsGuardian -Name 'Fabric'",)


def test_another_guardian_under_a_name_that_is_taken_is_refused(stages: Stages) -> None:
    operator = stages.after("protect")
    assert refused(operator, [{**fabric(operator), "name": "Owner"}]) == [resource.OTHER_CERTIFICATES]


def test_a_guardian_comes_from_one_place(stages: Stages) -> None:
    operator = stages.after("protect")
    assert refused(operator, [{"name": "Nobody"}]) == [resource.NO_SOURCE]
    assert refused(operator, [{**fabric(operator), "generate": True}]) == [resource.TWO_SOURCES]


def test_self_signed_certificates_have_to_be_allowed(stages: Stages) -> None:
    operator = stages.after("protect")
    with pytest.raises(FabricError) as error:
        operator.lab.run("tenant01", RESOURCE, [{**fabric(operator), "name": "New", "allow_untrusted_root": False}])
    assert "Import-HgsGuardian" in str(error.value)


def test_metadata_that_nobody_approved_is_refused(stages: Stages, tmp_path: object) -> None:
    operator = stages.after("protect")
    operator.lab.capture("hgs01", guardian_metadata.CAPTURE, {"name": "fabric"}, str(tmp_path))
    path = exchange.artifact_path(str(tmp_path), artifact_kinds.GUARDIAN_METADATA, "fabric")
    with pytest.raises(FabricError) as error:
        operator.load(RESOURCE, [{"name": "Fabric", "path": str(path)}])
    assert [problem.kind for problem in error.value.problems] == [exchange.NOT_APPROVED]


def test_metadata_that_is_yet_to_come_is_no_obstacle_in_check_mode(stages: Stages) -> None:
    config = [{"name": "Fabric", "path": Artifact("fabric.xml", None, None)}]
    report = stages.after("nothing").lab.run("tenant01", RESOURCE, config, check_mode=True)
    assert report.changed


def test_a_machine_without_the_tools_is_named(stages: Stages) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.run("dns01", RESOURCE, [OWNER])
    assert [problem.kind for problem in error.value.problems] == [resource.TOOLS_MISSING]


@pytest.mark.parametrize(
    ("certificate", "thumbprint"),
    [
        ({"Thumbprint": "ab12"}, "AB12"),
        (b"abc", "A9993E364706816ABA3E25717850C26C9CD0D89D"),
        (None, ""),
    ],
)
def test_certificates_are_understood_as_objects_and_as_bytes(certificate: object, thumbprint: str) -> None:
    guardian = {"Name": "Owner", "HasPrivateSigningKey": True, "SigningCertificate": certificate}
    item = RESOURCE.read(Results({"guardians": Outcome(output=(guardian,))}), []).state["owner"]
    assert item["signing_thumbprint"] == thumbprint
