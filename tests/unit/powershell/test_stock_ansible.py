# SPDX-License-Identifier: GPL-3.0-or-later
"""Stock ansible-core 2.21 runs the module in PowerShell 7 on a local connection: nothing of the lab is in between."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.guarded.fabric.tests.powershell.generate_stubs import write_module
from ansible_collections.guarded.fabric.tests.powershell.product_calls import ProductCalls, product_calls
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
Answer = Mapping[str, Any]
READ = {"cmdlet": "Get-ProbeScalar", "parameters": {"Kind": "host"}}
CHANGE = {"cmdlet": "Get-ProbeObject", "changes": True}
WRONG = {"cmdlet": "Write-ProbeStream", "parameters": {"Warning": ["careful"], "ErrorId": "Busy"}}
SECRET = {
    "cmdlet": "Get-ProbeArgument",
    "parameters": {"Secret": {"$secret": "pa'$x\"\u2019"}},
    "select": ["Hex"],
}
FILE = {
    "cmdlet": "Get-ProbeFile",
    "parameters": {"Path": {"$file": {"content": "AQID", "suffix": ".pfx"}}},
    "attach": ["FullName"],
}
TEXTS = [{"cmdlet": "Get-ProbeArgument", "parameters": {"Value": text}, "select": ["Type", "Hex"]} for text in HOSTILE]


@pytest.fixture(scope="module")
def ansible_playbook() -> Path:
    """Return ansible-playbook of ansible-core 2.21."""
    named = os.environ.get("GUARDED_FABRIC_ANSIBLE_221")
    found = Path(named) if named else ROOT / ".build" / "venv-2.21" / "bin" / "ansible"
    if not found.exists():
        pytest.skip("ansible-core 2.21 is needed: make setup, with a Python 3.12 or newer")
    return found.with_name("ansible-playbook")


def batch(*calls: Batch, check_mode: bool = False) -> dict[str, Any]:
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


@dataclass(frozen=True)
class Answers:
    """What the tasks registered; starting PowerShell for each of them is what takes the time."""

    reading: Answer
    failing: Answer
    refused: Answer
    probed: Sequence[Answer]
    bound: Sequence[Answer]
    """Results of the task that reads, in two parts: of the probe's calls, and of the product's after them."""


@pytest.fixture(scope="module")
def product() -> ProductCalls:
    return product_calls("2022")


@pytest.fixture(scope="module")
def answers(
    ansible_playbook: Path, pwsh: Path, product: ProductCalls, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    folder = tmp_path_factory.mktemp("stock")
    published = write_module(folder / "modules", "Published", product.stubs)
    reading = batch(READ, SECRET, FILE, *TEXTS)
    everything, probes = {**reading, "calls": [*reading["calls"], *product.wire]}, len(reading["calls"])
    batches = [everything, batch(CHANGE, WRONG, READ), batch(READ, CHANGE, check_mode=True)]
    read, failing, refused = run(ansible_playbook, pwsh, folder, batches, [PROBE, published])
    return Answers(read, failing, refused, read["results"][:probes], read["results"][probes:])


def test_answers_come_back_through_the_stock_wrapper(answers: Answers) -> None:
    assert not answers.reading["changed"]
    assert not answers.reading["failed"]
    scalar, hidden, attached, *verbatim = answers.probed
    assert scalar["output"] == ["for a program"]
    assert hidden["output"] == [{"Hex": [utf16("pa'$x\"\u2019")]}]
    assert attached["attachments"] == {"FullName": "AQID"}
    assert [entry["output"] for entry in verbatim] == [
        [{"Type": "System.String", "Hex": [utf16(text)]}] for text in HOSTILE
    ]


def test_a_failure_comes_back_through_the_stock_wrapper(answers: Answers) -> None:
    failing = answers.failing
    assert failing["failed"]
    assert failing["changed"]
    assert failing["msg"] == "Write-ProbeStream: it went wrong"
    assert failing["results"][1]["error"]["id"] == "Busy,Write-ProbeStream"
    assert failing["results"][1]["warnings"] == ["careful"]


def test_check_mode_reaches_the_module_through_the_stock_wrapper(answers: Answers) -> None:
    assert answers.refused["failed"]
    assert answers.refused["results"] == []


def test_every_call_of_the_collection_is_bound(answers: Answers, product: ProductCalls) -> None:
    assert product.disagreements(answers.bound) == set()
