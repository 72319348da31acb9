# SPDX-License-Identifier: GPL-3.0-or-later
"""The same rollout with the other ansible-core that `make setup` installs where there is a Python for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.fabrics import SMALL, describe
from ansible_collections.guarded.fabric.tests.integration.runs import BUILD

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

NEXT = BUILD / "venv-2.21" / "bin" / "ansible-playbook"


@pytest.mark.skipif(not NEXT.exists(), reason="no ansible-core 2.21 here: `make setup` found no Python 3.12 or newer")
def test_ansible_core_2_21_rolls_out_the_same_fabric(small: Setup) -> None:
    ansible = replace(small.ansible, program=NEXT)
    ansible.succeed("site")
    assert describe(small.lab.world()) == SMALL
    assert ansible.succeed("site").changed == []
