# SPDX-License-Identifier: GPL-3.0-or-later
"""Adopting a fabric as a user does: what comes of it, run back, changes nothing, and the drift check finds nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

APPROVED = {"adopt_approved_by": "ada", "adopt_approval_reason": "taken over as it runs"}


@pytest.fixture(scope="module")
def fabric(small: Setup) -> Setup:
    small.ansible.succeed("site")
    return small


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_adopted_changes_nothing_and_has_not_drifted(fabric: Setup, tmp_path: Path) -> None:
    folder, changes = tmp_path / "adopted", fabric.lab.changes()
    # Nothing but where the machines are, and their passwords.
    bare = Ansible(tmp_path / "bare", [fabric.lab.inventory])
    adopting = ("adopt", "--extra-vars", json.dumps({"adopt_folder": str(folder), **APPROVED}))
    assert bare.succeed(*adopting, "--check").changed == ["Write it down on localhost"]
    assert not folder.exists()
    assert bare.succeed(*adopting).changed == ["Write it down on localhost"]
    written = contents(folder)
    passwords = [path.read_text(encoding="utf-8").split()[-1] for path in fabric.lab.inventory.rglob("password.yml")]
    assert passwords
    assert not any(password.encode() in content for password in passwords for content in written.values())

    # The lab's inventory has the passwords; whatever else is known is what was adopted.
    adopted = Ansible(tmp_path / "adopted run", [fabric.lab.inventory, folder / "fabric.yml"])
    done = adopted.succeed("site")
    assert done.changed == []
    assert fabric.lab.changes() == changes
    assert contents(folder) == written
    limits = {"drift_clock_seconds": 10**9, "drift_fail_at": [{"severity": "info"}]}
    adopted.succeed("drift", "--extra-vars", json.dumps({"drift_folder": str(tmp_path / "drift"), **limits}))


def test_an_account_that_only_reads_adopts_and_checks_what_it_sees_and_says_what_it_does_not(
    fabric: Setup, tmp_path: Path
) -> None:
    fabric.lab.tell("add-reader", name="auditor", password="Only-Reads-1")
    folder, changes = tmp_path / "adopted", fabric.lab.changes()
    auditor = {"ansible_user": "auditor", "ansible_password": "Only-Reads-1"}
    looking = Ansible(tmp_path / "looking", [fabric.lab.inventory])
    done = looking.succeed("adopt", "--extra-vars", json.dumps({"adopt_folder": str(folder), **APPROVED, **auditor}))
    (adoption,) = done.of("guarded.fabric.adoption")
    assert {note["thing"] for note in adoption.result["notes"] if note["id"] == "GF-ADO-001"} == {
        "platform identifier of host01",
        "boot log of host01",
        "shielded_vms of host01",
        "guardian metadata of hgs01",
    }
    assert adoption.result["not_adopted"] == []

    checked = fabric.ansible.run(
        "drift", "--extra-vars", json.dumps({**auditor, "drift_folder": str(tmp_path / "drift")})
    )
    found = json.loads((tmp_path / "drift" / "latest" / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert [(item["id"], item["machine"], item["resource"]) for item in found] == [
        ("GF-DRF-008", "host01", "shielded_vms")
    ]
    assert "GF-DRF-008" in checked.output
    assert fabric.lab.changes() == changes
