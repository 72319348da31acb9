# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as one HTML file: works offline and without scripts, and can be searched with them.

Every value is text: Jinja2 escapes it, and a content security policy lets run only the style and the script that are in
the page, each named by its hash.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import (
    Finding,
    FindingKind,
    Severity,
    ordered,
    shown,
)
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from .model import Certificate
from .plain_text import plain

if TYPE_CHECKING:
    from .model import Host, Run, VirtualMachine

_HERE = Path(__file__).parent
_GOOD, _WARN, _BAD = "good", "warn", "bad"
_SOON = 30
"""Days before its end from which a certificate is shown as one to renew now."""
_LATER = 90
"""Days from which it needs no thought."""
_WIDTH = 1000
"""Width of the timeline's drawing; it is stretched to the column."""


@dataclass(frozen=True)
class Tile:
    """One of the answers that an auditor looks for first."""

    value: str
    what: str
    mood: str
    target: str


@dataclass(frozen=True)
class Verdict:
    """The whole fabric in a sentence."""

    title: str
    detail: str
    mood: str


@dataclass(frozen=True)
class Section:
    """An entry of the table of contents."""

    id: str
    title: str
    count: int


@dataclass(frozen=True)
class Group:
    """The findings of one kind."""

    kind: FindingKind
    findings: Sequence[Finding]

    @property
    def owners(self) -> list[str]:
        """The trust domains whose job they are."""
        return sorted({finding.whose.value for finding in self.findings})


@dataclass(frozen=True)
class Bar:
    """A certificate's life in the drawing's units, and the whole days that are left of it."""

    certificate: Certificate
    days: int
    mood: str
    begin: int
    width: int


@dataclass(frozen=True)
class Timeline:
    """The lives of all certificates; `now` is the place of the run's day."""

    start: str
    end: str
    now: int
    bars: Sequence[Bar]


def render(run: Run) -> str:
    """Return the file's text."""
    style, script = _raw("page.css"), _raw("page.js")
    new, timeline = run.new(), _timeline(run)
    unseen = [machine for machine in run.machines if not machine.seen]
    machines = sorted(run.virtual_machines, key=_worst_machine_first)
    return _template().render(
        run=run,
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - likewise
        style_hash=_hash(style),
        script_hash=_hash(script),
        duration=_duration(_moment(run.finished) - _moment(run.started)),
        verdict=_verdict(run, len(unseen)),
        tiles=_tiles(run, timeline),
        sections=[
            Section("findings", "Findings", len(run.findings)),
            Section("unseen", "Not seen", len(unseen)),
            Section("changes", "Changes", len(new) + len(run.gone)),
            Section("hosts", "Hosts", len(run.hosts)),
            Section("machines", "Virtual machines", len(machines)),
            Section("certificates", "Certificates", len(run.certificates)),
            Section("suppressed", "Suppressed", len(run.suppressed)),
        ],
        groups=_groups(run.findings),
        unseen=unseen,
        new=new,
        gone=run.gone,
        hosts=sorted(run.hosts, key=_worst_host_first),
        counts=Counter(finding.machine for finding in run.findings),
        virtual_machines=machines,
        guardians=sorted({guardian for machine in machines for guardian in machine.guardians or ()}),
        timeline=timeline,
    )


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {"moment": _shown_moment, "day": _day, "value": _value}
    return environment.get_template("page.html.j2")


def _finalized(value: object) -> object:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _raw(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _moment(time: str) -> dt.datetime:
    return dt.datetime.fromisoformat(time).astimezone(dt.timezone.utc)


def _shown_moment(time: str) -> str:
    return _moment(time).strftime("%Y-%m-%d %H:%M UTC")


def _day(time: str) -> str:
    return _moment(time).date().isoformat()


def _value(value: object) -> str:
    return "" if value is None else shown(value)


def _duration(duration: dt.timedelta) -> str:
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _worst_host_first(host: Host) -> tuple[int, str]:
    return ({False: 0, None: 1, True: 2}[host.guarded], host.name)


def _worst_machine_first(machine: VirtualMachine) -> tuple[int, str, str]:
    return ({False: 0, None: 1, True: 2}[machine.can_start], machine.name, machine.host)


def _groups(findings: Sequence[Finding]) -> list[Group]:
    kinds: dict[FindingKind, list[Finding]] = {}
    for finding in ordered(findings):
        kinds.setdefault(finding.kind, []).append(finding)
    return [Group(kind, found) for kind, found in kinds.items()]


def _verdict(run: Run, unseen: int) -> Verdict:
    counts = run.counted()
    grave = counts[Severity.CRITICAL] + counts[Severity.ERROR]
    told = ", ".join(f"{counts[severity]} {severity.word}" for severity in reversed(Severity) if counts[severity])
    if grave:
        return Verdict("Something is wrong.", f"Findings: {told}.", _BAD)
    if unseen:
        return Verdict("Not everything could be seen.", f"{unseen} of {len(run.machines)} machines are unknown.", _WARN)
    if counts[Severity.WARNING]:
        return Verdict("Something needs attention.", f"Findings: {told}.", _WARN)
    return Verdict("All is as declared.", "", _GOOD)


def _share(good: int, unknown: int, whole: int, what: str, target: str) -> Tile:
    mood = _GOOD if good == whole else _BAD if good + unknown < whole else _WARN
    detail = f" ({unknown} unknown)" if unknown else ""
    return Tile(f"{good} of {whole}", what + detail, mood, target)


def _tiles(run: Run, timeline: Timeline) -> list[Tile]:
    guarded = Counter(host.guarded for host in run.hosts)
    starting = Counter(machine.can_start for machine in run.virtual_machines)
    first = timeline.bars[0] if timeline.bars else None
    new = len(run.new())
    return [
        _share(guarded[True], guarded[None], len(run.hosts), "hosts are guarded", "hosts"),
        _share(starting[True], starting[None], len(run.virtual_machines), "virtual machines can start", "machines"),
        Tile(f"{first.days} days", f"until {first.certificate.purpose} ends", first.mood, "certificates")
        if first
        else Tile("none", "of the certificates was seen", _WARN, "certificates"),
        Tile(f"{new} new", f"findings since the last run, {len(run.gone)} gone", _WARN if new else _GOOD, "changes"),
    ]


def _timeline(run: Run) -> Timeline:
    """Lay out certificates, the one that ends first on top."""
    now = _moment(run.finished)
    lives = sorted(run.certificates, key=lambda certificate: (_moment(certificate.not_after), certificate.machine))
    start = min((_moment(item.not_before) for item in lives), default=now)
    end = max((_moment(item.not_after) for item in lives), default=now)
    start, end = min(start, now), max(end, now)
    unit = max((end - start).total_seconds(), 1.0) / _WIDTH

    def place(moment: dt.datetime) -> int:
        return round((moment - start).total_seconds() / unit)

    def bar(certificate: Certificate) -> Bar:
        begin, until = _moment(certificate.not_before), _moment(certificate.not_after)
        days = (until - now).days
        mood = _BAD if days < _SOON else _WARN if days < _LATER else _GOOD
        return Bar(certificate, days, mood, place(begin), max(place(until) - place(begin), 1))

    return Timeline(start.isoformat(), end.isoformat(), place(now), [bar(item) for item in lives])
