# SPDX-License-Identifier: GPL-3.0-or-later
"""Every secret that an administrator puts into a rollout stays where it was put."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, setup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.tests.integration.runs import Run, Running

KEPT = ("decisions", "vault-password", "lab/inventory", "lab/passwords.json", "lab/ntlm", "lab/world.sqlite")
"""Where secrets belong: the administrators' variables, and the world, which has accounts with passwords."""

VAULT_PASSWORD = "Canary-vault-1aA"
LONGEST = 4 * 1024 * 1024
"""Bytes of a file that is looked into while a run goes on."""


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
    # Not rglob: while Ansible runs, it removes directories that were listed a moment ago.
    for directory, _directories, names in os.walk(setup.directory):
        for path in (Path(directory, name) for name in names):
            if path.is_file() and not str(path.relative_to(setup.directory)).startswith(KEPT):
                yield path


def leaks(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Return which secrets are in some bytes."""
    return [name for name, secret in secrets.items() if any(form in content for form in forms(secret))]


@dataclass
class Seen:
    """What anybody could see while a run went on: command lines, and files that may be gone when it ends."""

    command_lines: set[bytes] = field(default_factory=set)
    files: dict[tuple[str, int, int], list[str]] = field(default_factory=dict)

    def look(self, setup: Setup, secrets: Mapping[str, str]) -> None:
        """Look once."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                self.command_lines.add(path.read_bytes())
        for path in files(setup):
            with suppress(OSError):
                status = path.stat()
                version = (str(path), status.st_mtime_ns, status.st_size)
                if version not in self.files and status.st_size < LONGEST:
                    self.files[version] = leaks(path.read_bytes(), secrets)

    @property
    def leaks(self) -> dict[str, list[str]]:
        """Which files had which secrets."""
        return {path: found for (path, _time, _size), found in self.files.items() if found}


def watched(setup: Setup, running: Running, secrets: Mapping[str, str]) -> tuple[Run, bytes]:
    """Wait for a run, of which no file may have had a secret meanwhile; return with it all command lines there were."""
    seen = Seen()
    while running.process.poll() is None:
        seen.look(setup, secrets)
        time.sleep(0.1)
    assert seen.leaks == {}
    assert seen.files
    return running.wait(), b"\n".join(seen.command_lines)


def locked(setup: Setup) -> str:
    """Encrypt the administrators' variables with ansible-vault; return the option that opens them."""
    password = setup.directory / "vault-password"
    password.write_text(VAULT_PASSWORD, encoding="utf-8")
    option = f"--vault-password-file={password}"
    program = setup.ansible.program.with_name("ansible-vault")
    variables = sorted(setup.decisions.rglob("group_vars/*/*.yml"))
    assert variables
    subprocess.run(
        [program, "encrypt", option, *variables], check=True, capture_output=True, env={"HOME": str(setup.directory)}
    )
    assert all(path.read_bytes().startswith(b"$ANSIBLE_VAULT;") for path in variables)
    return option


@pytest.mark.parametrize("secret", ["Sesame-1aA", "ß€cret"])
def test_the_search_finds_a_secret_in_each_of_its_forms(secret: str) -> None:
    for plain in (secret.encode(), secret.encode("utf-16-le")):
        for before in (b"", b"a", b"ab", b"abc"):
            assert leaks(before + plain + b"z", {"it": secret}) == ["it"]
            assert leaks(base64.b64encode(before + plain + b"z"), {"it": secret}) == ["it"]
    assert leaks(b"nothing of the kind", {"it": secret}) == []


@pytest.fixture(scope="module")
def secrets(small: Setup) -> dict[str, str]:
    """Return the passwords of the setup, as they are before they are encrypted."""
    return secrets_of(small)


@pytest.fixture(scope="module")
def vault(small: Setup, secrets: dict[str, str]) -> str:
    """Encrypt the administrators' variables."""
    secrets["the vault"] = VAULT_PASSWORD
    return locked(small)


def test_a_rollout_keeps_its_secrets(small: Setup, secrets: dict[str, str], vault: str) -> None:
    assert {name.partition(" of ")[0] for name in secrets} == {
        "the vault",
        "ansible_password",
        "hgs_safe_mode_password",
        "hgs_signing_certificate_password",
        "hgs_encryption_certificate_password",
    }
    done, command_lines = watched(small, small.ansible.start("site drift", "-vvvv", "--diff", vault), secrets)
    assert done.code == 0, done.output
    assert b"ansible-playbook" in command_lines
    assert leaks(command_lines, secrets) == []
    assert {str(path): found for path in files(small) if (found := leaks(path.read_bytes(), secrets))} == {}
    searched = {path.name for path in files(small)}
    assert {"output.txt", "results.jsonl", "lab.log", "vm01.kp", "hgs.xml.sidecar.json", "report.html"} <= searched


def test_what_is_registered_shown_or_fails_holds_no_secret(
    small: Setup, secrets: dict[str, str], vault: str, tmp_path: Path
) -> None:
    canaries = {"of the domain": "Canary-domain-1aA", "that is wrong": "Canary-wrong-1aA"}
    secrets = secrets | canaries
    (tmp_path / "playbook.yml").write_text(PLAYBOOK, encoding="utf-8")
    variables = {"domain_password": canaries["of the domain"], "wrong_password": canaries["that is wrong"]}
    (tmp_path / "variables.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    extra = (f"@{tmp_path / 'variables.yml'}", f"dump={tmp_path / 'registered.json'}")
    arguments = [argument for item in extra for argument in ("--extra-vars", item)]
    arguments.append(vault)
    running = small.ansible.start(tmp_path / "playbook.yml", "-vvvv", "--diff", *arguments)
    done, command_lines = watched(small, running, secrets)
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


CRASHING = """
from dataclasses import replace

from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import ResourceAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.hgs_server import RESOURCE


def crash(before, after):
    secret = after["safe_mode_password"]
    raise RuntimeError(f"{after} with {secret!r}")


class ActionModule(ResourceAction):
    resource = replace(RESOURCE, change=crash)
"""
"""The module hgs_server with a fault that shows in the middle of a task, with secrets in its message and its frames."""

DEBUGGED = """
- hosts: hgs01
  gather_facts: false
  vars:
    service:
      domain: guardian.example
      service: hgs
      mode: Tpm
      safe_mode_password: "{{ hgs_safe_mode_password }}"
      signing_certificate: "{{ hgs_signing_certificate }}"
      signing_certificate_password: "{{ hgs_signing_certificate_password }}"
      encryption_certificate: "{{ hgs_encryption_certificate }}"
      encryption_certificate_password: "{{ hgs_encryption_certificate_password }}"
    joining:
      domain: guardian.example
      join_address: 127.0.0.9
      domain_username: GUARDIAN\\Administrator
      domain_password: "{{ domain_password }}"
      safe_mode_password: "{{ hgs_safe_mode_password }}"
  tasks:
    - name: Check what the first node takes
      guarded.fabric.hgs_server:
        config: "{{ service }}"
      check_mode: true
      register: checked

    - name: Check what a further node takes
      guarded.fabric.hgs_server:
        config: "{{ joining }}"
      check_mode: true
      no_log: true
      register: unlogged

    - name: Crash
      crashing:
        config: "{{ service }}"
      ignore_errors: true
      register: crashed

    - name: Send every secret, to a node that is not there
      guarded.fabric.hgs_server:
        config: "{{ joining }}"
        reboot: true
      ignore_errors: true
      register: refused

    - name: Show what was registered
      ansible.builtin.debug:
        msg: "{{ [checked, unlogged, crashed, refused] }}"
"""


def test_a_crash_under_debug_over_psrp_shows_no_secret(tmp_path: Path) -> None:
    with setup(tmp_path, "small", "psrp") as fresh:
        secrets = secrets_of(fresh) | {"of the domain": "Canary-domain-1aA"}
        vault = locked(fresh)
        secrets["the vault"] = VAULT_PASSWORD
        directory = tmp_path / "decisions" / "playbook"
        (directory / "action_plugins").mkdir(parents=True)
        (directory / "action_plugins" / "crashing.py").write_text(CRASHING, encoding="utf-8")
        (directory / "playbook.yml").write_text(DEBUGGED, encoding="utf-8")
        variables = {"domain_password": secrets["of the domain"]}
        (directory / "variables.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
        ansible = replace(fresh.ansible, variables={"ANSIBLE_DEBUG": "1", "ANSIBLE_DISPLAY_TRACEBACK": "always"})
        arguments = ("-vvvvvv", "--diff", vault, "--extra-vars", f"@{directory / 'variables.yml'}")
        running = ansible.start(directory / "playbook.yml", *arguments)
        done, command_lines = watched(fresh, running, secrets)
        crashed, refused = (result for result in done.results if result.outcome == "failed")
        assert crashed.problems == ["GF-RUN-007"]
        assert "RuntimeError in crashing.py" in str(crashed.result)
        assert refused.result["commands"], "nothing was sent"
        assert "done with _execute_module (guarded.fabric.invoke_cmdlets" in done.output
        assert leaks(command_lines, secrets) == []
        assert {str(path): found for path in files(fresh) if (found := leaks(path.read_bytes(), secrets))} == {}
