# SPDX-License-Identifier: GPL-3.0-or-later
"""Every secret that an administrator puts into a rollout stays where it was put."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.tests.integration.runs import Run, Running
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

KEPT = ("decisions", "lab/inventory", "lab/passwords.json", "lab/ntlm", "lab/world.sqlite")
"""Where secrets belong: the administrators' variables, and the world, which has accounts with passwords."""


def forms(secret: str) -> Iterator[bytes]:
    """Yield how a secret may look: as text, as Windows' text, and both in base64, wherever in a text it begins."""
    for plain in (secret.encode(), secret.encode("utf-16-le")):
        yield plain
        for offset in range(3):
            # What depends on neighbours is left out: two characters before, up to three after.
            encoded = base64.b64encode(b"\0" * offset + plain)
            yield encoded[4 if offset else 0 : len(encoded) // 4 * 4 - 4]


def secrets_of(setup: Setup) -> dict[str, str]:
    """Return every password of a setup by what it is for."""
    found: dict[str, str] = {}
    for directory in (setup.decisions, setup.lab.inventory):
        for path in directory.rglob("group_vars/*/*.yml"):
            variables = yaml.safe_load(path.read_text(encoding="utf-8"))
            group = path.parent.name
            found |= {f"{name} of {group}": value for name, value in variables.items() if name.endswith("password")}
    return found


def files(setup: Setup) -> Iterator[Path]:
    """Yield every file of a setup but those that are meant to hold secrets."""
    for path in setup.directory.rglob("*"):
        name = str(path.relative_to(setup.directory))
        if path.is_file() and not name.startswith(KEPT):
            yield path


def leaks(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Return which secrets are in some bytes."""
    return [name for name, secret in secrets.items() if any(form in content for form in forms(secret))]


def watched(running: Running) -> tuple[Run, bytes]:
    """Wait for a run; return with it the command lines of all processes that there were meanwhile."""
    lines: set[bytes] = set()
    while running.process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                lines.add(path.read_bytes())
        time.sleep(0.1)
    return running.wait(), b"\n".join(lines)


@pytest.mark.parametrize("secret", ["Sesame-1aA", "ß€cret"])
def test_the_search_finds_a_secret_in_each_of_its_forms(secret: str) -> None:
    for plain in (secret.encode(), secret.encode("utf-16-le")):
        for before in (b"", b"a", b"ab", b"abc"):
            assert leaks(before + plain + b"z", {"it": secret}) == ["it"]
            assert leaks(base64.b64encode(before + plain + b"z"), {"it": secret}) == ["it"]
    assert leaks(b"nothing of the kind", {"it": secret}) == []


def test_a_rollout_keeps_its_secrets(small: Setup) -> None:
    secrets = secrets_of(small)
    assert {name.partition(" of ")[0] for name in secrets} == {
        "ansible_password",
        "hgs_safe_mode_password",
        "hgs_signing_certificate_password",
        "hgs_encryption_certificate_password",
    }
    done, command_lines = watched(small.ansible.start("site", "-vvvv", "--diff"))
    assert done.code == 0, done.output
    assert b"ansible-playbook" in command_lines
    assert leaks(command_lines, secrets) == []
    assert {str(path): found for path in files(small) if (found := leaks(path.read_bytes(), secrets))} == {}
    searched = {path.name for path in files(small)}
    assert {"output.txt", "results.jsonl", "lab.log", "vm01.kp", "hgs.xml.sidecar.json"} <= searched


def test_what_is_registered_shown_or_fails_holds_no_secret(small: Setup, tmp_path: Path) -> None:
    canaries = {"of the domain": "Canary-domain-1aA", "that is wrong": "Canary-wrong-1aA"}
    secrets = secrets_of(small) | canaries
    (tmp_path / "playbook.yml").write_text(PLAYBOOK, encoding="utf-8")
    variables = {"domain_password": canaries["of the domain"], "wrong_password": canaries["that is wrong"]}
    (tmp_path / "variables.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    extra = (f"@{tmp_path / 'variables.yml'}", f"dump={tmp_path / 'registered.json'}")
    arguments = [argument for item in extra for argument in ("--extra-vars", item)]
    done, command_lines = watched(small.ansible.start(tmp_path / "playbook.yml", "-vvvv", "--diff", *arguments))
    assert [result.outcome for result in done.results] == ["ok", "ok", "failed", "ok"], done.output
    dumped = (tmp_path / "registered.json").read_bytes()
    first, further, wrong = json.loads(dumped)
    assert "Initialize-HgsServer" in str(first["rendered"])
    assert "Get-Credential" in str(further["rendered"])
    assert wrong["failed"]
    for content in (dumped, command_lines):
        assert leaks(content, secrets) == []
    assert {str(path): found for path in files(small) if (found := leaks(path.read_bytes(), secrets))} == {}


PLAYBOOK = """
- hosts: hgs01
  gather_facts: false
  vars:
    service:
      domain: "{{ hgs_domain }}"
      service: "{{ hgs_service_name }}"
      mode: Tpm
      safe_mode_password: "{{ hgs_safe_mode_password }}"
    certificates:
      signing_certificate: "{{ hgs_signing_certificate }}"
      signing_certificate_password: "{{ hgs_signing_certificate_password }}"
      encryption_certificate: "{{ hgs_encryption_certificate }}"
      encryption_certificate_password: "{{ hgs_encryption_certificate_password }}"
    joining:
      join_address: 127.0.0.9
      domain_username: GUARDIAN\\Administrator
      domain_password: "{{ domain_password }}"
  tasks:
    - name: Render what the first node takes
      guarded.fabric.hgs_server:
        state: rendered
        config: "{{ service | combine(certificates) }}"
      register: first

    - name: Render what a further node takes
      guarded.fabric.hgs_server:
        state: rendered
        config: "{{ service | combine(joining) }}"
      register: further

    - name: Use a certificate with the wrong password
      guarded.fabric.hgs_server:
        config: "{{ service | combine(certificates, {'signing_certificate_password': wrong_password}) }}"
      register: wrong
      ignore_errors: true

    - name: Dump what was registered
      ansible.builtin.copy:
        content: "{{ [first, further, wrong] | to_json }}"
        dest: "{{ dump }}"
        mode: "0600"
      delegate_to: localhost
      vars:
        ansible_connection: local
        # Not below a home: not every account that runs this has one.
        ansible_remote_tmp: "{{ playbook_dir }}/tmp"
"""
