# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"): a rule for each kind, a result for each.

A machine is the logical location of its findings. A suppressed one is a result with an accepted external suppression
(3.35), one of the run before that is gone a result whose baselineState is absent (3.27.24).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import (
    Finding,
    Severity,
    identity_of,
    severity_of,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .model import Run

_LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "error"}
_FINGERPRINT = "guardedFabricIdentity/v1"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def _fingerprint(identity: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(identity, ensure_ascii=False).encode()).hexdigest()


def _location(machine: str, resource: str, item: str) -> dict[str, object]:
    qualified = "/".join(part for part in (machine, resource, item) if part)
    return {"logicalLocations": [{"name": item or machine, "fullyQualifiedName": qualified, "kind": "resource"}]}


def _result(finding: Finding, baseline: str) -> dict[str, object]:
    kind = finding.kind
    return {
        "ruleId": kind.id,
        "level": _LEVELS[kind.severity],
        "message": {"text": finding.sentence},
        "locations": [_location(finding.machine, finding.resource, finding.item)],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(finding.identity)},
        "baselineState": baseline,
        "properties": {
            "owner": finding.whose.value,
            "severity": kind.severity.word,
            "since": finding.since,
            "expected": shown(finding.expected),
            "actual": shown(finding.actual),
        },
    }


def _gone(item: Mapping[str, object]) -> dict[str, object]:
    return {
        "ruleId": str(item["id"]),
        "level": _LEVELS[severity_of(str(item["severity"]))],
        "message": {"text": str(item["title"])},
        "locations": [_location(str(item["machine"]), str(item["resource"]), str(item["object"]))],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(identity_of(item))},
        "baselineState": "absent",
    }


def _rule(finding: Finding) -> dict[str, object]:
    kind = finding.kind
    return {
        "id": kind.id,
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": kind.cause},
        "help": {"text": kind.next_step},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
    }


def render(run: Run) -> str:
    """Return the file's text."""
    new = {finding.identity for finding in run.new()}
    suppressed = [
        {
            **_result(item.finding, "unchanged"),
            "suppressions": [
                {
                    "kind": "external",
                    "status": "accepted",
                    "justification": f"{item.reason} ({item.owner}, until {item.expires})",
                }
            ],
        }
        for item in run.suppressed
    ]
    rules = {finding.kind.id: _rule(finding) for finding in (*run.findings, *(item.finding for item in run.suppressed))}
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "guarded.fabric", "rules": list(rules.values())}},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "startTimeUtc": run.started,
                        "endTimeUtc": run.finished,
                        "toolExecutionNotifications": [
                            {
                                "level": "error",
                                "message": {"text": f"{machine.name} could not be seen: {machine.reason}"},
                            }
                            for machine in run.machines
                            if not machine.seen
                        ],
                    }
                ],
                "results": [
                    *(_result(item, "new" if item.identity in new else "unchanged") for item in run.findings),
                    *suppressed,
                    *(_gone(item) for item in run.gone),
                ],
            }
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
