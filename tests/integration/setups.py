# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab, the decisions of its administrators, and Ansible with both as its inventories."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.demo import fabric
from ansible_collections.guarded.fabric.tests.integration.labs import TIME_SCALE, TestLab, free_network
from ansible_collections.guarded.fabric.tests.integration.runs import Ansible

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIR = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}", count: 2, edition: Standard}
  - {kind: dns, name: "dns{:02}", edition: Standard}
  - {kind: host, name: "host{:02}", count: 2, hardware: Contoso R740}
  - {kind: tenant, name: "tenant{:02}"}
virtual_machines:
  - {name: "vm{:02}", count: 1}
"""
"""A second node has something to join, a second host a reference to follow."""


@dataclass(frozen=True)
class Setup:
    """What a test of a rollout works with; everything is below one directory."""

    directory: Path
    lab: TestLab
    ansible: Ansible

    @property
    def exchange(self) -> Path:
        """The exchange directory."""
        return self.directory / "exchange"

    @property
    def decisions(self) -> Path:
        """The directory of the administrators' inventory."""
        return self.directory / "decisions"

    def artifacts(self) -> dict[str, bytes]:
        """Return the content of the exchange directory."""
        files = (path for path in self.exchange.rglob("*") if path.is_file())
        return {str(path.relative_to(self.exchange)): path.read_bytes() for path in files}


@contextmanager
def setup(directory: Path, topology: str, connection: str = "winrm", time_scale: float = TIME_SCALE) -> Iterator[Setup]:
    """Start a lab; it is stopped when the context ends. `topology` is a built-in one's name or a topology as text."""
    if "\n" in topology:
        file = directory / "topology.yml"
        file.write_text(topology, encoding="utf-8")
        topology = str(file)
    with free_network() as network:
        lab = TestLab(directory / "lab", network, connection, time_scale)
        try:
            lab.start(topology)
            decisions = fabric.write(
                directory / "decisions", directory / "exchange", fabric.machines(lab.tell("status"))
            )
            yield Setup(directory, lab, Ansible(directory / "ansible", [lab.inventory, decisions]))
        finally:
            lab.stop()


@contextmanager
def nothing_changes(setup: Setup) -> Iterator[None]:
    """Watch that the lab is asked for no change, and that the exchange directory stays as it is."""
    calls, files = setup.lab.changes(), setup.artifacts()
    yield
    assert setup.lab.changes() == calls
    assert setup.artifacts() == files
