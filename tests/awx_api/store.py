# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the stand-in for AWX, and who may see and change them.

Source: AWX 24.6.1, awx/main/access.py and the implicit roles of awx/main/models/.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .checks import CHECKS, ENCRYPTED, MANAGED_TYPES, NOTIFICATION_SECRETS, secret_fields
from .kinds import KINDS, OWN_BY, TAKEN_ALONG, UNIFIED, Field, Kind

Object = dict[str, Any]
APPROVALS = "workflow_approval_templates"
"""What an approval is made from: deleted with the node that it was made for (AWX 24.6.1, awx/main/signals.py)."""


class RefusedError(Exception):
    """What AWX answers instead: a status and a body."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


@dataclass
class Role:
    """A role of an object, and who has it."""

    kind: str
    thing: int
    name: str
    users: set[int] = field(default_factory=set)
    teams: set[int] = field(default_factory=set)


@dataclass
class Store:
    """An AWX. `repositories`: the playbooks in each git repository by its URL."""

    repositories: dict[str, set[str]]
    objects: dict[str, dict[int, Object]] = field(default_factory=lambda: {name: {} for name in KINDS})
    lists: dict[tuple[str, int, str], list[int]] = field(default_factory=dict)
    roles: dict[int, Role] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    superusers: set[int] = field(default_factory=set)
    updates: dict[int, int] = field(default_factory=dict)
    """Looks until a project's update is done, by project."""
    fetched: dict[int, set[str]] = field(default_factory=dict)
    """The playbooks that a project had at its last update that was done."""
    dying: dict[int, int] = field(default_factory=dict)
    """Looks at inventories until one that was deleted is gone: AWX does that by a task."""
    changes: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for name, (kind, namespace, inputs) in MANAGED_TYPES.items():
            told = {"name": name, "kind": kind, "namespace": namespace, "inputs": inputs, "managed": True}
            self._insert("credential_types", {**told, "injectors": {}, "description": ""})

    def add_user(self, name: str, password: str, *, superuser: bool = False) -> int:
        """Make an account."""
        made = self._insert("users", {"username": name})
        self.passwords[name] = password
        if superuser:
            self.superusers.add(made["id"])
        return int(made["id"])

    def get(self, kind: str, number: int) -> Object:
        """Return an object. Raises RefusedError where it is not there."""
        try:
            return self.objects[kind][number]
        except KeyError:
            raise RefusedError(404, {"detail": "Not found."}) from None

    def unified(self, number: int) -> Object:
        """Return a unified job template."""
        for kind in UNIFIED:
            if number in self.objects[kind]:
                return self.objects[kind][number]
        raise RefusedError(404, {"detail": "Not found."})

    def kind_of(self, number: int) -> str:
        """Return the kind of an object: ids are not used twice here."""
        return next(kind for kind, there in self.objects.items() if number in there)

    def playbooks_of(self, project: Object) -> set[str]:
        """Return the playbooks that a project had when it was last updated."""
        return self.fetched.get(project["id"], set())

    def updated(self, number: int) -> bool:
        """End a project's update; return whether its repository answered."""
        there = self.repositories.get(self.get("projects", number)["scm_url"])
        if there is not None:
            self.fetched[number] = set(there)
        return there is not None

    def delete_later(self, number: int) -> None:
        """Begin to delete an inventory. Raises RefusedError where that had begun."""
        self.get("inventories", number)
        if number in self.dying:
            raise RefusedError(400, {"error": "Inventory is already pending deletion."})
        self.dying[number] = 3
        self.changes += 1

    def looked_at_inventories(self) -> None:
        """Let time pass for those that are being deleted."""
        for number in list(self.dying):
            self.dying[number] -= 1
            if not self.dying[number]:
                del self.dying[number]
                self.delete("inventories", number)

    # Changes

    def create(self, kind: Kind, sent: Object) -> Object:
        """Make an object."""
        new = {name: copy.deepcopy(one.default) for name, one in kind.fields.items()}
        for name, one in kind.fields.items():
            if one.required and sent.get(name) in (None, ""):
                raise RefusedError(400, {name: ["This field is required."]})
        self._take(kind, new, sent, None)
        made = self._insert(kind.name, new)
        if kind.name == "projects" and new["scm_type"]:
            self.updates[made["id"]] = 2
        self.changes += 1
        return made

    def change(self, kind: Kind, number: int, sent: Object) -> Object:
        """Change an object."""
        old = self.get(kind.name, number)
        if old.get("managed"):
            raise RefusedError(403, {"detail": "Modifications not allowed for managed objects"})
        fixed = {name for name, one in kind.fields.items() if one.fixed}
        new = copy.deepcopy(old)
        self._take(kind, new, {name: value for name, value in sent.items() if name not in fixed}, old)
        if new != old:
            self.changes += 1
        if kind.name == "projects" and any(new[name] != old[name] for name in ("scm_url", "scm_branch", "credential")):
            self.updates[number] = 2
        self.objects[kind.name][number] = new
        return new

    def _take(self, kind: Kind, new: Object, sent: Object, old: Object | None) -> None:
        for name, value in sent.items():
            if name not in kind.fields:
                raise RefusedError(400, {name: ["The stand-in does not know this field."]})
            new[name] = self._taken(name, kind.fields[name], value)
        self._keep_secrets(kind, new, old)
        check = CHECKS.get(kind.name)
        if check and (errors := check(self, new, old)):
            raise RefusedError(400, errors)
        values = [new.get(name) for name in kind.unique]
        for other in self.objects[kind.name].values():
            if kind.unique != ("id",) and other is not old and [other.get(name) for name in kind.unique] == values:
                raise RefusedError(400, {"__all__": [f"{kind.type} with this {kind.unique} already exists."]})

    def _taken(self, name: str, one: Field, value: object) -> object:
        if value is None:
            if one.required:
                raise RefusedError(400, {name: ["This field may not be null."]})
            return copy.deepcopy(one.default)
        if one.json is None:
            there = self.objects.get(one.to)
            if not isinstance(value, int) or isinstance(value, bool):
                raise RefusedError(400, {name: ["Incorrect type. Expected pk value."]})
            if (there is not None and value not in there) or (there is None and not self._is_unified(value)):
                raise RefusedError(400, {name: [f'Invalid pk "{value}" - object does not exist.']})
        elif type(value) is not one.json:
            raise RefusedError(400, {name: ["Not a valid value."]})
        if one.choices and value not in one.choices:
            raise RefusedError(400, {name: [f'"{value}" is not a valid choice.']})
        return copy.deepcopy(value)

    def _is_unified(self, number: int) -> bool:
        return any(number in self.objects[kind] for kind in UNIFIED)

    def _keep_secrets(self, kind: Kind, new: Object, old: Object | None) -> None:
        for name in ("inputs", "notification_configuration"):
            if old is not None and name in kind.fields and kind.name != "credential_types":
                kept = {key: old[name][key] for key, value in new[name].items() if value == ENCRYPTED}
                new[name] = {**new[name], **kept}

    def _insert(self, kind: str, new: Object) -> Object:
        made = {"id": next(self._ids), "type": KINDS[kind].type, **{k: v for k, v in new.items() if k != "type"}}
        if "survey_enabled" in made:
            made["_survey"] = {}
        self.objects[kind][made["id"]] = made
        for role in KINDS[kind].roles:
            self.roles[next(self._ids)] = Role(kind, made["id"], f"{role}_role")
        return made

    def delete(self, kind: str, number: int) -> None:
        """Take an object away, and what goes with it; what refers to it refers to nothing."""
        if self.get(kind, number).get("managed"):
            raise RefusedError(403, {"detail": "Deletion not allowed for managed objects"})
        for holder, taken, name in TAKEN_ALONG:
            if holder == kind:
                for one in [one["id"] for one in self.objects[taken].values() if one.get(name) == number]:
                    self.delete(taken, one)
        gone = self.objects[kind].pop(number)
        if kind == "workflow_job_template_nodes" and gone["unified_job_template"] in self.objects[APPROVALS]:
            self.delete(APPROVALS, gone["unified_job_template"])
        self.roles = {key: role for key, role in self.roles.items() if role.thing != number}
        for role in self.roles.values():
            role.teams.discard(number)
            role.users.discard(number)
        self.lists = {key: [n for n in v if n != number] for key, v in self.lists.items() if key[1] != number}
        self._forget(number)
        self.changes += 1

    def _forget(self, number: int) -> None:
        for kind, described in KINDS.items():
            for name in (name for name, one in described.fields.items() if one.json is None):
                for thing in self.objects[kind].values():
                    thing[name] = None if thing[name] == number else thing[name]

    # Who may

    def held(self, user: int, number: int) -> set[str]:
        """Return the roles that a user has of an object, alone or by a team."""
        teams = {role.thing for role in self.roles.values() if role.kind == "teams" and user in role.users}
        return {
            role.name.removesuffix("_role")
            for role in self.roles.values()
            if role.thing == number and (user in role.users or teams & role.teams)
        }

    def sees(self, user: int, kind: str, thing: Object) -> bool:
        """Whether a user may see an object."""
        if user in self.superusers or kind == "credential_types" or thing["id"] == user:
            return True
        if kind in OWN_BY:
            owner = thing[OWN_BY[kind]]
            return owner is not None and self.sees(user, self.kind_of(owner), self.objects[self.kind_of(owner)][owner])
        if kind == APPROVALS:
            return any(
                node["unified_job_template"] == thing["id"] and self.sees(user, "workflow_job_template_nodes", node)
                for node in self.objects["workflow_job_template_nodes"].values()
            )
        if self.held(user, thing["id"]):
            return True
        organization = thing.get("organization")
        if kind == "execution_environments" and organization is None:
            return True
        readers = {"admin", "auditor", *KINDS[kind].readers}
        return organization is not None and bool(self.held(user, organization) & readers)

    def changes_allowed(self, user: int, kind: str, thing: Object) -> bool:
        """Whether a user may change an object, or make one like it."""
        if user in self.superusers:
            return True
        if kind in ("organizations", "credential_types", "users"):
            return False
        organization = thing.get("organization")
        return organization is not None and "admin" in self.held(user, organization)

    # What is shown

    def shown(self, kind: str, thing: Object) -> Object:
        """Return an object as it is answered: secrets are not."""
        out = {name: copy.deepcopy(value) for name, value in thing.items() if not name.startswith("_")}
        if kind == "credentials":
            hidden = secret_fields(self.get("credential_types", thing["credential_type"]))
            out["inputs"] = {k: ENCRYPTED if k in hidden and v else v for k, v in out["inputs"].items()}
        if kind == "notification_templates":
            said = out["notification_configuration"]
            out["notification_configuration"] = {
                k: ENCRYPTED if k in NOTIFICATION_SECRETS and v else v for k, v in said.items()
            }
        return out
