# SPDX-License-Identifier: GPL-3.0-or-later
"""An AWX as the variables of a user declare it, with everything that there can be."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.guarded.fabric.plugins.action.awx_setup import SPEC
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.playbooks import DOMAINS
from ansible_collections.guarded.fabric.plugins.plugin_utils.awx.settings import Setup, setup

CANARY = "canary-7f3a"
"""In every secret."""


def secret(name: str) -> str:
    return f"{CANARY}-{name}"


def domain(name: str) -> dict[str, Any]:
    """Return a domain with all it can have."""
    said: dict[str, Any] = {
        "project": {
            "url": f"ssh://git.example/{name}.git",
            "branch": "main",
            "credential": {"username": "reader", "password": secret("project")},
        },
        "inventory_file": "inventory.yml",
        "machine": {"username": "Administrator", "password": secret("machine")},
        "exchange": {
            "repository": "ssh://git.example/exchange.git",
            "ssh_key": secret("exchange"),
            "known_hosts": "git.example ssh-ed25519 AAAA",
        },
        "notifications": [
            {
                "name": "chat",
                "type": "webhook",
                "configuration": {"url": "https://chat.example", "headers": {}, "password": secret("webhook")},
            },
            {
                "name": "log",
                "type": "webhook",
                "configuration": {"url": "https://log.example", "headers": {}},
                "events": ["success"],
            },
        ],
        "members": [name],
        "variables": {"hgs_domain": "guardian.example"},
    }
    if name == "guardian":
        parts = ("safe_mode_password", "signing_certificate", "signing_certificate_password")
        more = ("encryption_certificate", "encryption_certificate_password")
        said["hgs"] = {part: secret(part) for part in (*parts, *more)}
    if name == "fabric":
        said["drift_slices"] = 3
    if name == "tenant":
        said["guests"] = {"username": "Administrator", "password": secret("guests")}
    return said


def options(*domains: str) -> dict[str, Any]:
    """Return the options of the module."""
    registry = {"host": "registry.example", "username": "puller", "password": secret("registry"), "verify_ssl": True}
    return {
        "domains": {name: domain(name) for name in domains or DOMAINS},
        "execution_environment": {"image": "registry.example/guarded-fabric:1", "registry": registry},
    }


def declared(said: dict[str, Any]) -> Setup:
    """Return options as the module takes them."""
    result = ArgumentSpecValidator(deepcopy(SPEC)).validate(said)
    assert not result.error_messages, result.error_messages
    return setup(result.validated_parameters)
