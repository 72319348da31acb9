# SPDX-License-Identifier: GPL-3.0-or-later
"""Published endorsement key certificates, in `formats/ek` of the directory that GUARDED_FABRIC_SAMPLES names."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate

SAMPLES = Path(os.environ.get("GUARDED_FABRIC_SAMPLES", "/nonexistent")) / "formats" / "ek"
pytestmark = pytest.mark.skipif(
    not SAMPLES.is_dir(),
    reason="published EK certificates are not in the repository; GUARDED_FABRIC_SAMPLES is not set",
)
IN_2020 = datetime(2020, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def roots() -> list[bytes]:
    return [sample(name) for name in ("hirs-stMicroCaCerts-gstpmroot.crt", "swtpm-rootca.pem", "hirs-ci-ca.crt")]


def intermediates() -> list[bytes]:
    names = ("hirs-stMicroCaCerts-stmtpmekint02.crt", "hirs-stMicroCaCerts-stmtpmekroot.crt", "swtpm-issuercert.pem")
    return [sample(name) for name in names]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*")), ids=lambda path: path.name)
def test_every_certificate_is_read(path: Path) -> None:
    assert ek_certificate.parse(path.read_bytes()).issuer


@pytest.mark.parametrize(
    ("name", "manufacturer", "model", "version"),
    [
        ("hirs-nuc-1-ek_cert_untouched.cer", "STM", "ST33ZP24PVSP", "id:0D0C"),
        ("hirs-nuc-1-tpmcert.pem", "STM", "ST33ZP24PVSP", "id:0D0C"),
        ("hirs-ek_cert_with_padded_bytes.cer", "NTC", "NPCT6xx", "id:0581"),
        # The manufacturer of a software TPM is a number that stands for no characters.
        ("swtpm-rsa-ek-rsa2048.crt", "id:00001014", "swtpm", "id:20191023"),
        ("swtpm-rsa-ek-secp384r1.crt", "id:00001014", "swtpm", "id:20191023"),
    ],
)
def test_what_the_vendors_certified(name: str, manufacturer: str, model: str, version: str) -> None:
    found = ek_certificate.parse(sample(name))
    assert (found.manufacturer, found.model, found.version) == (manufacturer, model, version)
    assert found.usages == ("2.23.133.8.1",)


def test_the_header_of_nv_memory_makes_no_difference() -> None:
    with_header = ek_certificate.parse(sample("hirs-nuc-1-ek_cert_untouched.cer"))
    assert with_header == ek_certificate.parse(sample("hirs-nuc-1-ek_cert_7_byte_header_removed.cer"))


@pytest.mark.parametrize(
    ("name", "at", "reasons"),
    [
        ("hirs-nuc-1-ek_cert_untouched.cer", IN_2020, []),
        ("hirs-nuc-1-tpmcert.pem", IN_2020, []),
        (
            "hirs-nuc-1-tpmcert.pem",
            FAR_FUTURE,
            ["the TPM expired on 2024-02-22", "expired on 20", "expired", "expired"],
        ),
        ("swtpm-rsa-ek-rsa2048.crt", FAR_FUTURE, []),
        ("swtpm-rsa-ek-secp384r1.crt", FAR_FUTURE, []),
        ("hirs-ci-ek_cert.der", IN_2020, ["not for an endorsement key"]),
        ("hirs-ek_cert_with_padded_bytes.cer", IN_2020, ["its signature cannot be checked"]),
        ("gotpm-gcp_ek_ak_ca_intermediate_v3.crt", FAR_FUTURE, ["no certificate of CN=EK/AK CA Root,"]),
    ],
)
def test_chains(name: str, at: datetime, reasons: list[str]) -> None:
    found = ek_certificate.verify_chain(ek_certificate.parse(sample(name)), roots(), intermediates(), at)
    assert len(found) == len(reasons)
    for actual, expected in zip(found, reasons, strict=True):
        assert expected in actual
