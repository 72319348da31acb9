# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook awx by stock ansible-playbook, at a stand-in for AWX's API; and the exchange and slices of its jobs.

What it makes, and that a second run changes nothing, is looked at in tests/unit/awx/, where no module needs a process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.filter.awx import awx_playbooks
from ansible_collections.guarded.fabric.tests.awx_api.server import Api, serving
from ansible_collections.guarded.fabric.tests.awx_api.store import Store
from ansible_collections.guarded.fabric.tests.integration.runs import BUILD, Ansible, Run
from ansible_collections.guarded.fabric.tests.unit.awx.declared import CANARY, options

AWX = BUILD / "ansible_collections" / "awx" / "awx"
if not AWX.is_dir():
    pytest.skip("there is no awx.awx: AWX was not set up", allow_module_level=True)

# Without, every request loads all authorities of the machine, for which there is no use on loopback.
NO_AUTHORITIES = {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/nonexistent"}


@dataclass(frozen=True)
class Setup:
    directory: Path
    ansible: Ansible
    store: Store

    def run(self, *arguments: str, **variables: object) -> Run:
        """Run the playbook with one file of variables, as a user does."""
        file = self.directory / "awx.yml"
        file.write_text(json.dumps(variables), encoding="utf-8")
        return self.ansible.run("awx", "--extra-vars", f"@{file}", *arguments)


@pytest.fixture
def store() -> Store:
    playbooks = {f"playbooks/{item['file']}" for item in awx_playbooks(["tenant"])}
    store = Store({"ssh://git.example/tenant.git": playbooks})
    store.add_user("admin", f"{CANARY}-admin", superuser=True)
    store.add_user("tenant", "password")
    return store


@pytest.fixture
def setup(tmp_path: Path, store: Store) -> Setup:
    return Setup(tmp_path, Ansible(tmp_path / "ansible", [], variables=NO_AUTHORITIES), store)


def variables(host: str) -> dict[str, object]:
    connection = {"host": host, "username": "admin", "password": f"{CANARY}-admin"}
    said = options("tenant")
    return {
        "awx_connection": connection,
        "awx_domains": said["domains"],
        "awx_execution_environment": said["execution_environment"],
    }


def test_check_mode_predicts_and_no_secret_is_said_aloud(setup: Setup) -> None:
    with serving(Api(setup.store)) as host:
        predicted = setup.run("--check", "-vvvv", **variables(host))
        assert setup.store.changes == 0
        made = setup.run("-vvvv", **variables(host))
        setup.store.repositories.clear()
        broken = variables(host) | {"awx_prefix": "Another"}
        refused = setup.run("-vvvv", **broken)
    assert [run.code for run in (predicted, made)] == [0, 0], made.output
    (expected,), (result,) = predicted.of("guarded.fabric.awx_setup"), made.of("guarded.fabric.awx_setup")
    assert expected.result["objects"] == result.result["objects"]
    assert refused.code != 0
    assert "GF-AWX-001" in refused.output
    assert CANARY in str(setup.store.objects["credentials"])
    for run in (predicted, made, refused):
        assert CANARY not in run.output + str(run.results)


def test_ansible_controller_is_taken_as_well(setup: Setup) -> None:
    collections = setup.directory / "collections"
    controller = collections / "ansible_collections" / "ansible" / "controller"
    shutil.copytree(AWX / "plugins", controller / "plugins")
    shutil.copytree(AWX / "meta", controller / "meta")
    # As AWX's own build makes the one of the other.
    api = controller / "plugins" / "module_utils" / "controller_api.py"
    text = api.read_text(encoding="utf-8")
    api.write_text(text.replace('_COLLECTION_TYPE = "awx"', '_COLLECTION_TYPE = "controller"'), encoding="utf-8")
    both = {**NO_AUTHORITIES, "ANSIBLE_COLLECTIONS_PATH": f"{BUILD}:{collections}"}
    setup = Setup(setup.directory, Ansible(setup.directory / "both", [], variables=both), setup.store)
    with serving(Api(setup.store, prefix="/api/controller/")) as host:
        wrong = setup.run("--check", **variables(host))
        predicted = setup.run("--check", **variables(host), awx_collection="ansible.controller")
        assert setup.store.changes == 0
    assert "GF-AWX-001" in wrong.output
    assert predicted.code == 0, predicted.output
    assert predicted.changed != []


def test_the_playbooks_of_a_project_are_written(setup: Setup) -> None:
    written = setup.run(**variables("none"), awx_project_folder=str(setup.directory / "projects"))
    assert written.code == 0, written.output
    folder = setup.directory / "projects" / "tenant" / "playbooks"
    assert {path.name for path in folder.iterdir()} == {item["file"] for item in awx_playbooks(["tenant"])}
    assert (folder / "key_protectors.yml").read_text(encoding="utf-8").splitlines() == [
        "---",
        "- import_playbook: guarded.fabric.exchange_pull",
        "- import_playbook: guarded.fabric.key_protectors",
        "- import_playbook: guarded.fabric.exchange_push",
    ]


def test_the_exchange_directory_is_fetched_and_published(setup: Setup) -> None:
    repository = setup.directory / "exchange.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
    first, second = setup.directory / "first", setup.directory / "second"

    def run(playbooks: str, path: Path) -> Run:
        said = {"exchange_directory": str(path), "exchange_repository": str(repository)}
        return setup.ansible.run(playbooks, "--extra-vars", json.dumps(said))

    assert run("exchange_pull", first).code == 0
    (first / "artifact").write_text("mine", encoding="utf-8")
    assert run("exchange_push exchange_push", first).changed == ["Publish on localhost"]
    assert run("exchange_pull", second).code == 0
    assert (second / "artifact").read_text(encoding="utf-8") == "mine"
    skipped = setup.ansible.run("exchange_pull exchange_push")
    assert (skipped.code, skipped.changed) == (0, [])


def test_slices_become_one_report(setup: Setup) -> None:
    inventories = {}
    for number, name in ((17, "host01"), (18, "host02")):
        inventories[number] = setup.directory / f"slice{number}.yml"
        hosts = {name: {"ansible_host": "192.0.2.1", "ansible_connection": "none"}}
        data = {"all": {"children": {"dns": {}, "guarded_hosts": {"hosts": hosts}}}}
        inventories[number].write_text(json.dumps(data), encoding="utf-8")
    shown: dict[str, object] = {}
    for number, inventory in inventories.items():
        said = {
            "drift_hand_over": True,
            "awx_job_id": number,
            "drift_folder": str(setup.directory / f"slice{number}"),
            "exchange_directory": str(setup.directory),
            "guarded_host_hgs_service": "hgs.guardian.example",
        }
        run = setup.ansible.run("drift", "-i", str(inventory), "--extra-vars", json.dumps(said))
        assert run.code == 0, run.output
        (handed,) = [result for result in run.of("ansible.builtin.set_stats") if result.outcome == "ok"]
        shown |= handed.result["ansible_stats"]["data"]
        assert not (setup.directory / f"slice{number}").exists()
    said = {**shown, "drift_folder": str(setup.directory / "report"), "drift_fail_at": [{"severity": "never"}]}
    run = setup.ansible.run("drift_merge", "--extra-vars", json.dumps(said))
    assert run.code == 0, run.output
    report = json.loads((setup.directory / "report" / "latest" / "findings.json").read_text(encoding="utf-8"))
    assert sorted(machine["name"] for machine in report["machines"]) == ["host01", "host02"]
    assert setup.ansible.run("drift_merge", "--extra-vars", json.dumps({"drift_folder": "/tmp/none"})).code != 0  # noqa: S108
