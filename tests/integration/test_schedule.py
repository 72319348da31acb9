# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule of the drift check: units that systemd takes, and that run just the command that was asked for."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.guarded.fabric.tests.integration.runs import Run

UNITS = ("guarded-fabric-drift.service", "guarded-fabric-drift.timer")
INVENTORY = "/srv/fabric/inventory.yml"
ODD = ['with "quotes"', "50%", "$HOME", "back\\slash", "two words"]


@dataclass(frozen=True)
class Schedule:
    """Runs the playbook with units in a directory of their own."""

    directory: Path
    ansible: Ansible

    def run(self, *arguments: str, **settings: object) -> Run:
        """Run it; nothing is started, as no test has a systemd to itself."""
        return self.ansible.run("schedule", *arguments, "--extra-vars", self._variables(settings))

    def run_twice(self, **settings: object) -> Run:
        """Run it two times in one start of ansible-playbook."""
        return self.ansible.run("schedule schedule", "--extra-vars", self._variables(settings))

    def _variables(self, settings: Mapping[str, object]) -> str:
        variables = {
            "drift_schedule_unit_directory": str(self.directory),
            "drift_schedule_enabled": False,
            "drift_schedule_program": "/bin/true",
            "drift_schedule_directory": "/",
            "drift_schedule_inventories": [INVENTORY],
            **settings,
        }
        return json.dumps(variables)

    def units(self) -> list[str]:
        """Return the names of the units that are there."""
        return sorted(path.name for path in self.directory.iterdir())


@pytest.fixture
def schedule(tmp_path: Path) -> Schedule:
    (tmp_path / "units").mkdir()
    return Schedule(tmp_path / "units", Ansible(tmp_path / "ansible", []))


def changes(run: Run) -> list[bool]:
    """Return, of each time that units were written or removed, whether that changed anything."""
    return [item.changed for item in run.results if item.action in {"ansible.builtin.template", "ansible.builtin.file"}]


def test_four_beats(schedule: Schedule) -> None:
    assert schedule.run("--check").changed != []
    assert schedule.units() == []
    assert changes(schedule.run_twice()) == [True, False]
    assert schedule.units() == list(UNITS)
    assert changes(schedule.run_twice(drift_schedule_state="absent")) == [True, False]
    assert schedule.units() == []


def test_systemd_takes_the_units(schedule: Schedule) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on PATH: the units were not looked at by systemd")
    odd = {
        "drift_schedule_arguments": ODD,
        "drift_schedule_environment": {"ODD": " ".join(ODD)},
        "drift_schedule_user": "daemon",
        "drift_schedule_calendar": "Mon..Fri *-*-* 03:30:00 Europe/Berlin",
    }
    assert schedule.run(**odd).code == 0
    units = [schedule.directory / name for name in UNITS]
    done = subprocess.run([program, "verify", *units], capture_output=True, text=True, check=False)
    # What a machine's own units lack is no matter of these.
    assert [line for line in done.stderr.splitlines() if "guarded-fabric" in line] == []
    units[0].write_text(units[0].read_text(encoding="utf-8") + "Nonsense=1\n", encoding="utf-8")
    done = subprocess.run([program, "verify", units[0]], capture_output=True, text=True, check=False)
    assert "Nonsense" in done.stderr


def test_arguments_arrive_as_they_are(schedule: Schedule) -> None:
    assert schedule.run(drift_schedule_arguments=ODD).code == 0
    (line,) = [
        line
        for line in (schedule.directory / UNITS[0]).read_text(encoding="utf-8").splitlines()
        if line.startswith("ExecStart=")
    ]
    assert understood(line.removeprefix("ExecStart=")) == [
        "/bin/true",
        "--inventory",
        INVENTORY,
        *ODD,
        "guarded.fabric.drift",
    ]


def understood(line: str) -> list[str]:
    """Read a command line as systemd.service says: quotes, C-style escapes in them, %% and $$."""
    arguments, rest = [], line
    while rest:
        assert rest[0] == '"'
        end = next(i for i in range(1, len(rest)) if rest[i] == '"' and not _escaped(rest, i))
        text = rest[1:end].replace("\\\\", "\0").replace('\\"', '"').replace("\0", "\\")
        arguments.append(text.replace("%%", "%").replace("$$", "$"))
        rest = rest[end + 1 :].lstrip(" ")
    return arguments


def _escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"drift_schedule_inventories": []},
        {"drift_schedule_inventories": ["inventory.yml"]},
        {"drift_schedule_name": "../elsewhere"},
        {"drift_schedule_state": "gone"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(schedule: Schedule, wrong: dict[str, object]) -> None:
    assert schedule.run(**wrong).code != 0
    assert schedule.units() == []
