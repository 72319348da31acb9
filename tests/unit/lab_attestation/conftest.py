# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import health_certificate, tpm

from . import fabric as small
from .fabric import NOW, Fabric

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Certificate


@pytest.fixture(scope="session")
def keys() -> list[bytes]:
    return []


@pytest.fixture(scope="session")
def vendor() -> Certificate:
    return tpm.new_vendor("Contoso", NOW)


@pytest.fixture(scope="session")
def signer() -> Certificate:
    return health_certificate.new_signer(NOW)


@pytest.fixture
def fabric(keys: list[bytes], vendor: Certificate, signer: Certificate) -> Fabric:
    return small.make(keys, vendor, signer)
