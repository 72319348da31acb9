# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.awx_setup: it runs the modules of awx.awx, one for each object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.awx import notifications
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.plan import items
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.playbooks import DOMAINS
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.settings import Setup, setup
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.settlement import Outcome, absent, present
from ansible_collections.guarded.fabric.plugins.plugin_utils.disclosure import disclosure_of
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, Spec, failure_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TEXT: dict[str, object] = {"type": "str"}
_SECRET: dict[str, object] = {"type": "str", "no_log": True}


def _inputs(*secret: str, **other: dict[str, object]) -> dict[str, object]:
    """Return the option of a credential's inputs, with AWX's names of them."""
    return {"type": "dict", "options": {**other, **dict.fromkeys(secret, _SECRET)}}


_USER = {"username": _TEXT}
_DOMAIN: dict[str, object] = {
    "organization": _TEXT,
    "project": {
        "type": "dict",
        "required": True,
        "options": {
            "url": {"type": "str", "required": True},
            "branch": {"type": "str", "default": ""},
            "credential": _inputs("password", "ssh_key_data", "ssh_key_unlock", **_USER),
        },
    },
    "inventory_file": {"type": "str", "required": True},
    "playbook_folder": {"type": "str", "default": "playbooks"},
    "machine": {**_inputs("password", **_USER), "required": True},
    "guests": _inputs("password", **_USER),
    "hgs": _inputs(
        "safe_mode_password",
        "signing_certificate",
        "signing_certificate_password",
        "encryption_certificate",
        "encryption_certificate_password",
    ),
    "exchange": _inputs(
        "ssh_key",
        repository={"type": "str", "required": True},
        branch={"type": "str", "default": "main"},
        known_hosts=_TEXT,
    ),
    "notifications": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "required": True, "choices": list(notifications.TYPES)},
            "configuration": {"type": "dict", "required": True},
            "events": {
                "type": "list",
                "elements": "str",
                "choices": ["started", "success", "error", "approvals"],
                "default": ["error", "approvals"],
            },
        },
    },
    "members": {"type": "list", "elements": "str", "default": []},
    "variables": {"type": "dict", "default": {}},
    "drift_slices": {"type": "int", "default": 1},
}
SPEC: Spec = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "collection": {"type": "str", "choices": ["awx.awx", "ansible.controller"], "default": "awx.awx"},
    "connection": {
        "type": "dict",
        "default": {},
        "options": {
            "host": _TEXT,
            "username": _TEXT,
            "password": _SECRET,
            "token": _SECRET,
            "validate_certs": {"type": "bool"},
        },
    },
    "prefix": {"type": "str", "default": "Guarded fabric"},
    "domains": {
        "type": "dict",
        "required": True,
        "options": {name: {"type": "dict", "options": _DOMAIN} for name in DOMAINS},
    },
    "execution_environment": {
        "type": "dict",
        "required": True,
        "options": {
            "image": {"type": "str", "required": True},
            "pull": {"type": "str", "choices": ["always", "missing", "never"], "default": "missing"},
            "registry": _inputs("password", host=_TEXT, verify_ssl={"type": "bool"}, **_USER),
        },
    },
    "schedules": {
        "type": "dict",
        "default": {},
        "apply_defaults": True,
        "options": {
            "drift": {"type": "str", "default": "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1"},
            "certificates": {
                "type": "str",
                "default": "DTSTART:20260105T050000Z RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO",
            },
        },
    },
    "rollout_started_by": {
        "type": "list",
        "elements": "str",
        "choices": list(DOMAINS),
        "default": ["guardian"],
    },
    "update_secrets": {"type": "bool", "default": False},
}
_CONNECTION = {
    "host": "controller_host",
    "username": "controller_username",
    "password": "controller_password",
    "token": "controller_oauthtoken",
    "validate_certs": "validate_certs",
}


class ActionModule(FabricAction):
    """Sets AWX up, or takes away what it set up."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        wanted, check = setup(parameters), bool(self._task.check_mode)
        connection = {_CONNECTION[name]: value for name, value in parameters["connection"].items() if value is not None}

        def call(kind: str, arguments: Mapping[str, object], checking: bool) -> Mapping[str, Any]:  # noqa: FBT001
            name = f"{parameters['collection']}.{kind}"
            # Whether something is there is asked by removing it in check mode, also where this is none.
            self._task.check_mode = checking
            try:
                answer: dict[str, Any] = self._execute_module(
                    module_name=name, module_args={**connection, **arguments}, task_vars=task_vars
                )
            finally:
                self._task.check_mode = check
            return answer

        try:
            if parameters["state"] == "absent":
                outcomes = absent(items(wanted), call, check=check)
            else:
                outcomes = present(items(wanted), call, check=check, update_secrets=parameters["update_secrets"])
        except FabricError as error:
            # AWX may repeat what it refuses.
            told = error.reworded(disclosure_of(secrets_of(wanted, connection)).message)
            return {**result, "failed": True, "changed": False, **failure_result(told)}
        objects = [_described(outcome) for outcome in outcomes]
        return {**result, "changed": any(one["changed"] for one in objects), "objects": objects}


def secrets_of(wanted: Setup, connection: Mapping[str, object]) -> Iterator[str]:
    """Go through everything that is nobody's business: all inputs of credentials, as some of AWX's are secret."""
    credentials = [connection, wanted.image.registry]
    for domain in wanted.domains:
        credentials += [domain.project.credential, domain.machine, domain.guests, domain.hgs, domain.exchange]
        for told in domain.notifications:
            yield from notifications.secrets(told.configuration)
    for inputs in credentials:
        for name, value in inputs.items():
            if not name.endswith(("host", "username", "repository", "branch", "validate_certs", "verify_ssl")):
                yield str(value)


def _described(outcome: Outcome) -> dict[str, Any]:
    return {"kind": outcome.item.kind, "name": outcome.item.name, "changed": outcome.changed}
