# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's examples are what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
GROUPS = {"hgs", "guarded_hosts", "reference_hosts", "fabric_dns", "tenant"}


def inventory() -> str:
    """Return the README's inventory."""
    block = re.search(r"```yaml\n(# inventory\.yml\n.*?)```", README, re.DOTALL)
    assert block
    return block[1]


def options() -> set[str]:
    """Return the options of all roles."""
    specs = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return {name for spec in specs for entry in spec["argument_specs"].values() for name in entry.get("options", {})}


def test_ansible_reads_the_inventory(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(inventory(), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"]
    environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    listed = json.loads(done.stdout)
    assert set(listed["all"]["children"]) - {"ungrouped"} == GROUPS
    assert all(listed[group]["hosts"] for group in GROUPS)


def test_the_inventory_is_thirty_lines() -> None:
    assert len(inventory().splitlines()) <= 31  # its file name and thirty


VARIABLES = sorted(set(re.findall(r"\b(?:hgs|guarded_host|attestation|shielded_vm)_\w+", inventory())))


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_of_the_inventory_is_an_option_of_a_role(name: str) -> None:
    # The one that a playbook, not a role, takes: the fabric's name servers forward to them.
    assert name in options() | {"hgs_node_addresses"}


@pytest.mark.parametrize("target", re.findall(r"`?make ([a-z]+)", README))
def test_every_make_target_named_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
