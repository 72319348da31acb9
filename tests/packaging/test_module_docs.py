# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user copies out of a module's documentation works: examples are accepted, samples are what comes back."""

from __future__ import annotations

import re
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.guarded.fabric.plugins.action import artifact_approval
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import Verdict
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import KEY_PROTECTOR
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Filed, Status
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture_action import CaptureAction, describe
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Report, Request
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import (
    FabricAction,
    ResourceAction,
    failure_result,
)
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = "ansible_collections.guarded.fabric.plugins"
PLUGINS = ROOT / "plugins"
NAMES = sorted(path.stem for path in (PLUGINS / "action").glob("*.py"))
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "bool": bool,
    "dict": dict,
    "float": (float, int),
    "int": int,
    "list": list,
    "str": str,
}
UNIVERSAL = {"changed", "failed", "msg", "warnings", "diff"}
"""What any task returns; documentation does not repeat it."""


class AskedError(Exception):
    """Holds the argument spec that an action would check its task against."""

    def __init__(self, spec: dict[str, Mapping[str, object]]) -> None:
        super().__init__()
        self.spec = spec


def action(name: str) -> type[FabricAction]:
    found: type[FabricAction] = import_module(f"{PACKAGE}.action.{name}").ActionModule
    return found


def actions(kind: type[FabricAction]) -> list[str]:
    return [name for name in NAMES if issubclass(action(name), kind)]


def document(name: str, part: str) -> dict[str, Any]:
    content: dict[str, dict[str, Any]] = yaml.safe_load(
        (PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8")
    )
    return content[part]


def examples(name: str) -> list[dict[str, Any]]:
    content = yaml.safe_load((PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8"))
    tasks: list[dict[str, Any]] = yaml.safe_load(content["EXAMPLES"])
    return tasks


def kinds() -> dict[str, Kind]:
    """Return every kind of problem that the collection knows, by id."""
    found: dict[str, Kind] = {}
    for path in (PLUGINS / "plugin_utils").rglob("*.py"):
        module = import_module(f"{PACKAGE}.{'.'.join(path.relative_to(PLUGINS).with_suffix('').parts)}")
        for value in vars(module).values():
            values = list(value.values()) if isinstance(value, dict) else [value]
            found.update({kind.id: kind for kind in values if isinstance(kind, Kind)})
    return found


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_tasks_that_the_action_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_action: FabricAction, spec: dict[str, Mapping[str, object]]) -> dict[str, Any]:
        raise AskedError(spec)

    monkeypatch.setattr(FabricAction, "fabric_validate", ask)
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})
    plugin = action(name)
    instance: Any = plugin.__new__(plugin)
    instance._task = SimpleNamespace(check_mode=False)
    with pytest.raises(AskedError) as asked:
        instance.run(None, {})
    arguments = [task[key] for task in examples(name) for key in task if key == f"guarded.fabric.{name}"]
    assert arguments
    for argument in arguments:
        assert not ArgumentSpecValidator(asked.value.spec).validate(filled(argument, asked.value.spec)).error_messages


def filled(arguments: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with something of the right type where an example has a template."""
    return {name: _filled(value, spec.get(name, {})) for name, value in arguments.items()}


def _filled(value: Any, option: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any value of YAML
    if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
        return {"dict": {}, "list": []}.get(option["type"], value)
    if isinstance(value, list):
        inner = {"type": option.get("elements", "raw"), "options": option.get("options", {})}
        return [_filled(item, inner) for item in value]
    return filled(value, option["options"]) if isinstance(value, dict) and option.get("options") else value


@pytest.mark.parametrize("name", actions(ResourceAction))
def test_a_resource_module_documents_each_result_that_it_returns(name: str) -> None:
    plugin = action(name)
    instance: Any = plugin.__new__(plugin)
    instance._task = SimpleNamespace(diff=True)
    requests = [Request(state, [], "host01") for state in instance.resource.states]
    results = [instance._result(request, Report()) for request in requests]
    returned = set().union(failure_result(FabricError()), *results)
    assert set(document(name, "RETURN")) == returned - UNIVERSAL


@pytest.mark.parametrize("name", actions(CaptureAction))
def test_a_capture_documents_each_value_of_an_artifact(name: str) -> None:
    filed = Filed(Artifact("web01.kp", None, None), KEY_PROTECTOR, Status.NEW)
    assert set(document(name, "RETURN")["artifacts"]["contains"]) == set(describe(filed))


def test_an_approval_documents_each_value_of_an_artifact() -> None:
    verdict = Verdict(Artifact("web01.kp", None, None), changed=True, differences=())
    described = artifact_approval._describe(verdict)
    assert set(document("artifact_approval", "RETURN")["artifacts"]["contains"]) == set(described)


def wrong(values: object, described: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield what of a sample is not as it is described; null stands for a value that there is not."""
    if not isinstance(values, TYPES[described["type"]]):
        yield f"{place} is no {described['type']}"
        return
    for number, value in enumerate(values if isinstance(values, list) else []):
        element = {**described, "type": described["elements"]}
        yield from wrong(value, element, f"{place}[{number}]")
    if not isinstance(values, dict) or "contains" not in described:
        return
    contains = described["contains"]
    yield from (f"{place}.{name} is not described" for name in values if name not in contains)
    yield from (
        f"{place}.{name} is lacking"
        for name, value in contains.items()
        if value["returned"] == "always" and name not in values
    )
    for name, value in values.items():
        if name in contains and value is not None:
            yield from wrong(value, contains[name], f"{place}.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_as_they_are_described(name: str) -> None:
    described = document(name, "RETURN")
    for result, value in described.items():
        assert "sample" in value, result
        assert not list(wrong(value["sample"], value, result))
    for result in {"before", "after"} & set(described):
        gathered = described["gathered"]
        assert (described[result]["type"], described[result].get("elements")) == (
            gathered["type"],
            gathered.get("elements"),
        )
        item = gathered["contains"]
        sample = described[result]["sample"]
        for one in sample if isinstance(sample, list) else [sample]:
            assert set(one) <= set(item), result


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_of_a_problem_is_one_that_the_collection_reports(name: str) -> None:
    known = kinds()
    for sample in document(name, "RETURN")["problems"]["sample"]:
        kind = known[sample["id"]]
        assert (sample["owner"], sample["what"], sample["next_step"]) == (kind.owner.value, kind.title, kind.next_step)


def test_samples_of_explanations_are_those_of_the_attestation_status() -> None:
    known = kinds()
    results = document("hgs_client", "RETURN")
    samples = [item for name in ("before", "gathered") for item in results[name]["sample"]["explanations"]]
    assert samples
    for sample in samples:
        kind = known[sample["id"]]
        assert (sample["cause"], sample["remedy"], sample["owner"]) == (kind.title, kind.next_step, kind.owner.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_short_description_is_a_phrase(name: str) -> None:
    assert not document(name, "DOCUMENTATION")["short_description"].endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_modules_of_this_collection_that_are_named_are_there(name: str) -> None:
    text = (PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8")
    fragments = "".join(path.read_text(encoding="utf-8") for path in (PLUGINS / "doc_fragments").glob("*.py"))
    named = re.findall(r"(?:M\(|module: )guarded\.fabric\.(\w+)", text + fragments)
    assert set(named) <= {path.stem for path in (PLUGINS / "modules").glob("*.yml")}
