# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries over findings: which are refused when they are read, and that those which are not can match."""

from __future__ import annotations

import datetime as dt

import jmespath
import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import (
    finding_query,
    finding_suppressions,
    finding_thresholds,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, Severity, as_data
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.tests.unit.report.generated_runs import (
    DIFFERS,
    EXPIRES,
    KINDS,
    ROGUE,
    findings,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SAMPLES = [Finding(kind, "") for kind in KINDS]
TODAY = dt.date(2026, 11, 24)
GOOD = (
    "[?id=='GF-TST-001']",
    "[?owner=='fabric' && severity=='warning']",
    "[?machine=='hv01' || machine=='hv02']",
    "[?starts_with(machine, 'hv') && !(id=='GF-TST-002')]",
    "[?contains(['GF-TST-001', 'GF-TST-003'], id)]",
    "[?expected.days < `30`]",
    "[?actual[0].name=='x']",
    "[?!property]",
    "[?id!='GF-TST-001' && object=='vm01']",
    "[?`true`]",
)
CANNOT_MATCH = (
    "[?id=='GF-TST-999']",
    "[?severity=='severe']",
    "[?owner=='Fabric']",
    "[?id=='GF-TST-001' && owner=='tenant']",
    "[?id=='GF-TST-001' && id=='GF-TST-002']",
    "[?severity=='severe' && machine=='hv01']",
    "[?!(contains(id, 'GF') || machine=='hv01')]",
    "[?`false`]",
)
NO_QUERY = (
    "",
    "[?",
    "id=='GF-TST-001'",
    "[*].id",
    "[?id=='GF-TST-001'].machine",
    "[?id=='GF-TST-001'] | [0]",
    "[?host=='hv01']",
    "[?contains(id, nothing)]",
    "[?no_function(id)]",
    "[?starts_with(id)]",
)


@pytest.mark.parametrize("text", GOOD)
@settings(max_examples=20)
@given(found=st.lists(findings, max_size=5))
def test_a_query_selects_what_jmespath_says(text: str, found: list[Finding]) -> None:
    query = finding_query.read(text, SAMPLES)
    data = [as_data(finding) for finding in found]
    selected = jmespath.search(text, data)
    assert [item for finding, item in zip(found, data, strict=True) if query.matches(finding)] == selected


@pytest.mark.parametrize("text", CANNOT_MATCH)
@settings(max_examples=20)
@given(finding=findings)
def test_a_query_that_matches_nothing_is_refused(text: str, finding: Finding) -> None:
    with pytest.raises(FabricError) as caught:
        finding_query.read(text, SAMPLES)
    assert [problem.kind.id for problem in caught.value.problems] == ["GF-WAT-003"]
    assert jmespath.search(text, [as_data(finding)]) == []


@pytest.mark.parametrize("text", NO_QUERY)
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(FabricError) as caught:
        finding_query.read(text, SAMPLES)
    assert [problem.kind.id for problem in caught.value.problems] == ["GF-WAT-002"]


atoms = st.builds(
    "{}{}'{}'".format,
    st.sampled_from(["id", "owner", "severity", "machine", "object"]),
    st.sampled_from(["==", "!="]),
    st.sampled_from(["GF-TST-001", "GF-TST-002", "fabric", "tenant", "warning", "critical", "hv01"]),
)
conditions = st.recursive(
    atoms,
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | inner.map("!({})".format)
    ),
    max_leaves=5,
)


@given(conditions, findings, st.sampled_from(["hv01", "warning", "other"]))
def test_no_query_that_matches_something_is_refused(condition: str, finding: Finding, machine: str) -> None:
    at = Finding(finding.kind, machine, finding.item)
    if jmespath.search(f"[?{condition}]", [as_data(at)]):
        assert finding_query.read(f"[?{condition}]", SAMPLES).matches(at)


def suppression(query: str, expires: str = "2026-12-31") -> dict[str, object]:
    return {"query": query, "reason": "new hardware is ordered", "owner": "ada", "expires": expires}


def test_what_is_suppressed_does_not_count_and_says_why() -> None:
    read = finding_suppressions.read([suppression("[?id=='GF-TST-002']")], SAMPLES)
    found = [Finding(DIFFERS, "hv01"), Finding(ROGUE, "hgs01")]
    result = finding_suppressions.sort(found, read, TODAY)
    assert result.findings == [found[1]]
    assert [(item.finding, item.reason, item.owner, item.expires) for item in result.suppressed] == [
        (found[0], "new hardware is ordered", "ada", "2026-12-31")
    ]


@pytest.mark.parametrize(("expires", "suppressed"), [("2026-11-24", 1), ("2026-11-23", 0)])
def test_a_suppression_holds_through_its_last_day(expires: str, suppressed: int) -> None:
    read = finding_suppressions.read([suppression("[?id=='GF-TST-002']", expires)], SAMPLES)
    result = finding_suppressions.sort([Finding(DIFFERS, "hv01")], read, TODAY)
    assert len(result.suppressed) == suppressed
    assert [finding.kind.id for finding in result.findings] == ([] if suppressed else ["GF-TST-002", "GF-WAT-101"])


def test_a_suppression_that_expired_and_covers_nothing_is_silent() -> None:
    read = finding_suppressions.read([suppression("[?id=='GF-TST-002']", "2020-01-01")], SAMPLES)
    assert finding_suppressions.sort([Finding(ROGUE, "hgs01")], read, TODAY).findings == [Finding(ROGUE, "hgs01")]


def test_every_bad_suppression_is_named() -> None:
    good = suppression("[?id=='GF-TST-002']")
    given_ = [
        good,
        good | {"reason": " "},
        good | {"owner": None},
        good | {"expires": "soon"},
        good | {"query": "[?id=='GF-TST-999']"},
    ]
    with pytest.raises(FabricError) as caught:
        finding_suppressions.read(given_, SAMPLES)
    assert [(problem.kind.id, problem.thing) for problem in caught.value.problems] == [
        ("GF-WAT-004", "suppression 2"),
        ("GF-WAT-004", "suppression 3"),
        ("GF-WAT-004", "suppression 4"),
        ("GF-WAT-003", "[?id=='GF-TST-999']"),
    ]


@pytest.mark.parametrize(
    ("threshold", "failing"),
    [
        ({"severity": "critical"}, [ROGUE]),
        ({"severity": "warning"}, [ROGUE, DIFFERS]),
        ({"severity": "info"}, [ROGUE, DIFFERS, EXPIRES]),
        ({"severity": "info", "query": "[?owner=='tenant']"}, [EXPIRES]),
        ({"severity": "warning", "query": "[?owner=='tenant']"}, []),
        ({"severity": "never"}, []),
    ],
)
def test_a_threshold_fails_at_its_severity(threshold: dict[str, object], failing: list[object]) -> None:
    found = [Finding(kind, "m") for kind in (ROGUE, DIFFERS, EXPIRES)]
    read = finding_thresholds.read([threshold], SAMPLES)
    assert [finding.kind for finding in finding_thresholds.crossing(found, read)] == failing


def test_a_threshold_has_a_severity() -> None:
    with pytest.raises(FabricError) as caught:
        finding_thresholds.read([{"severity": "severe"}], SAMPLES)
    assert [problem.kind.id for problem in caught.value.problems] == ["GF-WAT-005"]


def test_severities_are_in_order() -> None:
    assert [severity.word for severity in sorted(Severity)] == ["info", "warning", "error", "critical"]
