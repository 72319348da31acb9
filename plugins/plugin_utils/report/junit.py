# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as JUnit XML: a test suite for each machine, a test case for each thing looked at that was not as it should be.

The form is Apache Ant's, of which Windy Road's XSD is the published description. A machine that could not be seen is an
error, a finding a failure; one that was suppressed passes, its reason in the output. A machine without findings is one
case that passes.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, shown

from .model import Machine, Suppressed

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from lxml import etree

from .plain_text import plain

if TYPE_CHECKING:
    from .model import Run

_CLASS = "guarded.fabric"


@dataclass
class _About:
    """What a run says about a machine, which is None where the inventory does not have it."""

    name: str
    machine: Machine | None = None
    findings: list[Finding] = field(default_factory=list)
    suppressed: list[Suppressed] = field(default_factory=list)

    @property
    def unseen(self) -> bool:
        return self.machine is not None and not self.machine.seen


def _by_machine(run: Run) -> list[_About]:
    parts: dict[str, _About] = {machine.name: _About(machine.name, machine) for machine in run.machines}
    for finding in run.findings:
        parts.setdefault(finding.machine, _About(finding.machine)).findings.append(finding)
    for item in run.suppressed:
        parts.setdefault(item.finding.machine, _About(item.finding.machine)).suppressed.append(item)
    return list(parts.values())


def render(run: Run) -> bytes:
    """Return the file's bytes."""
    suites = etree.Element("testsuites")
    for number, about in enumerate(_by_machine(run)):
        suites.append(_suite(about, number, _local(run.started)))
    return etree.tostring(suites, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _suite(about: _About, number: int, timestamp: str) -> etree._Element:
    cases = [_failed(finding) for finding in about.findings]
    cases += [_case(item.finding.sentence) for item in about.suppressed]
    if about.machine is not None and about.unseen:
        case = _case(f"{about.name} is seen")
        etree.SubElement(case, "error", message=plain(about.machine.reason), type="unknown")
        cases.append(case)
    suite = etree.Element(
        "testsuite",
        package=_CLASS,
        id=str(number),
        name=_token(about.name),
        hostname=_token(about.name),
        timestamp=timestamp,
        tests=str(len(cases) or 1),
        failures=str(len(about.findings)),
        errors=str(int(about.unseen)),
        time="0",
    )
    etree.SubElement(suite, "properties")
    suite.extend(cases or [_case(f"{about.name} is as declared")])
    told = [f"suppressed by {item.owner} until {item.expires}: {item.reason}" for item in about.suppressed]
    etree.SubElement(suite, "system-out").text = plain("\n".join(told))
    etree.SubElement(suite, "system-err")
    return suite


def _case(name: str) -> etree._Element:
    return etree.Element("testcase", name=_token(name), classname=_CLASS, time="0")


def _failed(finding: Finding) -> etree._Element:
    case = _case(f"{finding.kind.id} {finding.thing} {finding.option}")
    failure = etree.SubElement(case, "failure", message=plain(finding.sentence), type=finding.kind.id)
    failure.text = plain(
        f"severity: {finding.kind.severity.word}\nowner: {finding.whose.value}\nsince: {finding.since}\n"
        f"expected: {shown(finding.expected)}\nactual: {shown(finding.actual)}\n"
        f"cause: {finding.kind.cause}\nremedy: {finding.kind.next_step}"
    )
    return case


def _token(text: str) -> str:
    # xs:token has single spaces inside and none around it, and the XSD wants at least one character.
    return " ".join(plain(text).split()) or "-"


def _local(time: str) -> str:
    # The XSD allows no zone; what it then means is left to the reader, and UTC is what all files here use.
    return dt.datetime.fromisoformat(time).astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
