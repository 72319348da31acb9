# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the lab outside of any fabric: all that it takes to start and to be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.world import firmware as factory
from ansible_collections.guarded.fabric.lab.world.model import BootSettings, Firmware, Machine

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Tpm


def bare_host(chip: Tpm) -> Machine:
    """Return a Hyper-V host with a TPM that has never started."""
    return Machine(
        name="host1",
        kind="host",
        address="127.0.0.2",
        version="2022",
        edition="Datacenter",
        accounts={},
        features={"Hyper-V"},
        firmware=Firmware("Fabrikam", "1.4", variables=factory.factory_variables("Fabrikam")),
        tpm=chip,
        settings=BootSettings(virtualization_based_security=True),
    )
