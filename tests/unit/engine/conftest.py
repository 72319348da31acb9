# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import pytest
from ansible_collections.guarded.fabric.lab.world import certificates, tpm
from ansible_collections.guarded.fabric.plugins.plugin_utils import pfx
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Stages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_der_private_key, pkcs12

from .lab_driver import NOW


@pytest.fixture(scope="session")
def pfx_files() -> dict[str, File]:
    """Make the certificates of a Key Protection Service."""
    files = {}
    for name in ("signing", "encryption"):
        made = certificates.self_signed(f"HGS {name}", NOW)
        assert made.key is not None
        key = load_der_private_key(made.key, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        certificate = x509.load_der_x509_certificate(made.der)
        data = pkcs12.serialize_key_and_certificates(
            name.encode(), key, certificate, None, BestAvailableEncryption(b"Pfx-1")
        )
        files[name] = File(data, f"{name}.pfx")
    return files


_open_once = cache(pkcs12.load_key_and_certificates)


@pytest.fixture
def opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a test that opens PFX files hundreds of times the check of their keys: a tenth of a second each."""
    monkeypatch.setattr(pfx, "pkcs12", SimpleNamespace(load_key_and_certificates=_open_once))


@pytest.fixture(scope="session")
def stages(pfx_files: dict[str, File], tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """Build a fabric once."""
    # Two keys for each TPM.
    keys = [tpm.new_rsa_key() for _ in range(4)]
    return Stages(keys, pfx_files, tmp_path_factory.mktemp("exchange"))
