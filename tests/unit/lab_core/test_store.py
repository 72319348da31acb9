# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world.store import Store, StoreError

from .playground import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from .playground import Playground


def test_a_saved_world_is_the_same_when_loaded(lab: Playground, tmp_path: Path) -> None:
    lab.make_first_node()
    store = Store(tmp_path / "world")
    assert store.is_empty()
    store.save(lab.world, lab.clock.now())
    store.close()
    again = Store(tmp_path / "world")
    assert not again.is_empty()
    assert again.load() == lab.world


def test_only_its_owner_can_read_it(lab: Playground, tmp_path: Path) -> None:
    Store(tmp_path / "world").save(lab.world, NOW)
    assert (tmp_path / "world").stat().st_mode & 0o777 == 0o600


def test_only_what_changed_is_written(lab: Playground, tmp_path: Path) -> None:
    store = Store(tmp_path / "world")
    entities = len(lab.world.machines) + len(lab.world.domains) + len(lab.world.tpm_vendors)
    assert store.save(lab.world, NOW) == entities
    assert store.save(lab.world, NOW) == 0
    lab.machine("hosta01").dns_client.append("10.0.0.1")
    lab.machine("hosta02").dns_client.append("10.0.0.1")
    assert store.save(lab.world, NOW, ["hosta01"]) == 1
    assert store.save(lab.world, NOW) == 1


def test_what_is_gone_is_gone_from_the_file_too(lab: Playground, tmp_path: Path) -> None:
    lab.make_first_node()
    store = Store(tmp_path / "world")
    store.save(lab.world, NOW)
    lab.call("hgs01", "Clear-HgsServer", Force=True)
    store.save(lab.world, NOW, ["hgs01"])
    assert Store(tmp_path / "world").load().clusters == {}


def test_time_goes_on_with_real_time_while_nothing_runs(lab: Playground, tmp_path: Path) -> None:
    store = Store(tmp_path / "world")
    assert store.world_time(NOW) == NOW
    store.save(lab.world, NOW + timedelta(days=3))
    real = sqlite3.connect(tmp_path / "world").execute("SELECT value FROM fact WHERE name = 'real_time'").fetchone()[0]
    later = type(NOW).fromisoformat(real) + timedelta(hours=2)
    assert store.world_time(later) == NOW + timedelta(days=3, hours=2)


def test_a_world_of_another_version_is_refused(lab: Playground, tmp_path: Path) -> None:
    store = Store(tmp_path / "world")
    store.save(lab.world, NOW)
    with sqlite3.connect(tmp_path / "world") as connection:
        connection.execute("UPDATE fact SET value = '0' WHERE name = 'schema'")
    with pytest.raises(StoreError, match="another version"):
        Store(tmp_path / "world").load()


def test_a_file_that_is_no_world_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError):
        Store(tmp_path / "world")


def test_a_row_cannot_make_the_lab_run_code(lab: Playground, tmp_path: Path) -> None:
    store = Store(tmp_path / "world")
    store.save(lab.world, NOW)

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch " + str(tmp_path / "owned"),)

    with sqlite3.connect(tmp_path / "world") as connection:
        connection.execute("UPDATE entity SET data = ? WHERE key = 'hosta01'", (pickle.dumps(Evil()),))
    with pytest.raises(StoreError, match="not part of a world"):
        Store(tmp_path / "world").load()
    assert not (tmp_path / "owned").exists()


_WRITER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from ansible_collections.guarded.fabric.lab.world.model import Machine, World
from ansible_collections.guarded.fabric.lab.world.store import Store
store, number = Store(Path(sys.argv[1])), 0
machine = Machine("a", "host", "127.0.0.1", "2022", "Datacenter", {})
world = World(machines={"a": machine})
while True:
    number += 1
    machine.files["number"] = machine.files["again"] = str(number).encode() * 10000
    store.save(world, datetime.now(timezone.utc), ["a"])
    print(number, flush=True)
"""


def test_a_killed_lab_leaves_a_whole_world(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path / "world")], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        saved = [int(writer.stdout.readline()) for _ in range(50)][-1]
        writer.send_signal(signal.SIGKILL)
    files = Store(tmp_path / "world").load().machines["a"].files
    assert files["number"] == files["again"]
    assert int(files["number"][: len(files["number"]) // 10000]) >= saved
