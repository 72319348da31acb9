# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode says what a run does: for whatever config, after whatever config came before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Report
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_hosts,
    attestation_policies,
    bitlocker_volumes,
    code_integrity_policy,
    dns_client,
    dns_conditional_forwarders,
    guardians,
    hgs_client,
    maintenance_mode,
    shielded_vms,
    trusted_tpm_certificates,
    windows_features,
)
from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Operator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .lab_driver import NOW, Lab, agrees

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Stages

Config = list[Item]
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
VENDORS = {name: tpm.new_vendor(name, NOW).der for name in ("contoso", "fabrikam")}
YES_OR_NOTHING = st.sampled_from([True, None])
MAYBE = st.sampled_from([True, False, None])


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(st.none(), strategy)


def items(key: str, **options: st.SearchStrategy[object]) -> st.SearchStrategy[Config]:
    """Return lists of items of different names."""
    return st.lists(
        st.fixed_dictionaries(options), min_size=1, max_size=3, unique_by=lambda item: str(item[key]).casefold()
    )


def single(**options: st.SearchStrategy[object]) -> st.SearchStrategy[Config]:
    return st.fixed_dictionaries(options).map(lambda item: [item])


@dataclass(frozen=True)
class Case:
    """A resource on a machine after a stage; `names` gives each generated item the files that belong to it."""

    resource: Resource
    stage: str
    machine: str
    configs: st.SearchStrategy[Config]
    complete: Callable[[Operator, Item], Item] = lambda _operator, item: item


def _artifact(kind: ArtifactKind, option: str) -> Callable[[Operator, Item], Item]:
    return lambda operator, item: {**item, option: operator.path(kind, str(item["name"]).lower())}


def _vendor(operator: Operator, item: Item) -> Item:
    path = operator.exchange / f"{item['vendor']}.cer"
    path.write_bytes(VENDORS[str(item["vendor"])])
    return {"path": str(path), "store": item["store"]}


def _policy(operator: Operator, item: Item) -> Item:
    match item["content"]:
        case "baseline":
            content = {"baseline": operator.path(kinds.TPM_BASELINE, "r740")}
        case "policy":
            content = {"code_integrity_policy": operator.path(kinds.CODE_INTEGRITY_POLICY, "core")}
        case _:
            content = {}
    return {"name": item["name"], "enabled": item["enabled"], **content}


def _guardian(operator: Operator, item: Item) -> Item:
    imported = {"path": operator.path(kinds.GUARDIAN_METADATA, "fabric"), "allow_untrusted_root": True}
    return {"name": item["name"], **({"generate": True} if item["name"] == "Owner" else imported)}


def _machine(operator: Operator, item: Item) -> Item:
    given = {"key_protector": operator.path(kinds.KEY_PROTECTOR, "vm01")} if item["protector"] else {}
    return {**{name: value for name, value in item.items() if name != "protector"}, **given}


def _source(operator: Operator, item: Item) -> Item:
    if item["scan"] is None:
        return {"policy": operator.path(kinds.CODE_INTEGRITY_POLICY, "core")}
    return item


_SERVICE = "http://hgs.hgs.lab"
_FALLBACK = ["http://hgs2.lab/Attestation"], ["http://hgs2.lab/KeyProtection"]


def _client(_operator: Operator, item: Item) -> Item:
    if item["local"]:
        return {"mode": "Local"}
    fallback = {None: {}, "none": ([], []), "one": _FALLBACK}[item["fallback"]]  # type: ignore[index]
    names = ("fallback_attestation_urls", "fallback_key_protection_urls")
    return {
        "attestation_url": f"{_SERVICE}{item['port']}/Attestation",
        "key_protection_url": f"{_SERVICE}/KeyProtection",
        "attested": item["attested"],
        **dict(zip(names, fallback, strict=False)),
    }


def _node(operator: Operator, item: Item) -> Item:
    for name in ("host01", "host02"):
        operator.lab.machine(name).failover_cluster = "hv"
        operator.lab.machine(name).features |= {"RSAT-Clustering-PowerShell"}
    return item


CASES = {
    case.resource.name: case
    for case in (
        Case(
            windows_features.RESOURCE,
            "nothing",
            "host01",
            items("name", name=st.sampled_from(["Hyper-V", "HostGuardian", "hostguardian", "BitLocker", "Nothing"])),
        ),
        Case(
            maintenance_mode.RESOURCE,
            "shield",
            "host01",
            single(enabled=st.booleans(), failback=st.sampled_from([None, "Immediate", "NoFailback"])),
            _node,
        ),
        Case(
            dns_client.RESOURCE,
            "nothing",
            "hgs02",
            single(
                interface_alias=st.sampled_from([None, "Ethernet", "ETHERNET", "Storage"]),
                server_addresses=maybe(st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), max_size=2, unique=True)),
            ),
        ),
        Case(
            dns_conditional_forwarders.RESOURCE,
            "nothing",
            "dns01",
            items(
                "name",
                name=st.sampled_from(["hgs.lab", "HGS.lab", "other.lab", "fabric.lab"]),
                master_servers=maybe(st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2"]), max_size=2, unique=True)),
            ),
        ),
        Case(
            trusted_tpm_certificates.RESOURCE,
            "build_hgs",
            "hgs01",
            items(
                "vendor",
                vendor=st.sampled_from(sorted(VENDORS)),
                store=st.sampled_from([None, "root", "intermediate"]),
            ),
            _vendor,
        ),
        Case(
            attestation_hosts.RESOURCE,
            "register",
            "hgs01",
            items("name", name=st.sampled_from(["host01", "HOST01", "host02"])),
            _artifact(kinds.PLATFORM_IDENTIFIER, "path"),
        ),
        Case(
            attestation_policies.RESOURCE,
            "register",
            "hgs01",
            items(
                "name",
                name=st.sampled_from(["r740", "R740", "core", "next", "Hgs_NoDumps", "hgs_nodumps", "Hgs_CiPolicy"]),
                enabled=MAYBE,
                content=st.sampled_from([None, "baseline", "policy"]),
            ),
            _policy,
        ),
        Case(
            hgs_client.RESOURCE,
            "register",
            "host01",
            single(
                local=st.booleans(),
                port=st.sampled_from(["", ":80"]),
                fallback=st.sampled_from([None, "none", "one"]),
                attested=YES_OR_NOTHING,
            ),
            _client,
        ),
        Case(
            guardians.RESOURCE,
            "attest",
            "tenant01",
            items("name", name=st.sampled_from(["Owner", "Fabric", "FABRIC", "Second"])),
            _guardian,
        ),
        Case(
            shielded_vms.RESOURCE,
            "protect",
            "host01",
            items(
                "name",
                name=st.sampled_from(["vm01", "VM01", "nobody"]),
                protector=st.booleans(),
                shielded=MAYBE,
                tpm=MAYBE,
                encrypt_state=MAYBE,
                power=st.sampled_from([None, "running", "off"]),
                allow_stop=YES_OR_NOTHING,
            ),
            _machine,
        ),
        Case(
            bitlocker_volumes.RESOURCE,
            "shield",
            "vm01",
            items("mount_point", mount_point=st.sampled_from(["C:", "c:", "Z:"]), encrypted=YES_OR_NOTHING),
        ),
        Case(
            code_integrity_policy.RESOURCE,
            "prepare_hosts",
            "host02",
            single(scan=maybe(st.fixed_dictionaries({"level": st.just("Hash"), "user_mode": MAYBE}))),
            _source,
        ),
    )
}


def _outcome(lab: Lab, case: Case, config: Config, state: str, *, check_mode: bool) -> Report | FabricError:
    try:
        return lab.run(case.machine, case.resource, config, state=state, check_mode=check_mode)
    except FabricError as error:
        return error


def _ids(problems: FabricError) -> list[str]:
    return [problem.kind.id for problem in problems.problems]


def predicts(lab: Lab, case: Case, config: Config, state: str) -> None:
    """Check, run, check again."""
    changes = lab.reader.statistics.changes.total()
    predicted = _outcome(lab, case, config, state, check_mode=True)
    assert lab.reader.statistics.changes.total() == changes, "check mode changed something"
    actual = _outcome(lab, case, config, state, check_mode=False)
    if isinstance(predicted, FabricError):
        assert isinstance(actual, FabricError)
        assert _ids(actual) == _ids(predicted)
        assert lab.reader.statistics.changes.total() == changes
    elif isinstance(actual, FabricError):
        # What has to come first is a warning in check mode: an earlier task may see to it.
        assert lab.reader.statistics.changes.total() == changes
        assert all(any(name in warning for warning in predicted.warnings) for name in _ids(actual)), actual
    else:
        assert (actual.changed, actual.before) == (predicted.changed, predicted.before)
        assert agrees(case.resource, predicted.after, actual.after), (predicted.after, actual.after)
        # What a run foresees it does, in that order; restarts of features show only once they are installed.
        assert [line for line in actual.commands if line in predicted.commands] == list(predicted.commands)
        assert (
            not set(actual.commands)
            - set(predicted.commands)
            - {line for line in actual.commands if line.startswith("Restart-Computer")}
        )
        again = _outcome(lab, case, config, state, check_mode=True)
        assert isinstance(again, Report)
        assert not again.changed, again.commands


def completed(case: Case, operator: Operator, config: Config) -> Sequence[Item]:
    return operator.load(case.resource, [case.complete(operator, item) for item in config])


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_run_does_what_check_mode_said(stages: Stages, name: str) -> None:
    case = CASES[name]
    states = [state for state in case.resource.states if state not in ("gathered", "rendered")]

    @FEW
    @given(earlier=case.configs, config=case.configs, state=st.sampled_from(states))
    def check(earlier: Config, config: Config, state: str) -> None:
        operator = stages.after(case.stage)
        # A guardian's metadata is captured and approved after this stage, so the exchange has it.
        _outcome(operator.lab, case, list(completed(case, operator, earlier)), "merged", check_mode=False)
        predicts(operator.lab, case, list(completed(case, operator, config)), state)

    check()


def test_every_resource_is_a_case() -> None:
    folder = Path(windows_features.__file__).parent
    named = {path.stem for path in folder.glob("[a-z]*.py") if "RESOURCE = " in path.read_text(encoding="utf-8")}
    # The phases of a node are gone through one by one in tests/unit/resources/test_hgs_server.py.
    assert set(CASES) == named - {"hgs_server"}
