# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from copy import deepcopy

import pytest
from ansible_collections.guarded.fabric.lab.world import certificates, guardians, health_certificate, tpm
from ansible_collections.guarded.fabric.lab.world.model import Certificate, ClientConfiguration, Guardian, Machine
from ansible_collections.guarded.fabric.tests.unit.lab_attestation import fabric as attested

from .tenancy import Tenancy, key_protection

NOW = attested.NOW


@pytest.fixture(scope="session")
def tpm_keys() -> list[bytes]:
    return []


@pytest.fixture(scope="session")
def vendor() -> Certificate:
    return tpm.new_vendor("Contoso", NOW)


@pytest.fixture(scope="session")
def signer() -> Certificate:
    return health_certificate.new_signer(NOW)


@pytest.fixture(scope="session")
def keys() -> dict[str, Certificate]:
    """Certificates with keys, made once."""
    names = ("signing", "encryption", "communications", "new signing", "new encryption")
    return {name: certificates.self_signed(f"HGS {name}", NOW) for name in names}


@pytest.fixture(scope="session")
def owner() -> Guardian:
    machine = Machine("tenant1", "tenant", "10.0.5.1", "2022", "Standard", {})
    return guardians.generate(machine, "Owner", NOW)


@pytest.fixture
def tenancy(
    tpm_keys: list[bytes], vendor: Certificate, signer: Certificate, keys: dict[str, Certificate], owner: Guardian
) -> Tenancy:
    fabric = attested.make(tpm_keys, vendor, signer)
    cluster = fabric.world.clusters["hgs.guardian.example"]
    cluster.joined["hgs1"] = NOW.replace(year=2025)
    cluster.key_protection.certificates = key_protection(keys)
    cluster.key_protection.communications = keys["communications"]
    cluster.key_protection.trusted_attestation_signers = [signer.der]
    host = fabric.host("host1")
    fabric.register(host)
    tenant = Machine("tenant1", "tenant", "10.0.5.1", "2022", "Standard", {}, features={"RSAT-Shielded-VM-Tools"})
    tenant.guardians["owner"] = deepcopy(owner)
    tenant.client = ClientConfiguration()
    fabric.world.machines["tenant1"] = tenant
    return Tenancy(fabric, host, tenant, keys)
