# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.labs import free_network
from ansible_collections.guarded.fabric.tests.unit.lab_protection.conftest import (
    keys,
    owner,
    signer,
    tenancy,
    tpm_keys,
    vendor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["keys", "owner", "signer", "tenancy", "tpm_keys", "vendor"]


@pytest.fixture
def network() -> Iterator[str]:
    with free_network() as claimed:
        yield claimed
