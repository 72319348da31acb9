# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as lines for a terminal: what is worst, on one screen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Severity, ordered

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, Identity

    from .model import Run

_LINES = 24
"""A terminal's height where nobody made it larger."""
_WIDTH = 160
"""A line longer than this would wrap on most screens."""


def _shortened(line: str) -> str:
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _line(finding: Finding, new: frozenset[Identity]) -> str:
    mark = "new " if finding.identity in new else "    "
    kind = finding.kind
    return f"{mark}{kind.severity.word:8} {kind.id} [{finding.whose.value}] {finding.sentence}"


def render(run: Run) -> list[str]:
    """Return at most a screen of lines: the counts, what could not be seen, and the worst findings."""
    counts = run.counted()
    told = ", ".join(f"{counts[severity]} {severity.word}" for severity in reversed(Severity) if counts[severity])
    new = frozenset(finding.identity for finding in run.new())
    unseen = [machine.name for machine in run.machines if not machine.seen]
    guarded = Counter(host.guarded for host in run.hosts)
    head = [
        f"{len(run.machines)} machines, {guarded[True]} of {len(run.hosts)} hosts guarded",
        f"findings: {told or 'none'}; {len(new)} new, {len(run.gone)} gone, {len(run.suppressed)} suppressed",
    ]
    if unseen:
        head.append(f"unknown, because they could not be seen: {', '.join(sorted(unseen))}")
    room = _LINES - len(head) - 1
    findings = ordered(run.findings)
    lines = [_line(finding, new) for finding in findings]
    if len(lines) > room:
        lines = [*lines[: room - 1], f"... and {len(lines) - room + 1} more: see findings.json"]
    return [_shortened(line) for line in (*head, *lines)]
