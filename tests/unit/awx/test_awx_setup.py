# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole AWX, made by the modules of awx.awx at a stand-in for its API that refuses what AWX refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.plan import items
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.playbooks import (
    DOMAINS,
    OFFERED,
    WITHHELD,
    offered_to,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.settlement import Outcome, absent, present
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, tracked_files
from ansible_collections.guarded.fabric.tests.awx_api.kinds import KINDS
from ansible_collections.guarded.fabric.tests.awx_api.modules import Modules
from ansible_collections.guarded.fabric.tests.awx_api.server import Api, serving
from ansible_collections.guarded.fabric.tests.awx_api.store import Store
from ansible_collections.guarded.fabric.tests.unit.awx.declared import CANARY, declared, domain, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

if not (ROOT / ".build" / "ansible_collections" / "awx" / "awx").is_dir():
    pytest.skip("there is no awx.awx: AWX was not set up", allow_module_level=True)

PASSWORD = "password of everybody"


@dataclass(frozen=True)
class Awx:
    """A stand-in that is served."""

    store: Store
    host: str

    def as_user(self, name: str) -> Modules:
        return Modules(self.host, name, PASSWORD)

    def names(self, kind: str) -> list[str]:
        return [thing["name"] for thing in self.store.objects[kind].values() if not thing.get("managed")]


@pytest.fixture
def awx() -> Iterator[Awx]:
    playbooks = {f"playbooks/{offer.playbook}.yml" for offer in OFFERED}
    store = Store({f"ssh://git.example/{name}.git": playbooks for name in DOMAINS})
    store.add_user("admin", PASSWORD, superuser=True)
    for name in DOMAINS:
        store.add_user(name, PASSWORD)
    with serving(Api(store)) as host:
        yield Awx(store, host)


def changed(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    return [outcome.item.key for outcome in outcomes if outcome.changed]


def at_once(_seconds: float) -> None:
    """Do not wait."""


def test_four_beats_and_four_to_take_it_away(awx: Awx) -> None:
    wanted, call = items(declared(options())), awx.as_user("admin").run

    predicted = present(wanted, call, check=True, update_secrets=False)
    assert awx.store.changes == 0
    made = present(wanted, call, check=False, update_secrets=False)
    assert changed(predicted) == changed(made) == [item.key for item in wanted]
    count = awx.store.changes
    assert changed(present(wanted, call, check=False, update_secrets=False)) == []
    assert changed(present(wanted, call, check=True, update_secrets=False)) == []
    assert awx.store.changes == count

    nobody_sees_anothers(awx)
    who_is_told_is_told_of_what_was_asked(awx)
    each_crossing_waits_for_its_own_domain(awx)

    predicted = absent(wanted, call, check=True)
    assert awx.store.changes == count
    assert changed(absent(wanted, call, check=False, pause=at_once)) == changed(predicted) != []
    left = {kind: awx.names(kind) for kind in KINDS if kind not in ("users", "workflow_job_template_nodes")}
    assert {kind: names for kind, names in left.items() if names} == {}
    count = awx.store.changes
    assert changed(absent(wanted, call, check=False, pause=at_once)) == []
    assert awx.store.changes == count


def nobody_sees_anothers(awx: Awx) -> None:
    """See that each domain sees all of its own, and of the others nothing but the rollout that they share."""
    users = {thing["username"]: thing["id"] for thing in awx.store.objects["users"].values()}
    for name in DOMAINS:
        for kind, things in awx.store.objects.items():
            if kind in ("users", "credential_types", "workflow_approval_templates", "workflow_job_template_nodes"):
                continue
            seen = {
                thing["name"]
                for thing in things.values()
                if "name" in thing and awx.store.sees(users[name], kind, thing)
            }
            shared = {"Guarded fabric rollout"}
            assert {one for one in seen if name not in one} <= shared, (name, kind)
        own = {thing["name"] for thing in awx.store.objects["job_templates"].values() if name in thing["name"]}
        assert {f"Guarded fabric {name}: {offer.playbook}" for offer in offered_to(name)} - own <= {
            f"Guarded fabric {name}: drift_merge"
        }


def who_is_told_is_told_of_what_was_asked(awx: Awx) -> None:
    names = {number: one["name"] for number, one in awx.store.objects["notification_templates"].items()}
    told = {
        (name.removeprefix("notification_templates_"), names[number].split(": ")[1])
        for (_kind, _thing, name), numbers in awx.store.lists.items()
        for number in numbers
        if number in names
    }
    assert told == {("error", "chat"), ("approvals", "chat"), ("success", "log")}


def each_crossing_waits_for_its_own_domain(awx: Awx) -> None:
    users = {thing["username"]: thing["id"] for thing in awx.store.objects["users"].values()}
    for workflow in awx.store.objects["workflow_job_templates"].values():
        may = {name for name in DOMAINS if "approval" in awx.store.held(users[name], workflow["organization"])}
        assert may == {name for name in DOMAINS if workflow["name"].startswith(f"Guarded fabric {name}")}
    # The node that a crossing begins with is the approval, and no other node of the workflow begins.
    for workflow in awx.store.objects["workflow_job_templates"].values():
        if ": take " not in workflow["name"]:
            continue
        nodes = [
            node
            for node in awx.store.objects["workflow_job_template_nodes"].values()
            if node["workflow_job_template"] == workflow["id"]
        ]
        followed = {
            number
            for node in nodes
            for number in awx.store.lists.get(("workflow_job_template_nodes", node["id"], "success_nodes"), ())
        }
        assert [node["identifier"] for node in nodes if node["id"] not in followed] == ["approval"]


def test_a_new_member_and_a_removed_notification_are_all_that_changes(awx: Awx) -> None:
    call, said = awx.as_user("admin").run, options("guardian")
    present(items(declared(said)), call, check=False, update_secrets=False)
    said["domains"]["guardian"]["members"].append("tenant")
    said["domains"]["guardian"]["hgs"]["safe_mode_password"] = "another"
    said["domains"]["guardian"]["project"]["branch"] = "production"
    wanted = items(declared(said))
    expected = [("project", "Guarded fabric guardian"), ("role", "tenant in team Guarded fabric guardian")]
    assert changed(present(wanted, call, check=True, update_secrets=False)) == expected
    assert changed(present(wanted, call, check=False, update_secrets=False)) == expected
    stored = [thing["inputs"] for thing in awx.store.objects["credentials"].values()]
    assert not [inputs for inputs in stored if inputs.get("safe_mode_password") == "another"]
    present(wanted, call, check=False, update_secrets=True)
    stored = [thing["inputs"] for thing in awx.store.objects["credentials"].values()]
    assert [inputs for inputs in stored if inputs.get("safe_mode_password") == "another"]


def test_who_may_not_is_told_so(awx: Awx) -> None:
    with pytest.raises(FabricError, match=r"GF-AWX-001.*permission"):
        present(items(declared(options())), awx.as_user("tenant").run, check=False, update_secrets=False)
    assert awx.store.changes == 0


def test_a_playbook_that_the_project_lacks_is_refused(awx: Awx) -> None:
    awx.store.repositories["ssh://git.example/guardian.git"].discard("playbooks/hgs.yml")
    with pytest.raises(FabricError, match="Playbook not found for project"):
        present(items(declared(options("guardian"))), awx.as_user("admin").run, check=False, update_secrets=False)


def test_a_playbook_that_a_project_got_later_is_fetched(awx: Awx) -> None:
    here, call = awx.store.repositories["ssh://git.example/guardian.git"], awx.as_user("admin").run
    here.discard("playbooks/hgs.yml")
    wanted = items(declared(options("guardian")))
    with pytest.raises(FabricError, match="Playbook not found for project"):
        present(wanted, call, check=False, update_secrets=False)
    here.add("playbooks/hgs.yml")
    assert ("job_template", "Guarded fabric guardian: hgs") in changed(
        present(wanted, call, check=False, update_secrets=False)
    )
    assert changed(present(wanted, call, check=False, update_secrets=False)) == []


def test_a_project_that_cannot_be_fetched_is_named(awx: Awx) -> None:
    call, wanted = awx.as_user("admin").run, items(declared(options("guardian")))
    awx.store.repositories.pop("ssh://git.example/guardian.git")
    for _run in ("first", "second"):
        with pytest.raises(FabricError, match=r"GF-AWX-001.*project 'Guarded fabric guardian'"):
            present(wanted, call, check=False, update_secrets=False)


def test_check_mode_predicts_what_comes_back_and_all_that_refers_to_it(awx: Awx) -> None:
    call, wanted = awx.as_user("admin").run, items(declared(options("guardian")))
    present(wanted, call, check=False, update_secrets=False)
    removed = {"name": "Guarded fabric guardian: log", "organization": "Guarded fabric guardian", "state": "absent"}
    assert call("notification_template", removed, False)["changed"]  # noqa: FBT003 - as the engine calls it
    predicted = present(wanted, call, check=True, update_secrets=False)
    assert changed(present(wanted, call, check=False, update_secrets=False)) == changed(predicted)
    assert ("workflow_job_template", "Guarded fabric guardian: take evidence in") in changed(predicted)


def test_an_inventory_that_awx_does_not_delete_is_said_to_stay(awx: Awx) -> None:
    call, wanted = awx.as_user("admin").run, items(declared(options("guardian")))
    present(wanted, call, check=False, update_secrets=False)
    pauses: list[float] = []

    def without_tasks(seconds: float) -> None:
        awx.store.dying = dict.fromkeys(awx.store.dying, 9)
        pauses.append(seconds)

    with pytest.raises(FabricError, match=r"GF-AWX-002.*inventory 'Guarded fabric guardian'"):
        absent(wanted, call, check=False, pause=without_tasks)
    assert sum(pauses) == 300
    assert awx.names("organizations") == ["Guarded fabric guardian"]


def test_one_domain_alone_has_no_rollout(awx: Awx) -> None:
    said = {**options(), "domains": {"tenant": domain("tenant")}}
    present(items(declared(said)), awx.as_user("admin").run, check=False, update_secrets=False)
    assert awx.names("organizations") == ["Guarded fabric tenant"]


def test_secrets_reach_awx_and_are_not_given_back(awx: Awx) -> None:
    call = awx.as_user("admin").run
    said = []

    def listening(kind: str, arguments: Mapping[str, object], check: bool) -> Mapping[str, Any]:  # noqa: FBT001
        result = call(kind, arguments, check)
        said.append((kind, result))
        return result

    present(items(declared(options("guardian"))), listening, check=False, update_secrets=False)
    kept = {kind: str(list(things.values())).count(CANARY) for kind, things in awx.store.objects.items()}
    assert {kind for kind, count in kept.items() if count} == {"credentials", "notification_templates"}
    shown = [
        awx.store.shown(kind, thing)
        for kind in ("credentials", "notification_templates")
        for thing in awx.store.objects[kind].values()
    ]
    assert CANARY not in str(shown)
    # The module of notifications shows what it was given with itself; the action keeps that back.
    assert {kind for kind, result in said if CANARY in str(result)} <= {"notification_template"}


def test_every_playbook_is_offered_or_withheld_with_a_reason() -> None:
    there = {file.stem for file in tracked_files() if file.match("playbooks/*.yml") and len(file.parts) == 2}
    assert {offer.playbook for offer in OFFERED} | set(WITHHELD) == there
    assert not {offer.playbook for offer in OFFERED} & set(WITHHELD)


def test_answers_are_variables_that_a_playbook_or_role_takes() -> None:
    texts = [
        (ROOT / file).read_text(encoding="utf-8")
        for file in tracked_files()
        if file.parts[0] in ("playbooks", "roles") and file.suffix == ".yml"
    ]
    unknown = [
        question.variable
        for offer in OFFERED
        for question in offer.questions
        if not any(question.variable in text for text in texts)
    ]
    assert unknown == []
