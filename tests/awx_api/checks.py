# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX refuses of each kind of object, beyond types and names, and in which words.

Source: AWX 24.6.1, the `validate` methods of awx/api/serializers.py, awx/main/fields.py (CredentialTypeInputField,
CredentialTypeInjectorField, CredentialInputField) and awx/api/views (JobTemplateSurveySpec).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import StrictUndefined, TemplateError, sandbox
from jsonschema import Draft7Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .store import Store

Object = dict[str, Any]
Errors = dict[str, Any]

ENCRYPTED = "$encrypted$"
INPUT_FIELDS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "required": {"type": "array", "items": {"type": "string"}},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["string", "boolean"]},
                    "format": {"enum": ["ssh_private_key", "url"]},
                    "choices": {"type": "array", "minItems": 1, "items": {"type": "string"}, "uniqueItems": True},
                    "id": {"type": "string", "pattern": "^[a-zA-Z_]+[a-zA-Z0-9_]*$"},
                    "label": {"type": "string"},
                    "help_text": {"type": "string"},
                    "multiline": {"type": "boolean"},
                    "secret": {"type": "boolean"},
                    "default": {},
                },
                "additionalProperties": False,
                "required": ["id", "label"],
            },
        },
    },
}
_NAME = "^[a-zA-Z_]+[a-zA-Z0-9_]*$"
INJECTORS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "object",
            "patternProperties": {r"^template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?$": {"type": "string"}},
            "additionalProperties": False,
        },
        "env": {
            "type": "object",
            "patternProperties": {_NAME: {"type": "string", "pattern": "^[\x00-\x7f]*$"}},
            "additionalProperties": False,
        },
        "extra_vars": {
            "type": "object",
            "patternProperties": {r"^[a-zA-Z_\{\}]+[a-zA-Z0-9_\{\}]*$": {"type": "string"}},
            "additionalProperties": False,
        },
    },
}
MANAGED_TYPES: dict[str, tuple[str, str, dict[str, object]]] = {
    "Machine": ("ssh", "ssh", {"fields": [{"id": "username"}, {"id": "password", "secret": True}]}),
    "Source Control": (
        "scm",
        "scm",
        {
            "fields": [
                {"id": "username"},
                {"id": "password", "secret": True},
                {"id": "ssh_key_data", "secret": True},
                {"id": "ssh_key_unlock", "secret": True},
            ]
        },
    ),
    "Container Registry": (
        "registry",
        "registry",
        {
            "fields": [
                {"id": "host"},
                {"id": "username"},
                {"id": "password", "secret": True},
                {"id": "verify_ssl", "type": "boolean"},
            ],
            "required": ["host"],
        },
    ),
}
"""AWX's own types that are used here: name, kind, namespace, inputs."""
NOTIFICATIONS: dict[str, dict[str, tuple[type, object]]] = {
    "email": {
        "host": (str, None),
        "port": (int, None),
        "username": (str, None),
        "password": (str, None),
        "use_tls": (bool, None),
        "use_ssl": (bool, None),
        "sender": (str, None),
        "recipients": (list, None),
        "timeout": (int, 30),
    },
    "slack": {"token": (str, None), "channels": (list, None)},
    "webhook": {
        "url": (str, None),
        "http_method": (str, "POST"),
        "disable_ssl_verification": (bool, False),
        "username": (str, ""),
        "password": (str, ""),
        "headers": (dict, None),
    },
}
"""The fields of a configuration: type, and the default where there is one."""
NOTIFICATION_SECRETS = ("password", "token")


def secret_fields(credential_type: Object) -> set[str]:
    """Return the inputs of a type that are encrypted."""
    return {one["id"] for one in credential_type["inputs"].get("fields", ()) if one.get("secret")}


def credential_type(store: Store, new: Object, old: Object | None) -> Errors:
    """Check a custom type."""
    problems = [error.message for error in Draft7Validator(INPUT_FIELDS).iter_errors(new["inputs"])]
    if problems:
        return {"inputs": problems}
    used = old and any(one["credential_type"] == old["id"] for one in store.objects["credentials"].values())
    if old and used and old["inputs"] != new["inputs"]:
        return {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
    names = [one["id"] for one in new["inputs"].get("fields", ())]
    if len(set(names)) != len(names) or "tower" in names:
        return {"inputs": ["field IDs must be unique"]}
    for one in new["inputs"].get("fields", ()):
        one.setdefault("type", "string")
    problems = [error.message for error in Draft7Validator(INJECTORS).iter_errors(new["injectors"])]
    return {"injectors": problems} if problems else _templates(new["injectors"], names)


def _templates(injectors: Mapping[str, Mapping[str, str]], names: list[str]) -> Errors:
    files = list(injectors.get("file", {}))
    if "template" in files and len(files) > 1:
        return {"injectors": ["Must use multi-file syntax when injecting multiple files"]}
    filename: object = dict.fromkeys((one.split(".")[1] for one in files if "." in one), "EXAMPLE_FILENAME")
    if "template" in files:
        filename = "EXAMPLE_FILENAME"
    namespace = {**dict.fromkeys(names, "EXAMPLE"), "tower": {"filename": filename}}
    for one in injectors.get("env", {}):
        if one.startswith("ANSIBLE_"):
            return {"injectors": [f"Environment variable {one} may affect Ansible configuration"]}
    environment = sandbox.ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for kind, injected in injectors.items():
        for key, template in injected.items():
            try:
                environment.from_string(template).render(namespace)
            except TemplateError as error:
                return {"injectors": [f"{key} uses an undefined field ({error}) in {kind}"]}
    return {}


def credential(store: Store, new: Object, old: Object | None) -> Errors:
    """Check a credential against its type."""
    if old is None and not new["organization"]:
        return {"detail": "Missing 'user', 'team', or 'organization'."}
    of_type = store.get("credential_types", new["credential_type"])
    known = {one["id"]: one for one in of_type["inputs"].get("fields", ())}
    if unknown := set(new["inputs"]) - set(known):
        return {"inputs": [f"Additional properties are not allowed ({sorted(unknown)} were unexpected)"]}
    for name, value in new["inputs"].items():
        wanted = bool if known[name].get("type") == "boolean" else str
        if not isinstance(value, wanted):
            return {"inputs": {name: [f"{value!r} is not of type {wanted.__name__}"]}}
        if old is None and value == ENCRYPTED and known[name].get("secret"):
            return {"inputs": [f"{ENCRYPTED} is a reserved keyword, and cannot be used for {name}."]}
    return {}


def execution_environment(store: Store, new: Object, old: Object | None) -> Errors:
    """Check an execution environment."""
    if new["credential"]:
        of_type = store.get("credential_types", store.get("credentials", new["credential"])["credential_type"])
        if of_type["namespace"] != "registry":
            only = "Only Container Registry credentials can be associated with an Execution Environment"
            return {"credential": [only]}
    if old and new["organization"] not in (None, old["organization"]):
        return {"organization": ["Cannot change the organization of an execution environment"]}
    return {}


def project(store: Store, new: Object, _old: Object | None) -> Errors:
    """Check a project."""
    if new["scm_type"] == "" and new["scm_update_on_launch"]:
        return {"scm_update_on_launch": ["Update options must be set to false for manual projects."]}
    if new["scm_type"] and not new["scm_url"]:
        return {"scm_url": ["SCM URL is required."]}
    if new["credential"]:
        of_type = store.get("credential_types", store.get("credentials", new["credential"])["credential_type"])
        if of_type["kind"] != "scm":
            return {"credential": ["Credential kind must be 'scm'."]}
    return {}


def inventory(_store: Store, new: Object, old: Object | None) -> Errors:
    """Check an inventory."""
    if old and old["kind"] != new["kind"]:
        return {"error": 'You cannot turn a regular inventory into a "smart" or "constructed" inventory.'}
    return _variables(new, "variables")


def inventory_source(store: Store, new: Object, _old: Object | None) -> Errors:
    """Check an inventory source."""
    if new["source"] == "scm":
        if new["source_project"] is None:
            return {"source_project": ["Project required for scm type sources."]}
        if store.get("projects", new["source_project"])["scm_type"] == "":
            return {"source_project": ["Cannot use manual project for SCM-based inventory."]}
    elif new["source_path"] or new["source_project"]:
        return {"detail": "Cannot set source_project source_path if not SCM type."}
    return {}


def notification_template(_store: Store, new: Object, _old: Object | None) -> Errors:
    """Check a notification; what its configuration leaves out is filled in."""
    fields, configuration = NOTIFICATIONS[new["notification_type"]], new["notification_configuration"]
    for name, (_type, default) in fields.items():
        if default is not None:
            configuration.setdefault(name, default)
    if missing := [name for name in fields if name not in configuration]:
        return {"__all__": [f"Missing required fields for Notification Configuration: {missing}."]}
    wrong = [name for name, (kind, _default) in fields.items() if type(configuration[name]) is not kind]
    if wrong:
        return {"__all__": [f"Configuration field '{wrong[0]}' incorrect type."]}
    empty = [name for name, (kind, _default) in fields.items() if kind is list and not configuration[name]]
    return {"__all__": [f"No values specified for field '{empty[0]}'"]} if empty else {}


def job_template(store: Store, new: Object, _old: Object | None) -> Errors:
    """Check a job template; its organization is that of its project."""
    if not new["project"]:
        return {"project": ["Job Templates must have a project assigned."]}
    of_project = store.get("projects", new["project"])
    new["organization"] = of_project["organization"]
    if not new["inventory"] and not new["ask_inventory_on_launch"]:
        return {"inventory": ["You must either set a default value or ask to prompt on launch."]}
    if not new["playbook"]:
        return {"playbook": ["Must select playbook for project."]}
    if of_project["scm_type"] and new["playbook"] not in store.playbooks_of(of_project):
        return {"playbook": ["Playbook not found for project."]}
    if new["job_slice_count"] < 1:
        return {"job_slice_count": ["Ensure this value is greater than or equal to 1."]}
    return _variables(new, "extra_vars")


def workflow_job_template(_store: Store, new: Object, _old: Object | None) -> Errors:
    """Check a workflow."""
    return _variables(new, "extra_vars")


def node(store: Store, new: Object, _old: Object | None) -> Errors:
    """Check what a node or a schedule tells the template that it runs."""
    if new["unified_job_template"] is None:
        return {"extra_data": ["no template"]} if new["extra_data"] else {}
    template = store.unified(new["unified_job_template"])
    if new["inventory"] and not template.get("ask_inventory_on_launch"):
        return {"inventory": ["Field is not configured to prompt on launch."]}
    if new["limit"] and not template.get("ask_limit_on_launch"):
        return {"limit": ["Field is not configured to prompt on launch."]}
    return {} if template.get("ask_variables_on_launch") else _answers(template, new["extra_data"])


def _answers(template: Object, given: Mapping[str, object]) -> Errors:
    asked = {}
    if template.get("survey_enabled"):
        asked = {one["variable"]: one for one in template["_survey"].get("spec", ())}
    if unknown := sorted(set(given) - set(asked)):
        named = ", ".join(unknown)
        return {"extra_data": [f"Variables {named} are not allowed on launch. Check the Prompt on Launch setting."]}
    for name, value in given.items():
        wanted = int if asked[name]["type"] == "integer" else str
        if not isinstance(value, wanted):
            return {"extra_data": [f"Value {value} for '{name}' expected to be {asked[name]['type']}."]}
        if isinstance(value, str) and len(value) > asked[name].get("max", 1024):
            return {"extra_data": [f"'{name}' value {value} is too large."]}
    return {}


def schedule(store: Store, new: Object, old: Object | None) -> Errors:
    """Check a schedule."""
    rule, problems = new["rrule"], []
    starts = re.findall(r".*?(DTSTART(;[^:]+)?\:[0-9]+T[0-9]+Z?)", rule)
    if not starts:
        problems.append("Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if len(starts) > 1:
        problems.append("Multiple DTSTART is not supported.")
    if re.findall(r".*?(DTSTART:[0-9]+T[0-9]+) ", rule):
        problems.append("DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
    if "rrule:" not in rule.lower():
        problems.append("One or more rule required in rrule.")
    for one in re.findall(r".*?(RULE\:[^\s]*)", rule):
        if "interval" not in one.lower():
            problems.append(f"INTERVAL required in rrule: {one}")
        if "FREQ=" not in one:
            problems.append(f"rrule parsing failed validation: {one}")
        if "secondly" in one.lower():
            problems.append(f"SECONDLY is not supported: {one}")
    return {"rrule": problems} if problems else node(store, new, old)


def survey(spec: Object) -> Errors:
    """Check a survey."""
    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(spec.get(name), kind):
            return {"error": f"Field '{name}' is missing from survey spec, or is no {kind.__name__}."}
    if not spec["spec"]:
        return {"error": "'spec' doesn't contain any items."}
    for index, one in enumerate(spec["spec"]):
        for name in ("type", "question_name", "variable", "required"):
            if name not in one:
                return {"error": f"'{name}' missing from survey question {index}"}
        if one["variable"] in [before["variable"] for before in spec["spec"][:index]]:
            return {"error": f"'variable' '{one['variable']}' duplicated in survey question {index}."}
        for problem in _of_question(one):
            return {"error": f"survey question {index}: {problem}"}
    return {}


def _of_question(one: Object) -> Iterator[str]:
    types: dict[str, type] = dict.fromkeys(("text", "textarea", "password", "multiplechoice"), str)
    types |= {"integer": int, "float": float}
    if not isinstance(one["required"], bool):
        yield "'required' expected to be boolean."
    if one["type"] not in types:
        yield f"'{one['type']}' is not one of the allowed question types."
    default = one.get("default", "")
    if default != "" and not isinstance(default, types[one["type"]]):
        yield f"Default value {default} expected to be {one['type']}."
    if any(one.get(limit) is not None and not isinstance(one[limit], int) for limit in ("min", "max")):
        yield "a limit is expected to be integer."
    if one["type"] == "multiplechoice":
        if not one.get("choices"):
            yield "of type multiplechoice must specify choices."
        if default and default not in one["choices"]:
            yield "Default choice must be answered from the choices listed."


def _variables(new: Object, name: str) -> Errors:
    try:
        read = yaml.safe_load(new[name]) or {}  # which JSON is as well
    except yaml.YAMLError as error:
        return {name: [f"Cannot parse as JSON or YAML ({error})."]}
    return {} if isinstance(read, dict) else {name: [f"Input type `{type(read).__name__}` is not a dictionary"]}


CHECKS: dict[str, Callable[[Store, Object, Object | None], Errors]] = {
    "credential_types": credential_type,
    "credentials": credential,
    "execution_environments": execution_environment,
    "projects": project,
    "inventories": inventory,
    "inventory_sources": inventory_source,
    "notification_templates": notification_template,
    "job_templates": job_template,
    "workflow_job_templates": workflow_job_template,
    "workflow_job_template_nodes": node,
    "schedules": schedule,
}
