# SPDX-License-Identifier: GPL-3.0-or-later
"""Stock ansible of this environment, through its own winrm and psrp connection plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.wire.target import ModuleExecution, ProcessResult
from ansible_collections.guarded.fabric.tests.unit.data.payloads.probe import PROBE

from .machine import PASSWORD, USER

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Listening

ARGUMENTS = {"text": "grüße 😀", "nested": [{"a": None}]}


def ansible(listening: Listening, directory: Path, connection: str, *options: str) -> tuple[int, str]:
    """Run `ansible` once; return its exit code and output."""
    (directory / "library").mkdir()
    (directory / "library/probe.ps1").write_bytes(PROBE)
    authority = str(listening.certificate.authority)
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": listening.https.port,
        "ansible_connection": connection,
        "ansible_user": USER,
        "ansible_password": PASSWORD,
        "ansible_winrm_transport": "ntlm",
        "ansible_winrm_ca_trust_path": authority,
        "ansible_psrp_auth": "negotiate",
        "ansible_psrp_ca_cert": authority,
    }
    (directory / "inventory.json").write_text(json.dumps({"all": {"hosts": {"machine": variables}}}))
    finished = subprocess.run(
        [sys.executable, "-m", "ansible", "adhoc", "-i", "inventory.json", "-M", "library", *options, "machine"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


@pytest.mark.parametrize("connection", ["winrm", "psrp"])
def test_a_module_runs_and_its_result_comes_back(listening: Listening, tmp_path: Path, connection: str) -> None:
    result = {"changed": True, "echo": "ö𝄞", "warnings": ["careful"]}
    listening.machine.says(ProcessResult(0, json.dumps(result, ensure_ascii=False).encode()))
    code, output = ansible(listening, tmp_path, connection, "-m", "probe", "-a", json.dumps(ARGUMENTS))
    assert code == 0, output
    assert "machine | CHANGED" in output
    assert "ö𝄞" in output
    assert "careful" in output
    ((execution, user),) = listening.machine.executions
    assert isinstance(execution, ModuleExecution)
    assert (execution.name, execution.arguments, user) == ("probe", ARGUMENTS, USER)
    assert execution.source == PROBE


@pytest.mark.parametrize("connection", ["winrm", "psrp"])
def test_a_failed_module_fails_the_task(listening: Listening, tmp_path: Path, connection: str) -> None:
    listening.machine.says(ProcessResult(1, b'{"failed": true, "msg": "HGS is not initialized"}'))
    code, output = ansible(listening, tmp_path, connection, "-m", "probe")
    assert code == 2
    assert "machine | FAILED" in output
    assert "HGS is not initialized" in output


@pytest.mark.parametrize(
    ("connection", "options", "why"),
    [
        ("winrm", ("-m", "probe", "-B", "30", "-P", "1"), "not support the exec wrapper action async_wrapper"),
        ("psrp", ("-m", "probe", "-b", "--become-method=runas", "--become-user=SYSTEM"), "action become_wrapper"),
        ("winrm", ("-m", "raw", "-a", "Get-Date"), "interprets no PowerShell"),
        ("psrp", ("-m", "copy", "-a", "content=x dest=C:\\\\x"), "copies no files over the connection"),
    ],
)
def test_what_the_lab_does_not_emulate_fails_and_says_so(
    listening: Listening, tmp_path: Path, connection: str, options: tuple[str, ...], why: str
) -> None:
    code, output = ansible(listening, tmp_path, connection, *options)
    assert code != 0
    assert why in output
    assert listening.machine.executions == []
