# SPDX-License-Identifier: GPL-3.0-or-later
"""The page without a browser: all that a run holds is in it, as text, and it stays small."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.bench.example_run import example
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_findings import NOT_ATTESTED
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import html
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import Certificate, Host, Machine, Run
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.plain_text import plain
from ansible_collections.guarded.fabric.tests.unit.report.generated_runs import FINISHED, STARTED, runs
from hypothesis import given, settings
from lxml import html as reader

if TYPE_CHECKING:
    from lxml.html import HtmlElement


def page(run: Run) -> HtmlElement:
    return reader.document_fromstring(html.render(run))


def words(text: str) -> str:
    return " ".join(plain(text).split())


@settings(max_examples=30)
@given(runs())
def test_everything_that_a_fabric_names_is_there_as_text(run: Run) -> None:
    whole = page(run)
    text = words(whole.text_content())
    named = [host.name for host in run.hosts] + [machine.name for machine in run.virtual_machines]
    named += [finding.item for finding in run.findings] + [item.subject for item in run.certificates]
    assert [name for name in named if words(name) not in text] == []
    assert len(whole.findall(".//script")) == 1
    assert [name for element in whole.iter() for name in element.attrib if name.startswith("on")] == []


def test_what_a_fabric_names_is_never_markup() -> None:
    written = html.render(example(20, 20))
    assert "&lt;script&gt;alert(" in written
    assert "<script>alert" not in written


def test_a_thousand_hosts_fit_into_three_megabytes() -> None:
    assert len(html.render(example(1000, 5000)).encode()) < 3_000_000


def test_nothing_is_loaded_from_anywhere() -> None:
    written = html.render(example(5, 5))
    assert re.findall(r"(?:src|href)=\"(?!#)", written) == []
    assert "url(" not in written
    assert "default-src 'none'" in written


def verdict(run: Run) -> str:
    (found,) = page(run).xpath("//p[starts-with(@class, 'verdict')]")
    return f"{found.get('class')}: {words(found.text_content())}"


def test_the_verdict_takes_what_nobody_saw_for_no_good_sign() -> None:
    seen, unseen = Machine("a", "host", seen=True), Machine("b", "host", seen=False, reason="no route")
    assert verdict(Run(STARTED, FINISHED, machines=[seen])) == "verdict good: All is as declared."
    assert verdict(Run(STARTED, FINISHED, machines=[seen, unseen])) == (
        "verdict warn: Not everything could be seen. 1 of 2 machines are unknown."
    )
    assert verdict(example(20, 0)).startswith("verdict bad: Something is wrong. Findings: 1 critical, 2 error")


def bar_days(not_after: str) -> tuple[int, str]:
    made = Certificate("hgs01", "signing", "CN=x", "AA", "2026-01-01T00:00:00+00:00", not_after)
    (cell,) = page(Run(STARTED, FINISHED, certificates=[made])).xpath("//td[starts-with(@class, 'number')]")
    return int(cell.text_content()), str(cell.get("class", "")).split()[1]


def test_days_left_are_whole_days_and_an_ended_certificate_has_less_than_none() -> None:
    assert bar_days("2026-11-24T02:03:29+00:00") == (-1, "bad")
    assert bar_days("2026-11-24T02:03:30+00:00") == (0, "bad")
    assert bar_days("2026-12-24T02:03:30+00:00") == (30, "warn")
    assert bar_days("2027-02-22T02:03:30+00:00") == (90, "good")
    assert bar_days("2027-02-22T03:03:30+01:00") == (90, "good")


def test_a_certificate_that_never_began_to_end_is_drawn() -> None:
    made = Certificate("hgs01", "signing", "CN=x", "AA", FINISHED, FINISHED)
    (bar,) = page(Run(STARTED, FINISHED, certificates=[made])).xpath("//rect")
    assert (bar.get("x"), bar.get("width")) == ("0", "1")


def test_an_unknown_host_is_shown_as_unknown() -> None:
    (cell,) = page(Run(STARTED, FINISHED, hosts=[Host("hv01", guarded=None)])).xpath("//td/span[@class='unknown']")
    assert cell.text_content() == "unknown"


def test_kinds_are_explained_once() -> None:
    whole = page(example(300, 0))
    (kind,) = whole.xpath(f"//*[@id='{NOT_ATTESTED.id}']")
    assert len(kind.xpath(".//tbody/tr")) == 3
    assert words(kind.text_content()).count(NOT_ATTESTED.cause) == 1
