# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for AWX's API refuses what AWX refuses; else whatever is accepted by it would say nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.guarded.fabric.tests.awx_api.server import Answer, Api
from ansible_collections.guarded.fabric.tests.awx_api.store import Store

Asked = dict[str, Any]
URL = "ssh://git.example/project.git"


class Awx:
    """An AWX with an organization, and what a job template needs."""

    def __init__(self) -> None:
        self.store = Store({URL: {"playbooks/hgs.yml"}})
        self.store.add_user("admin", "admin", superuser=True)
        self.member = self.store.add_user("member", "member")
        self.api = Api(self.store)
        self.organization = self.made("organizations", name="one")
        self.other = self.made("organizations", name="other")
        self.team = self.made("teams", name="team", organization=self.organization)
        project = {"name": "project", "organization": self.organization, "scm_type": "git", "scm_url": URL}
        self.project = self.made("projects", **project)
        self.inventory = self.made("inventories", name="inventory", organization=self.organization)

    def ask(self, method: str, path: str, body: Asked | None = None, user: str = "admin") -> Answer:
        basic = base64.b64encode(f"{user}:{user}".encode()).decode()
        return self.api.answer(method, f"/api/v2/{path}", f"Basic {basic}", json.dumps(body or {}).encode())

    def made(self, kind: str, **fields: object) -> int:
        status, answer = self.ask("POST", f"{kind}/", fields)
        assert status == 201, answer
        return int(answer["id"])

    def template(self, **fields: object) -> Asked:
        told = {"name": "t", "project": self.project, "inventory": self.inventory, "playbook": "playbooks/hgs.yml"}
        return {**told, **fields}

    def synchronized(self) -> None:
        """Wait for the project's update."""
        while self.ask("GET", f"project_updates/{self.project}/")[1]["status"] == "running":
            pass


@pytest.fixture
def awx() -> Awx:
    return Awx()


def refusals(awx: Awx) -> dict[str, tuple[str, Asked]]:
    type_of = {
        kind["name"]: number for number, kind in awx.store.objects["credential_types"].items() if kind["managed"]
    }
    machine = {"name": "c", "credential_type": type_of["Machine"], "organization": awx.organization}
    hook = {"name": "n", "organization": awx.organization, "notification_type": "webhook"}
    schedule = {"name": "s", "unified_job_template": awx.project}
    ours = {"name": "type", "kind": "cloud"}
    field = {"id": "key", "label": "Key", "type": "string"}
    return {
        "name": ("teams", {"organization": awx.organization}),
        "name already exists": ("teams", {"name": "team", "organization": awx.organization}),
        "does not exist": ("teams", {"name": "x", "organization": 4711}),
        "Incorrect type": ("teams", {"name": "x", "organization": "one"}),
        "is not a valid choice": ("projects", {"name": "x", "scm_type": "cvs"}),
        "SCM URL": ("projects", {"name": "x", "scm_type": "git"}),
        "Missing 'user'": ("credentials", {**machine, "organization": None}),
        "Additional properties": ("credentials", {**machine, "inputs": {"token": "x"}}),
        "is not of type": ("credentials", {**machine, "inputs": {"password": 1}}),
        "reserved keyword": ("credentials", {**machine, "inputs": {"password": "$encrypted$"}}),
        "undefined field": ("credential_types", {**ours, "injectors": {"env": {"KEY": "{{ key }}"}}}),
        "may affect Ansible": (
            "credential_types",
            {**ours, "inputs": {"fields": [field]}, "injectors": {"env": {"ANSIBLE_X": "{{ key }}"}}},
        ),
        "'label' is a required property": ("credential_types", {**ours, "inputs": {"fields": [{"id": "key"}]}}),
        "Missing required fields": ("notification_templates", {**hook, "notification_configuration": {}}),
        "incorrect type": (
            "notification_templates",
            {**hook, "notification_configuration": {"url": 1, "headers": {}}},
        ),
        "Project required": ("inventory_sources", {"name": "x", "inventory": awx.inventory, "source": "scm"}),
        "must have a project": ("job_templates", awx.template(project=None)),
        "set a default value or ask": ("job_templates", awx.template(inventory=None)),
        "Playbook not found": ("job_templates", awx.template(playbook="playbooks/none.yml")),
        "Cannot parse": ("job_templates", awx.template(extra_vars="a: b: c")),
        "is not a dictionary": ("job_templates", awx.template(extra_vars="text")),
        "DTSTART required": ("schedules", {**schedule, "rrule": "RRULE:FREQ=DAILY;INTERVAL=1"}),
        "INTERVAL required": ("schedules", {**schedule, "rrule": "DTSTART:20260101T020000Z RRULE:FREQ=DAILY"}),
        "not allowed on launch": (
            "schedules",
            {
                **schedule,
                "rrule": "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1",
                "extra_data": {"variable": 1},
            },
        ),
    }


@pytest.mark.parametrize("message", sorted(refusals(Awx())))
def test_it_refuses_with_awxs_words(awx: Awx, message: str) -> None:
    awx.synchronized()
    before = awx.store.changes
    kind, sent = refusals(awx)[message]
    status, answer = awx.ask("POST", f"{kind}/", sent)
    assert status == 400
    assert message.split(" already", maxsplit=1)[0] in str(answer)
    assert awx.store.changes == before


def test_a_playbook_is_not_known_before_the_project_was_updated(awx: Awx) -> None:
    assert awx.ask("POST", "job_templates/", awx.template())[0] == 400
    awx.synchronized()
    assert awx.ask("POST", "job_templates/", awx.template())[0] == 201


def test_a_playbook_that_came_later_is_not_known_before_the_next_update(awx: Awx) -> None:
    awx.synchronized()
    awx.store.repositories[URL].add("playbooks/register.yml")
    later = awx.template(playbook="playbooks/register.yml")
    assert awx.ask("POST", "job_templates/", later)[0] == 400
    assert awx.ask("POST", f"projects/{awx.project}/update/")[0] == 202
    awx.synchronized()
    assert awx.ask("POST", "job_templates/", later)[0] == 201


def test_an_inventory_is_deleted_some_time_after_it_was_asked_for(awx: Awx) -> None:
    assert awx.ask("DELETE", f"inventories/{awx.inventory}/")[0] == 202
    status, answer = awx.ask("DELETE", f"inventories/{awx.inventory}/")
    assert (status, answer) == (400, {"error": "Inventory is already pending deletion."})
    assert awx.ask("DELETE", f"organizations/{awx.organization}/")[0] == 204
    counts = [awx.ask("GET", "inventories/?name=inventory")[1]["count"] for _look in range(5)]
    assert counts == [1, 1, 1, 0, 0]


def test_passwords_and_rights(awx: Awx) -> None:
    assert awx.api.answer("GET", "/api/v2/teams/", "Bearer none", b"")[0] == 401
    assert awx.api.answer("GET", "/api/v1/teams/", "Bearer none", b"")[0] == 404
    assert awx.ask("GET", "teams/", user="member")[1]["count"] == 0
    assert awx.ask("GET", f"teams/{awx.team}/", user="member")[0] == 403
    assert awx.ask("POST", "organizations/", {"name": "x"}, user="member")[0] == 403


def test_a_team_administers_no_organization_and_has_no_credential_of_another(awx: Awx) -> None:
    def role(kind: str, number: int, name: str) -> Answer:
        roles = awx.ask("GET", f"{kind}/{number}/")[1]["summary_fields"]["object_roles"]
        return awx.ask("POST", f"roles/{roles[name]['id']}/teams/", {"id": awx.team})

    machine = next(
        number for number, kind in awx.store.objects["credential_types"].items() if kind["name"] == "Machine"
    )
    theirs = awx.made("credentials", name="c", credential_type=machine, organization=awx.other)
    assert role("organizations", awx.organization, "admin_role")[0] == 400
    assert role("credentials", theirs, "use_role")[0] == 400
    assert role("organizations", awx.organization, "execute_role")[0] == 204


def test_pages(awx: Awx) -> None:
    for number in range(30):
        awx.made("teams", name=f"team{number}", organization=awx.other)
    first = awx.ask("GET", f"teams/?organization={awx.other}")[1]
    assert (first["count"], len(first["results"]), first["previous"]) == (30, 25, None)
    second = awx.ask("GET", first["next"].removeprefix("/api/v2/"))[1]
    assert (len(second["results"]), second["next"]) == (5, None)
    assert awx.ask("GET", "teams/?colour=red")[0] == 400


def test_what_refers_to_an_object_goes_with_it_or_forgets_it(awx: Awx) -> None:
    awx.synchronized()
    template = awx.made("job_templates", **awx.template())
    assert awx.ask("DELETE", f"organizations/{awx.organization}/")[0] == 204
    assert awx.ask("GET", f"teams/{awx.team}/")[0] == 404
    assert awx.ask("GET", f"job_templates/{template}/")[1]["organization"] is None
