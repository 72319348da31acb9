# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.unit.engine.conftest import pfx_files, tpm_keys

from .rollout import Stages

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File

__all__ = ["pfx_files", "tpm_keys"]


@pytest.fixture(scope="session")
def stages(
    tpm_keys: list[bytes],
    pfx_files: dict[str, File],
    tmp_path_factory: pytest.TempPathFactory,
) -> Stages:
    """Build a fabric once."""
    return Stages(tpm_keys, pfx_files, tmp_path_factory.mktemp("exchange"))
