# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the drift check, generated: any text where a fabric decides, since names come from machines nobody trusts."""

from __future__ import annotations

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import (
    Finding,
    FindingKind,
    Severity,
    as_data,
    dated,
    identity_of,
    ordered,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import (
    Certificate,
    Host,
    Machine,
    Run,
    Suppressed,
    VirtualMachine,
)
from hypothesis import strategies as st

STARTED = "2026-11-24T02:00:00+00:00"
FINISHED = "2026-11-24T02:03:30+00:00"
EARLIER = "2026-11-20T02:03:30+00:00"

ROGUE = FindingKind(
    "GF-TST-001", Owner.GUARDIAN, "is registered, and nobody declared it", "remove it", Severity.CRITICAL, "a colleague"
)
DIFFERS = FindingKind("GF-TST-002", Owner.FABRIC, "differs", "run the rollout", Severity.WARNING, "a change by hand")
EXPIRES = FindingKind("GF-TST-003", Owner.TENANT, "ends soon", "renew it", Severity.INFO, "time")
UNSEEN = FindingKind("GF-TST-004", Owner.CONTROLLER, "was not seen", "look why", Severity.ERROR, "network")
KINDS = (ROGUE, DIFFERS, EXPIRES, UNSEEN)

text = st.text(max_size=30)
name = st.text(min_size=1, max_size=30).filter(lambda value: value.strip() != "")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
times = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").zfill(25))
findings = st.builds(
    Finding,
    kind=st.sampled_from(KINDS),
    machine=name,
    item=text,
    option=text,
    resource=text,
    expected=json_values,
    actual=json_values,
)
certificates = st.builds(
    Certificate, machine=name, purpose=name, subject=text, thumbprint=text, not_before=times, not_after=times
)
virtual_machines = st.builds(
    VirtualMachine,
    name=name,
    host=name,
    power=text,
    shielded=st.none() | st.booleans(),
    owner=text,
    guardians=st.none() | st.lists(name, max_size=3).map(tuple),
    can_start=st.none() | st.booleans(),
)
hosts = st.builds(
    Host, name=name, guarded=st.none() | st.booleans(), status=text, substatus=st.lists(text, max_size=3).map(tuple)
)
machines = st.builds(
    Machine, name=name, part=st.sampled_from(["hgs", "host", "tenant", "dns"]), seen=st.booleans(), reason=text
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Generate a run whose findings are partly known from the run before."""
    found = draw(st.lists(findings, max_size=6, unique_by=lambda finding: finding.identity))
    known = [as_data(finding) | {"since": EARLIER} for finding in found if draw(st.booleans())]
    now = dated(found, FINISHED, known)
    suppressed = [
        Suppressed(finding, draw(name), draw(name), "2027-01-01")
        for finding in dated(draw(st.lists(findings, max_size=2)), EARLIER, ())
    ]
    return Run(
        started=STARTED,
        finished=FINISHED,
        machines=draw(st.lists(machines, max_size=4, unique_by=lambda machine: machine.name)),
        hosts=draw(st.lists(hosts, max_size=4)),
        virtual_machines=draw(st.lists(virtual_machines, max_size=4)),
        certificates=draw(st.lists(certificates, max_size=4)),
        findings=ordered(now),
        suppressed=suppressed,
        known=frozenset(identity_of(item) for item in known),
        gone=[as_data(finding) for finding in dated(draw(st.lists(findings, max_size=2)), EARLIER, ())],
    )
