# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world.model import TpmHost
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


def register(lab: Playground, name: str) -> None:
    """Let the Host Guardian Service know a host."""
    (cluster,) = lab.world.clusters.values()
    cluster.attestation.hosts[name] = TpmHost(name, "00" * 32, b"key", None, "v2")


def test_a_registered_host_is_written_once_and_not_with_its_cluster(lab: Playground, tmp_path: Path) -> None:
    lab.make_first_node()
    for number in range(3):
        register(lab, f"host/{number}")
    store = Store(tmp_path / "world")
    store.save(lab.world, NOW)
    register(lab, "host/1")
    assert store.save(lab.world, NOW, []) == 1
    (cluster,) = lab.world.clusters.values()
    cluster.attestation.events.append({})
    assert store.save(lab.world, NOW, []) == 1
    assert Store(tmp_path / "world").load() == lab.world
    del cluster.attestation.hosts["host/0"]
    store.save(lab.world, NOW, [])
    assert Store(tmp_path / "world").load() == lab.world
    lab.call("hgs01", "Clear-HgsServer", Force=True)
    store.save(lab.world, NOW, ["hgs01"])
    again = Store(tmp_path / "world")
    assert again.load() == lab.world
    assert again.save(lab.world, NOW, []) == 0


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


def test_what_could_not_be_written_is_written_the_next_time(lab: Playground, tmp_path: Path) -> None:
    store = Store(tmp_path / "world")
    store.save(lab.world, NOW)
    lab.machine("hosta01").dns_client.append("10.0.0.1")
    with sqlite3.connect(tmp_path / "world") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON fact BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        store.save(lab.world, NOW)
    with sqlite3.connect(tmp_path / "world") as other:
        other.execute("DROP TRIGGER full")
    store.save(lab.world, NOW)
    assert Store(tmp_path / "world").load() == lab.world


_KILLED = """
import os, random, select, signal, sys, time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from ansible_collections.guarded.fabric.lab.world.model import Domain, Machine, World
from ansible_collections.guarded.fabric.lab.world.model import TpmHost
from ansible_collections.guarded.fabric.lab.world.store import Store

path, chance = Path(sys.argv[1]), random.Random(5)

def write(answers):
    with closing(Store(path)) as store:
        world = World() if store.is_empty() else store.load()
        number = number_of(world)
        while True:
            number += 1
            size = chance.randrange(1, 100_000)
            files = {"x": bytes(size)}
            for name in "ab":
                world.machines[name] = Machine(name, "host", str(number), "2022", "Datacenter", {}, files=files)
            world.domains["d"] = Domain(str(number), "D", {}, ["x" * size])
            store.save(world, datetime.now(timezone.utc), ["a", "b"])
            os.write(answers, b"%d " % number)

def number_of(world):
    return int(world.machines["a"].address) if world.machines else 0

for kill in range(60):
    answered, answers = os.pipe()
    child = os.fork()
    if child == 0:
        write(answers)
    os.close(answers)
    select.select([answered], [], [])
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(answered, "rb") as stream:
        last = int(stream.read().split()[-1])
    with closing(Store(path)) as store:
        world = store.load()
    found = {world.machines["a"].address, world.machines["b"].address, world.domains["d"].name}
    assert len(found) == 1, found
    assert last <= number_of(world) <= last + 1, (last, found)
"""


def test_a_lab_killed_at_any_moment_leaves_a_whole_world_with_all_that_it_answered(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path / "world"], check=True)
