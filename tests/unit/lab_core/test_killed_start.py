# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that is killed while it starts for the first time can be started again, with all that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import yaml
from ansible_collections.guarded.fabric.lab.directory import Directory
from ansible_collections.guarded.fabric.lab.world.store import Store

PROGRAM = Path(__file__).with_name("killed_start.py")
TOPOLOGY = """
winrm_port: 25986
machines:
  - {kind: dns, name: dns01}
  - {kind: tenant, name: tenant01}
"""


def test_a_lab_killed_in_any_step_of_its_first_start_can_be_started(tmp_path: Path) -> None:
    (tmp_path / "topology.yml").write_text(TOPOLOGY, encoding="utf-8")
    (tmp_path / "labs").mkdir()
    network = f"127.{60 + os.getpid() % 40}.{os.getpid() // 40 % 250}.0/26"
    subprocess.run([sys.executable, PROGRAM, tmp_path / "labs", tmp_path / "topology.yml", network], check=True)
    labs = [Directory(path) for path in (tmp_path / "labs").iterdir()]
    assert len(labs) > 7
    for lab in labs:
        passwords = json.loads(lab.passwords.read_text(encoding="utf-8"))
        with closing(Store(lab.world)) as store:
            world = store.load()
        assert world.machines["tenant01"].accounts["administrator"].password == passwords["tenant"]
        inventory = (lab.inventory / "group_vars" / "tenant" / "password.yml").read_text(encoding="utf-8")
        assert yaml.safe_load(inventory) == {"ansible_password": passwords["tenant"]}
        assert list(yaml.safe_load((lab.inventory / "hosts.yml").read_text(encoding="utf-8"))) == ["all"]
        assert [path for path in lab.path.rglob("*") if path.name.endswith(".new")] == []
