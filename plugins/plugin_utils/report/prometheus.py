# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as a textfile for the Prometheus node exporter's textfile collector.

Counts and times only: what a finding says in words is for findings.json. A machine that could not be seen has no number
for what it did not tell, so that an alert on an absent series works.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Severity
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Owner

if TYPE_CHECKING:
    from .model import Run

Sample = tuple[Mapping[str, str], float]

_PREFIX = "guarded_fabric_"


def _metric(name: str, told: str, samples: Iterable[Sample]) -> list[str]:
    lines = [f"{_PREFIX}{name}{_labels(labels)} {value:.15g}" for labels, value in samples]
    return [f"# HELP {_PREFIX}{name} {told}", f"# TYPE {_PREFIX}{name} gauge", *lines] if lines else []


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _seconds(time: str) -> float:
    return dt.datetime.fromisoformat(time).timestamp()


def _findings(run: Run) -> Sequence[Sample]:
    counted = Counter((finding.kind.severity, finding.whose) for finding in run.findings)
    return [
        ({"severity": severity.word, "owner": owner.value}, counted[(severity, owner)])
        for severity in Severity
        for owner in Owner
    ]


def render(run: Run) -> str:
    """Return the file's text."""
    hosts = [host for host in run.hosts if host.guarded is not None]
    machines = [machine for machine in run.virtual_machines if machine.can_start is not None]
    blocks = [
        _metric(
            "run_finished_seconds", "When the last drift check ended, in Unix time.", [({}, _seconds(run.finished))]
        ),
        _metric(
            "run_duration_seconds",
            "How long it took.",
            [({}, _seconds(run.finished) - _seconds(run.started))],
        ),
        _metric("findings", "What was found, by severity and owner.", _findings(run)),
        _metric("findings_new", "Findings that the run before did not have.", [({}, len(run.new()))]),
        _metric("findings_suppressed", "Findings that somebody decided to live with.", [({}, len(run.suppressed))]),
        _metric(
            "machine_seen",
            "Whether a machine could be seen.",
            [({"machine": machine.name, "part": machine.part}, machine.seen) for machine in run.machines],
        ),
        _metric(
            "host_guarded",
            "Whether a host is a guarded host now.",
            [({"host": host.name}, bool(host.guarded)) for host in hosts],
        ),
        _metric(
            "virtual_machine_can_start",
            "Whether a virtual machine can start on its host.",
            [({"virtual_machine": item.name, "host": item.host}, bool(item.can_start)) for item in machines],
        ),
        _metric(
            "certificate_expires_seconds",
            "When a certificate that the fabric depends on ends, in Unix time.",
            [
                (
                    {"machine": item.machine, "purpose": item.purpose, "thumbprint": item.thumbprint},
                    _seconds(item.not_after),
                )
                for item in run.certificates
            ],
        ),
    ]
    return "\n".join(line for block in blocks for line in block) + "\n"
