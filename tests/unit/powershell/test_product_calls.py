# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.contracts.check import SUPPORTED
from ansible_collections.guarded.fabric.tests.powershell.generate_stubs import write_module
from ansible_collections.guarded.fabric.tests.powershell.product_calls import product_calls

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.cmdlets.contracts import Version
    from ansible_collections.guarded.fabric.tests.powershell.shell import Shell


@pytest.mark.parametrize("version", SUPPORTED)
def test_powershell_binds_every_call_that_is_published(shell: Shell, tmp_path: Path, version: Version) -> None:
    """Whether every call is published is tests/unit/contracts' to say; here the two judges have to agree."""
    product = product_calls(version)
    module = write_module(tmp_path, "Published", product.stubs)
    answer = shell.invoke(product.wire, modules=[module])
    assert product.disagreements(answer["results"]) == set()
