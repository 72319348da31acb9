# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that answer stock ansible-playbook with anything but an answer: each is an error, and costs little."""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.wire import certificates
from ansible_collections.guarded.fabric.lab.wire.endpoint import Endpoint
from ansible_collections.guarded.fabric.lab.wire.http import Limits
from ansible_collections.guarded.fabric.lab.wire.ntlm import CredentialFile
from ansible_collections.guarded.fabric.lab.wire.process_result import ProcessResult
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange, resources
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import BY_FOLDER
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import BAD_ANSWER, UNREADABLE
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import SIDECAR_SUFFIX, Approval, Sidecar
from ansible_collections.guarded.fabric.plugins.plugin_utils.no_answer import ANSWER_MEMORY, ANSWER_TOO_LARGE
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.windows_features import FEATURE_UNKNOWN
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible
from ansible_collections.guarded.fabric.tests.unit.lab_wire.machine import (
    PASSWORD,
    USER,
    LoopThread,
    Machine,
    loop_thread,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.tests.integration.runs import Run, Running

LOOKUP = "{{ lookup('pipe', 'touch owned') }}"
GIBIBYTE = 1024**3
BASE = 200 * 1024**2
"""What a process of Ansible takes without an answer, generously."""

PATIENCE_SECONDS = 60
"""For a check of two machines of which one gets three seconds."""

FEATURES = {"Name": "Hyper-V", "InstallState": "Available"}


class Flood(bytes):
    """Output of four gigabytes, made when it is asked for."""

    def __len__(self) -> int:
        """Claim it."""
        return 4 * GIBIBYTE

    def __getitem__(self, part: object) -> bytes:  # type: ignore[override]
        """Make a part of it."""
        assert isinstance(part, slice)
        return b"x" * max(0, min(int(part.stop), len(self)) - int(part.start))


def answer(output: object, **more: object) -> bytes:
    """Return what the module prints, with this output of the one call that the task begins with."""
    result = {"id": "observe-features", "output": output, "attachments": {}, "warnings": []}
    return json.dumps({"changed": False, "results": [result | more], "powershell": "5.1"}).encode()


HOSTS: Mapping[str, tuple[bytes, Kind]] = {
    "flood": (Flood(), ANSWER_TOO_LARGE),
    # As long as an answer with an artifact of the largest size there is.
    "long": (answer([{**FEATURES, "Name": "x" * (exchange.MAXIMUM_SIZE * 4 // 3)}]), FEATURE_UNKNOWN),
    "nested": (b'{"results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ANSWER_TOO_LARGE),
    "nested-entities": (b'{"results": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", ANSWER_TOO_LARGE),
    "silent": (b"", BAD_ANSWER),
    "not-json": (b"<html>It works!</html>", BAD_ANSWER),
    "cut": (answer([FEATURES])[:-20], BAD_ANSWER),
    "binary": (bytes(range(256)) * 50, BAD_ANSWER),
    "list": (b"[]", BAD_ANSWER),
    "text": (b'"results"', BAD_ANSWER),
    "nothing": (b"{}", BAD_ANSWER),
    "results-are-text": (b'{"results": "all well"}', BAD_ANSWER),
    "no-results": (b'{"results": []}', UNREADABLE),
    "twice": (b'{"results": [], "results": {"id": "observe-features"}}', BAD_ANSWER),
    "huge-number": (answer([{**FEATURES, "Name": 1}]).replace(b"1,", b"1e999,"), BAD_ANSWER),
    "not-asked-for": (answer([{**FEATURES, "Password": "x"}]), BAD_ANSWER),
    "bad-base64": (answer([{**FEATURES, "Name": {"$bytes": "!"}}]), BAD_ANSWER),
    "attachment": (answer([FEATURES], attachments={"../../x": "AAAA"}), BAD_ANSWER),
    "accepted": (answer([], error={"id": "X", "category": "Y", "message": "z"}, accepted=True), BAD_ANSWER),
    "facts": (
        json.dumps({"ansible_facts": {"owned": True}, "add_host": {"host_name": "owned"}, "results": []}).encode(),
        UNREADABLE,
    ),
    "template": (
        json.dumps({"failed": True, "msg": f"{LOOKUP} \x1b]0;owned\x07", "results": []}).encode(),
        BAD_ANSWER,
    ),
}

PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Install a feature
      guarded.fabric.windows_features:
        config:
          - name: Hyper-V
      register: installed
      ignore_errors: true

    - name: Show what came of it
      ansible.builtin.debug:
        msg: "{{ owned | default('mine') }} {{ ansible_facts }} {{ installed.msg }}"
"""


def _down(thread: LoopThread, endpoint: Endpoint) -> None:
    thread.run(endpoint.go_down())


@contextmanager
def machines(directory: Path, outputs: Mapping[str, bytes]) -> Iterator[tuple[Path, Mapping[str, Machine]]]:
    """Have machines listen that answer everything with one output; yields an inventory of them."""
    certificate = certificates.ensure(directory, ["127.0.0.1"], datetime.now(UTC))
    credentials = CredentialFile(directory / "ntlm")
    hosts, made = {}, {}
    with loop_thread() as thread, ExitStack() as stack:
        for name, output in outputs.items():
            machine = made[name] = Machine()
            machine.says(ProcessResult(0, output))
            endpoint = Endpoint(machine, "127.0.0.1", 0, credentials, certificate.context(), Limits())
            thread.run(endpoint.come_up())
            stack.callback(_down, thread, endpoint)
            hosts[name] = {"ansible_port": endpoint.port}
        shared = {
            "ansible_host": "127.0.0.1",
            "ansible_connection": "winrm",
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "ansible_winrm_transport": "ntlm",
            "ansible_winrm_ca_trust_path": str(certificate.authority),
        }
        inventory = directory / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": shared}}), encoding="utf-8")
        yield inventory, made


def measured(running: Running, playbook: Path) -> tuple[Run, int]:
    """Wait for a run; return with it the largest number of bytes that one of its processes held in memory."""
    largest = 0
    while running.process.poll() is None:
        for process in Path("/proc").glob("[0-9]*"):
            # Ansible's workers are forks of it, in sessions of their own.
            with suppress(OSError, StopIteration):
                if str(playbook).encode() in (process / "cmdline").read_bytes():
                    lines = (process / "status").read_text(encoding="utf-8").splitlines()
                    peak = next(line for line in lines if line.startswith("VmHWM:"))
                    largest = max(largest, int(peak.split()[1]) * 1024)
        time.sleep(0.05)
    return running.wait(), largest


def test_what_is_no_answer_is_an_error_and_takes_bounded_memory(tmp_path: Path) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    with machines(tmp_path, {name: output for name, (output, _kind) in HOSTS.items()}) as (inventory, asked):
        ansible = Ansible(tmp_path / "ansible", [inventory])
        done, memory = measured(ansible.start(playbook, "--forks", "4"), playbook)
    assert done.code == 0, done.output
    found = {result.host: result.problems for result in done.of("guarded.fabric.windows_features")}
    assert found == {name: [kind.id] for name, (_output, kind) in HOSTS.items()}
    # Nothing more was sent to any of them.
    assert {name: len(machine.executions) for name, machine in asked.items()} == dict.fromkeys(HOSTS, 1)
    assert ANSWER_MEMORY / 2 < memory < BASE + ANSWER_MEMORY, f"{memory} bytes"
    # What a host says is shown, and not obeyed: no fact of its own, no template, no terminal.
    said = {result.host: result.result["msg"] for result in done.of("ansible.builtin.debug")}
    assert all(text.startswith("mine {} GF-") for text in said.values()), said
    assert LOOKUP in said["template"]
    assert "\x1b" not in done.output
    assert not list(tmp_path.rglob("owned"))


def test_a_machine_that_never_comes_to_an_end_holds_up_the_drift_check_only_for_a_time(tmp_path: Path) -> None:
    features = {"windows_features": {"config": [{"name": "Hyper-V"}]}}
    variables = {
        "guarded_hosts": "all",
        "guarded_host_declared": features,
        "shielded_vm_declared": {},
        "drift_folder": str(tmp_path / "drift"),
        "drift_fail_at": [{"severity": "never"}],
        "drift_machine_seconds": 3,
    }
    with machines(tmp_path, dict.fromkeys(("endless", "next"), b"{}")) as (inventory, asked):
        asked["endless"].says(ProcessResult(0, b"{}"), after=3600)
        ansible = Ansible(tmp_path / "ansible", [inventory])
        begun = time.monotonic()
        done = ansible.run("drift", "--forks", "1", "--extra-vars", json.dumps(variables))
        took = time.monotonic() - begun
    assert done.code == 0, done.output
    written = json.loads((tmp_path / "drift" / "latest" / "findings.json").read_text(encoding="utf-8"))
    found = {item["machine"]: (item["id"], item["actual"]) for item in written["findings"]}
    assert found["endless"][0] == found["next"][0] == "GF-DRF-009"
    assert "Timed out after 3 second" in found["endless"][1]
    assert BAD_ANSWER.id in found["next"][1]
    assert {name: len(machine.executions) for name, machine in asked.items()} == {"endless": 1, "next": 1}
    assert took < PATIENCE_SECONDS


def consumers() -> Iterator[tuple[str, dict[str, object], ArtifactKind]]:
    """Go through every option of every module that takes an artifact; the path is to be put in place of PATH."""
    for module in pkgutil.iter_modules(resources.__path__):
        resource = getattr(importlib.import_module(f"{resources.__name__}.{module.name}"), "RESOURCE", None)
        if resource is None:
            continue
        for option in resource.options:
            if option.artifact is not None:
                item = {**({resource.key: "vm01"} if resource.key else {}), option.name: "PATH"}
                yield module.name, {"config": item if resource.single else [item]}, option.artifact
    approval: dict[str, object] = {"paths": ["PATH"], "by": "ada", "reason": "compared"}
    yield from (("artifact_approval", approval, kind) for kind in BY_FOLDER.values())


def _altered(path: Path, kind: ArtifactKind) -> None:
    path.write_bytes(b"something else")
    sidecar = Sidecar(kind.folder, "host01", "2026-11-24T19:00:00Z", sha256(b"it").hexdigest(), "it", APPROVED)
    path.with_name(path.name + SIDECAR_SUFFIX).write_text(json.dumps(asdict(sidecar)), encoding="utf-8")


def _bare(path: Path, _kind: ArtifactKind) -> None:
    path.write_bytes(b"something")


def _linked(path: Path, _kind: ArtifactKind) -> None:
    path.symlink_to("/dev/zero")


APPROVED = Approval("ada", "2026-11-24T19:00:00Z", "compared")
WAYS = {"altered": (_altered, exchange.ARTIFACT_ALTERED), "bare": (_bare, exchange.SIDECAR_MISSING)} | {
    "linked": (_linked, exchange.NOT_PLAIN)
}


def test_what_lies_in_the_exchange_directory_is_refused_before_a_machine_is_asked(tmp_path: Path) -> None:
    tasks, expected = [], {}
    for number, (module, arguments, kind) in enumerate(consumers()):
        # Each module meets one that was altered, and the first of all the others too.
        for way in WAYS if number == 0 else ("altered",):
            make, problem = WAYS[way]
            path = tmp_path / "exchange" / f"{way}{number}" / kind.folder / f"vm01{kind.suffix}"
            path.parent.mkdir(parents=True)
            make(path, kind)
            name = f"{module} takes {path.relative_to(tmp_path)}"
            given = json.loads(json.dumps(arguments).replace("PATH", str(path)))
            tasks.append({"name": name, f"guarded.fabric.{module}": given, "ignore_errors": True})
            expected[name] = [problem.id]
    assert len(expected) > len(BY_FOLDER) + len(WAYS)
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    with machines(tmp_path, {"host01": b"{}"}) as (inventory, asked):
        done = Ansible(tmp_path / "ansible", [inventory]).run(playbook)
    assert {result.task: result.problems for result in done.results} == expected, done.output
    assert asked["host01"].executions == []
