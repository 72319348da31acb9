# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of objects of AWX's API that the stand-in knows: fields, what they refer to, names, roles.

Source: AWX 24.6.1, awx/api/serializers.py and awx/main/models/. Fields that no module of awx.awx sends are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """A field. `json` is the type of its values, None where it refers to an object of the kind `to`."""

    json: type | None
    required: bool = False
    default: object = None
    to: str = ""
    choices: tuple[str, ...] = ()
    fixed: bool = False
    """Taken when the object is made, and read-only then."""


@dataclass(frozen=True)
class Kind:
    """A kind of objects; `name` is its endpoint. No two have the same values of `unique`."""

    name: str
    type: str
    fields: dict[str, Field]
    unique: tuple[str, ...]
    lists: dict[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    """Roles of its organization that let somebody see it, beside those of an administrator and an auditor."""


def text(*, required: bool = False, default: object = "", choices: tuple[str, ...] = ()) -> Field:
    """Return a field of text."""
    return Field(str, required, default, choices=choices)


def ref(to: str, *, required: bool = False, fixed: bool = False) -> Field:
    """Return a field that refers to an object."""
    return Field(None, required, to=to, fixed=fixed)


def flag(default: bool = False) -> Field:  # noqa: FBT001, FBT002 - as the field has it
    """Return a field that is true or false."""
    return Field(bool, default=default)


def number(default: int = 0) -> Field:
    """Return a field that is a number."""
    return Field(int, default=default)


NAMED = {"name": text(required=True), "description": text()}
OWNED = {**NAMED, "organization": ref("organizations")}
PROMPTS = {"extra_data": Field(dict, default={}), "inventory": ref("inventories"), "limit": text(default=None)}
TOLD = {f"notification_templates_{event}": "notification_templates" for event in ("started", "success", "error")}
APPROVED = {**TOLD, "notification_templates_approvals": "notification_templates"}
NODES = dict.fromkeys(("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("users", "user", {"username": text(required=True)}, ("username",)),
        Kind(
            "organizations",
            "organization",
            {**NAMED, "default_environment": ref("execution_environments"), "max_hosts": number()},
            ("name",),
            APPROVED,
            ("admin", "member", "auditor", "read", "execute", "approval"),
        ),
        Kind(
            "teams",
            "team",
            {**NAMED, "organization": ref("organizations", required=True)},
            ("organization", "name"),
            {},
            ("admin", "member", "read"),
        ),
        Kind(
            "credential_types",
            "credential_type",
            {
                **NAMED,
                "kind": text(required=True, choices=("cloud", "net")),
                "inputs": Field(dict, default={}),
                "injectors": Field(dict, default={}),
                "managed": Field(bool, default=False, fixed=True),
            },
            ("kind", "name"),
        ),
        Kind(
            "credentials",
            "credential",
            {
                **OWNED,
                "credential_type": ref("credential_types", required=True),
                "inputs": Field(dict, default={}),
            },
            ("organization", "name", "credential_type"),
            {},
            ("admin", "use", "read"),
        ),
        Kind(
            "execution_environments",
            "execution_environment",
            {
                **OWNED,
                "image": text(required=True),
                "credential": ref("credentials"),
                "pull": text(choices=("always", "missing", "never", "")),
            },
            ("name",),
            {},
            (),
            ("read", "member"),
        ),
        Kind(
            "projects",
            "project",
            {
                **OWNED,
                "scm_type": text(choices=("", "git", "svn", "insights", "archive")),
                "scm_url": text(),
                "scm_branch": text(),
                "credential": ref("credentials"),
                "scm_update_on_launch": flag(),
                "allow_override": flag(),
            },
            ("organization", "name"),
            TOLD,
            ("admin", "use", "update", "read"),
        ),
        Kind(
            "inventories",
            "inventory",
            {
                **NAMED,
                "organization": ref("organizations", required=True),
                "variables": text(),
                "kind": text(choices=("", "smart", "constructed")),
                "host_filter": text(default=None),
            },
            ("organization", "name"),
            {},
            ("admin", "use", "adhoc", "update", "read"),
        ),
        Kind(
            "inventory_sources",
            "inventory_source",
            {
                **NAMED,
                "inventory": ref("inventories", required=True, fixed=True),
                "source": text(required=True, choices=("scm", "ec2", "controller")),
                "source_project": ref("projects"),
                "source_path": text(),
                "update_on_launch": flag(),
                "overwrite": flag(),
                "overwrite_vars": flag(),
            },
            ("inventory", "name"),
            TOLD,
        ),
        Kind(
            "notification_templates",
            "notification_template",
            {
                **NAMED,
                "organization": ref("organizations", required=True),
                "notification_type": text(required=True, choices=("email", "slack", "webhook")),
                "notification_configuration": Field(dict, default={}),
            },
            ("organization", "name"),
        ),
        Kind(
            "job_templates",
            "job_template",
            {
                # An organization is read-only: it is the project's.
                **OWNED,
                "job_type": text(default="run", choices=("run", "check")),
                "inventory": ref("inventories"),
                "project": ref("projects"),
                "playbook": text(),
                "extra_vars": text(),
                "execution_environment": ref("execution_environments"),
                "job_slice_count": number(1),
                "survey_enabled": flag(),
                "ask_limit_on_launch": flag(),
                "ask_job_type_on_launch": flag(),
                "ask_variables_on_launch": flag(),
                "ask_inventory_on_launch": flag(),
            },
            ("organization", "name"),
            {**TOLD, "credentials": "credentials"},
            ("admin", "execute", "read"),
            ("execute",),
        ),
        Kind(
            "workflow_job_templates",
            "workflow_job_template",
            {
                **OWNED,
                "extra_vars": text(),
                "survey_enabled": flag(),
                "ask_variables_on_launch": flag(),
                "limit": text(default=None),
            },
            ("organization", "name"),
            APPROVED,
            ("admin", "execute", "approval", "read"),
            ("execute", "approval"),
        ),
        Kind(
            "workflow_job_template_nodes",
            "workflow_job_template_node",
            {
                **PROMPTS,
                "identifier": text(),
                "workflow_job_template": ref("workflow_job_templates", required=True, fixed=True),
                "unified_job_template": ref("unified_job_templates"),
                "all_parents_must_converge": flag(),
                # The module sends it; like every field that a serializer does not know, AWX overlooks it.
                "type": Field(str, fixed=True),
            },
            ("workflow_job_template", "identifier"),
            {**NODES, "credentials": "credentials"},
        ),
        Kind(
            "workflow_approval_templates",
            "workflow_approval_template",
            {**NAMED, "timeout": number()},
            ("id",),
        ),
        Kind(
            "schedules",
            "schedule",
            {
                **NAMED,
                **PROMPTS,
                "rrule": text(required=True),
                "unified_job_template": ref("unified_job_templates", required=True),
                "enabled": flag(default=True),
            },
            ("unified_job_template", "name"),
        ),
    )
}
UNIFIED = (
    "projects",
    "inventory_sources",
    "job_templates",
    "workflow_job_templates",
    "workflow_approval_templates",
)
"""The kinds that AWX lists together as unified job templates."""
OWN_BY = {
    "inventory_sources": "inventory",
    "workflow_job_template_nodes": "workflow_job_template",
    "schedules": "unified_job_template",
}
"""Kinds without an organization of their own: they are as visible as what this field names."""
TAKEN_ALONG = {
    ("workflow_job_templates", "workflow_job_template_nodes", "workflow_job_template"),
    ("job_templates", "schedules", "unified_job_template"),
    ("workflow_job_templates", "schedules", "unified_job_template"),
    ("inventories", "inventory_sources", "inventory"),
    ("organizations", "teams", "organization"),
    ("organizations", "credentials", "organization"),
    ("organizations", "notification_templates", "organization"),
    ("organizations", "execution_environments", "organization"),
    ("credential_types", "credentials", "credential_type"),
}
"""What is deleted with what: on_delete=CASCADE. Other references become null."""
