# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What users say of their AWX: the trust domains they run in it, and what each has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Repository:
    """A git repository, and AWX's inputs of the credential that reads it."""

    url: str
    branch: str
    credential: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Notification:
    """Whom AWX tells of what. `events`: started, success, error, approvals."""

    name: str
    type: str
    configuration: Mapping[str, object] = field(repr=False)
    events: Sequence[str] = ()


@dataclass(frozen=True)
class Domain:
    """A trust domain: its organization in AWX and what is in it. Credentials are AWX's inputs of their type."""

    domain: str
    organization: str
    project: Repository
    inventory_file: str
    playbook_folder: str
    machine: Mapping[str, object] = field(repr=False)
    guests: Mapping[str, object] = field(default_factory=dict, repr=False)
    hgs: Mapping[str, object] = field(default_factory=dict, repr=False)
    exchange: Mapping[str, object] = field(default_factory=dict, repr=False)
    notifications: Sequence[Notification] = ()
    members: Sequence[str] = ()
    variables: Mapping[str, object] = field(default_factory=dict, repr=False)
    drift_slices: int = 1


@dataclass(frozen=True)
class Image:
    """The execution environment, and AWX's inputs of the credential of its registry."""

    image: str
    pull: str
    registry: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Setup:
    """An AWX. Schedules are iCalendar rules as AWX takes them, none where empty."""

    prefix: str
    domains: Sequence[Domain]
    image: Image
    drift_rule: str = ""
    certificate_rule: str = ""
    rollout_started_by: Sequence[str] = ()


def setup(parameters: Mapping[str, Any]) -> Setup:
    """Return what the options of the module say, after they were validated."""
    prefix = parameters["prefix"]
    domains = parameters["domains"] or {}
    image = parameters["execution_environment"]
    return Setup(
        prefix=prefix,
        domains=tuple(_domain(prefix, name, said) for name, said in domains.items() if said is not None),
        image=Image(image["image"], image["pull"], _given(image["registry"])),
        drift_rule=parameters["schedules"]["drift"],
        certificate_rule=parameters["schedules"]["certificates"],
        rollout_started_by=tuple(parameters["rollout_started_by"]),
    )


def _domain(prefix: str, name: str, said: Mapping[str, Any]) -> Domain:
    project = said["project"]
    return Domain(
        domain=name,
        organization=said["organization"] or f"{prefix} {name}",
        project=Repository(project["url"], project["branch"], _given(project["credential"])),
        inventory_file=said["inventory_file"],
        playbook_folder=said["playbook_folder"],
        machine=_given(said["machine"]),
        guests=_given(said["guests"]),
        hgs=_given(said["hgs"]),
        exchange=_given(said["exchange"]),
        notifications=tuple(
            Notification(item["name"], item["type"], item["configuration"], tuple(item["events"]))
            for item in said["notifications"]
        ),
        members=tuple(said["members"]),
        variables=said["variables"],
        drift_slices=said["drift_slices"],
    )


def _given(said: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in (said or {}).items() if value not in (None, "")}
