# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call changes, on whichever machine, is in the lab's file before the call is answered."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.reading import Reader, User
from ansible_collections.guarded.fabric.lab.world import reach, tpm
from ansible_collections.guarded.fabric.lab.world.store import Store
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import lab
from ansible_collections.guarded.fabric.tests.unit.resources.rollout import STAGES, TOPOLOGY, Operator, build_hgs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.guarded.fabric.lab.world.model import Machine, World
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab

SERVERS = 'machines: [{kind: dns, name: "dns{:02}", count: 2}]'


def saved(path: Path) -> World:
    with closing(Store(path)) as store:
        return store.load()


@dataclass(frozen=True, kw_only=True)
class SavingReader(Reader):
    """Saves after each execution what the server saves, and looks whether that was all."""

    path: Path
    store: Store

    def run(
        self, machine: Machine, user: User, arguments: Mapping[str, object], *, check_mode: bool
    ) -> dict[str, object]:
        changes = self.statistics.changes.total()
        result = super().run(machine, user, arguments, check_mode=check_mode)
        self.store.save(self.world, self.clock.now(), reach.machines_changed_on(self.world, machine))
        if self.statistics.changes.total() != changes:
            assert saved(self.path) == self.world
        return result


def saving(made: Lab, path: Path) -> Lab:
    store = Store(path)
    store.save(made.world, made.clock.now())
    return replace(made, reader=SavingReader(made.world, made.clock, path=path, store=store))


def rolled_out(directory: Path, pfx_files: dict[str, File]) -> Lab:
    fabric = saving(lab(TOPOLOGY, [tpm.new_rsa_key() for _ in range(4)]), directory / "world")
    (directory / "exchange").mkdir()
    operator = Operator(fabric, directory / "exchange")
    build_hgs(operator, pfx_files)
    for stage in STAGES:
        stage(operator)
    return fabric


def test_each_change_of_a_rollout_is_saved_wherever_it_was(tmp_path: Path, pfx_files: dict[str, File]) -> None:
    fabric = rolled_out(tmp_path, pfx_files)
    assert fabric.reader.statistics.changes.total() > 20


def test_what_a_domain_replicates_is_saved_too(tmp_path: Path) -> None:
    fabric = saving(lab(SERVERS, []), tmp_path / "world")
    parameters = {"Name": "hgs.lab", "MasterServers": ["10.0.0.1"], "ReplicationScope": "Forest"}
    call = {"id": "add", "cmdlet": "Add-DnsServerConditionalForwarderZone", "parameters": parameters, "changes": True}
    machine = fabric.machine("dns01")
    assert "failed" not in fabric.reader.run(machine, User("Administrator"), {"calls": [call]}, check_mode=False)
    server = saved(tmp_path / "world").machines["dns02"].dns_server
    assert server is not None
    assert "hgs.lab" in server.forwarders


def test_who_is_unregistered_or_gone_is_not_in_the_file_any_more(tmp_path: Path, pfx_files: dict[str, File]) -> None:
    fabric = rolled_out(tmp_path, pfx_files)
    (cluster,) = fabric.world.clusters.values()
    assert isinstance(fabric.reader, SavingReader)
    cluster.attestation.hosts.popitem()
    fabric.reader.store.save(fabric.world, fabric.clock.now(), [])
    assert saved(tmp_path / "world") == fabric.world
    fabric.world.machines.popitem()
    fabric.world.clusters.clear()
    fabric.reader.store.save(fabric.world, fabric.clock.now())
    assert saved(tmp_path / "world") == fabric.world
