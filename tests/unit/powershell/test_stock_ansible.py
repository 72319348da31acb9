# SPDX-License-Identifier: GPL-3.0-or-later
"""Stock ansible-core 2.21 runs the module in PowerShell 7 on a local connection: nothing of the lab is in between."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.guarded.fabric.tests.powershell.generate_stubs import write_module
from ansible_collections.guarded.fabric.tests.powershell.product_calls import product_calls
from ansible_collections.guarded.fabric.tests.powershell.shell import ROOT

from .test_invoke_cmdlets import HOSTILE, PROBE, utf16

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - guarded.fabric.invoke_cmdlets:
        calls: "{{ item.calls }}"
      check_mode: "{{ item.check_mode }}"
      loop: "{{ lookup('ansible.builtin.file', batches) | from_json }}"
      register: batch
      ignore_errors: true
    - ansible.builtin.copy:
        content: "{{ batch.results | map('ansible.builtin.combine', {'item': none}) | to_json }}"
        dest: "{{ answers }}"
        mode: "0600"
"""

Batch = Mapping[str, object]


@pytest.fixture(scope="module")
def ansible_playbook() -> Path:
    """Return ansible-playbook of ansible-core 2.21."""
    named = os.environ.get("GUARDED_FABRIC_ANSIBLE_221")
    found = Path(named) if named else ROOT / ".build" / "venv-2.21" / "bin" / "ansible"
    if not found.exists():
        pytest.skip("ansible-core 2.21 is needed: make setup, with a Python 3.12 or newer")
    return found.with_name("ansible-playbook")


def batch(*calls: Batch, check_mode: bool = False) -> Batch:
    return {"calls": [{"id": f"c{number}", **call} for number, call in enumerate(calls)], "check_mode": check_mode}


def run(ansible_playbook: Path, pwsh: Path, folder: Path, batches: Sequence[Batch], modules: list[Path]) -> list[Any]:
    """Run each batch as a task of its own and return what the tasks registered."""
    folder.joinpath("playbook.yml").write_text(PLAYBOOK)
    folder.joinpath("batches.json").write_text(json.dumps(batches))
    variables = {
        "ansible_connection": "local",
        "ansible_pwsh_interpreter": str(pwsh),
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "batches": str(folder / "batches.json"),
        "answers": str(folder / "answers.json"),
    }
    command: list[str | Path] = [
        ansible_playbook,
        "-i",
        "localhost,",
        "-e",
        json.dumps(variables),
        folder / "playbook.yml",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "ANSIBLE_HOME": str(folder / "home"),
        # PowerShell finds modules in the folders that hold theirs.
        "PSModulePath": os.pathsep.join(str(path.parent) for path in modules),
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    answers: list[Any] = json.loads(folder.joinpath("answers.json").read_text())
    return answers


def test_the_module_runs_in_the_stock_wrapper(ansible_playbook: Path, pwsh: Path, tmp_path: Path) -> None:
    read = {"cmdlet": "Get-ProbeScalar", "parameters": {"Kind": "host"}}
    change = {"cmdlet": "Get-ProbeObject", "changes": True}
    wrong = {"cmdlet": "Write-ProbeStream", "parameters": {"Warning": ["careful"], "ErrorId": "Busy"}}
    secret = {
        "cmdlet": "Get-ProbeArgument",
        "parameters": {"Secret": {"$secret": "pa'$x\"\u2019"}},
        "select": ["Hex"],
    }
    file = {
        "cmdlet": "Get-ProbeFile",
        "parameters": {"Path": {"$file": {"content": "AQID", "suffix": ".pfx"}}},
        "attach": ["FullName"],
    }
    texts = [
        {"cmdlet": "Get-ProbeArgument", "parameters": {"Value": text}, "select": ["Type", "Hex"]} for text in HOSTILE
    ]
    reading, changing, failing, refused, peeking, verbatim = run(
        ansible_playbook,
        pwsh,
        tmp_path,
        [
            batch(read, secret, file),
            batch(change),
            batch(change, wrong, read),
            batch(read, change, check_mode=True),
            batch(read, check_mode=True),
            batch(*texts),
        ],
        [PROBE],
    )
    assert not reading["changed"]
    assert not reading["failed"]
    scalar, hidden, attached = reading["results"]
    assert scalar["output"] == ["for a program"]
    assert hidden["output"] == [{"Hex": [utf16("pa'$x\"\u2019")]}]
    assert attached["attachments"] == {"FullName": "AQID"}
    assert changing["changed"]
    assert failing["failed"]
    assert failing["changed"]
    assert failing["msg"] == "Write-ProbeStream: it went wrong"
    assert failing["results"][1]["error"]["id"] == "Busy,Write-ProbeStream"
    assert failing["results"][1]["warnings"] == ["careful"]
    assert refused["failed"]
    assert refused["results"] == []
    assert peeking["results"][0]["output"] == ["for a program"]
    assert [entry["output"] for entry in verbatim["results"]] == [
        [{"Type": "System.String", "Hex": [utf16(text)]}] for text in HOSTILE
    ]


def test_every_call_of_the_collection_is_bound(ansible_playbook: Path, pwsh: Path, tmp_path: Path) -> None:
    product = product_calls("2022")
    module = write_module(tmp_path / "modules", "Published", product.stubs)
    (answer,) = run(ansible_playbook, pwsh, tmp_path, [{"calls": product.wire, "check_mode": False}], [module])
    assert product.disagreements(answer["results"]) == set()
