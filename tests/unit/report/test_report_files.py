# SPDX-License-Identifier: GPL-3.0-or-later
"""Each file of a run is what its published description says, whatever the fabric calls its things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, Severity
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import (
    findings_json,
    junit,
    prometheus,
    sarif,
    terminal,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import Host, Machine, Run
from ansible_collections.guarded.fabric.tests.unit.report.generated_runs import (
    DIFFERS,
    FINISHED,
    ROGUE,
    STARTED,
    findings,
    runs,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator
from lxml import etree
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "tests" / "data" / "schemas"


def _json(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text(encoding="utf-8"))


FINDINGS = Draft202012Validator(
    _json(ROOT / "docs" / "schemas" / "findings-1.json"), format_checker=Draft202012Validator.FORMAT_CHECKER
)
SARIF = Draft4Validator(_json(SCHEMAS / "sarif-schema-2.1.0.json"))
JUNIT = etree.XMLSchema(etree.parse(SCHEMAS / "JUnit.xsd"))


@given(runs())
def test_findings_json_is_what_its_schema_says_and_is_read_again(run: Run) -> None:
    text = findings_json.render(run)
    FINDINGS.validate(json.loads(text))
    read = findings_json.read(text, "findings.json")
    assert read == findings_json.data(run) | {"hosts": read["hosts"], "virtual_machines": read["virtual_machines"]}
    assert [item["new"] for item in read["findings"]] == [item.since == FINISHED for item in run.findings]


@pytest.mark.parametrize(
    "damage", [{"findings": None}, {"counts": {}}, {"started": "yesterday"}, {"surprise": 1}, {"machines": [{}]}]
)
def test_the_schema_refuses_what_is_no_run(damage: dict[str, object]) -> None:
    assert not FINDINGS.is_valid(findings_json.data(Run(STARTED, FINISHED)) | damage)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"$schema": "https://elsewhere.invalid"}', "{" * 9])
def test_a_file_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(FabricError) as caught:
        findings_json.read(text, "findings.json")
    assert [problem.kind.id for problem in caught.value.problems] == ["GF-WAT-001"]


@given(runs())
def test_junit_is_what_its_xsd_says(run: Run) -> None:
    tree = etree.fromstring(junit.render(run))
    JUNIT.assertValid(tree)
    suites = tree.findall("testsuite")
    assert (
        sum(int(suite.get("failures", "")) for suite in suites) == len(tree.findall(".//failure")) == len(run.findings)
    )
    unseen = [machine for machine in run.machines if not machine.seen]
    assert sum(int(suite.get("errors", "")) for suite in suites) == len(tree.findall(".//error")) == len(unseen)
    assert all(int(suite.get("tests", "")) == len(suite.findall("testcase")) > 0 for suite in suites)


@settings(max_examples=25)  # the schema takes a tenth of a second a run
@given(runs())
def test_sarif_is_what_its_schema_says(run: Run) -> None:
    document = json.loads(sarif.render(run))
    SARIF.validate(document)
    (only,) = document["runs"]
    results = only["results"]
    assert len(results) == len(run.findings) + len(run.suppressed) + len(run.gone)
    rules = {rule["id"] for rule in only["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in results if result["baselineState"] != "absent"} == rules
    assert [result["baselineState"] for result in results].count("new") == len(run.new())


@given(runs())
def test_prometheus_reads_the_textfile(run: Run) -> None:
    families = {family.name: family for family in text_string_to_metric_families(prometheus.render(run))}
    findings = families["guarded_fabric_findings"].samples
    assert sum(sample.value for sample in findings) == len(run.findings)
    critical = [sample.value for sample in findings if sample.labels["severity"] == "critical"]
    assert sum(critical) == run.counted()[Severity.CRITICAL]
    seen = families["guarded_fabric_machine_seen"].samples if run.machines else []
    assert [(sample.labels["machine"], sample.value) for sample in seen] == [
        (machine.name, float(machine.seen)) for machine in run.machines
    ]
    known = [host for host in run.hosts if host.guarded is not None]
    shown = families["guarded_fabric_host_guarded"].samples if known else []
    assert len(shown) == len(known)


@given(runs(), st.integers(0, 300), findings)
def test_the_terminal_gets_one_screen(run: Run, more: int, finding: Finding) -> None:
    many = Run(run.started, run.finished, machines=run.machines, findings=[*run.findings, *[finding] * more])
    lines = terminal.render(many)
    assert len(lines) <= 24
    assert all(len(line) <= 160 and (line.isprintable()) for line in lines)


def test_the_terminal_says_what_is_worst_first_and_what_nobody_saw() -> None:
    run = Run(
        STARTED,
        FINISHED,
        machines=[Machine("hv01", "host", seen=True), Machine("hv02", "host", seen=False, reason="no route")],
        hosts=[Host("hv01", guarded=True), Host("hv02", guarded=None)],
        findings=[
            Finding(DIFFERS, "hv01", "", "url", "hgs_client", "http://a", "http://b", STARTED),
            Finding(ROGUE, "hgs01", "rogue", "", "attestation_hosts", since=FINISHED),
        ],
        known=frozenset({("GF-TST-002", "hv01", "hgs_client", "", "url")}),
    )
    assert terminal.render(run) == [
        "2 machines, 1 of 2 hosts guarded",
        "findings: 1 critical, 1 warning; 1 new, 0 gone, 0 suppressed",
        "unknown, because they could not be seen: hv02",
        "new critical GF-TST-001 [guardian] attestation_hosts rogue on hgs01: is registered, and nobody declared it",
        "    warning  GF-TST-002 [fabric] hgs_client on hv01: differs (url): expected http://a, found http://b",
    ]
