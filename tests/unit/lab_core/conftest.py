# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.lab.loading import load_everything
from ansible_collections.guarded.fabric.lab.topology import Group, Hardware, Topology, VirtualMachines

from .playground import NOW, PASSWORDS, KeyPool, Playground

load_everything()

_KEYS = KeyPool()

TOPOLOGY = Topology(
    machines=(
        Group("hgs", "hgs{:02}", 3, edition="Standard"),
        Group("dns", "dns{:02}", 2, edition="Standard"),
        Group("host", "hosta{:02}", 2, hardware="A"),
        Group("host", "hostb{:02}", 1, hardware="B"),
        Group("tenant", "tenant01"),
    ),
    hardware=(
        Hardware("A", "Contoso", "1.0", "Lab Silicon", option_roms=2),
        Hardware("B", "Fabrikam", "7.1", "Lab Silicon"),
    ),
    virtual_machines=(VirtualMachines(count=2),),
)


@pytest.fixture
def lab() -> Playground:
    """Return a fabric of several machines, of which nothing is set up yet."""
    return Playground.of(TOPOLOGY, PASSWORDS, NOW, _KEYS.handed_out_again())
