# SPDX-License-Identifier: GPL-3.0-or-later
"""What the administrators of the demonstration's fabric decide: names, certificates, which VMs are shielded.

The files that this writes are what a user of a real fabric writes by hand: an inventory beside the one that says where
the machines are, with one file of variables for each trust domain.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "guardian.example"
SERVICE = "hgs"
_YEARS = dt.timedelta(days=5 * 365)


@dataclass(frozen=True)
class Machines:
    """The lab's machines as its status shows them: names by kind, addresses, VMs with their hosts."""

    addresses: Mapping[str, str]
    nodes: Sequence[str]
    hosts: Sequence[str]
    virtual_machines: Sequence[Mapping[str, str]]


def machines(status: Mapping[str, Sequence[Mapping[str, str]]]) -> Machines:
    """Read the lab's status."""
    return Machines(
        addresses={item["name"]: item["address"] for item in status["machines"]},
        nodes=sorted(item["name"] for item in status["nodes"]),
        hosts=sorted(item["name"] for item in status["hosts"]),
        virtual_machines=[{"name": item["name"], "host": item["host"]} for item in status["virtual_machines"]],
    )


def _certificate(purpose: str, password: str) -> bytes:
    """Return a self-signed certificate of the Key Protection Service as PFX (WSD guarded-fabric-obtain-certs)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"HGS {purpose} Certificate")])
    now = dt.datetime.now(dt.timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=True,
        data_encipherment=True,
        content_commitment=False,
        key_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _YEARS)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encryption = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(purpose.encode(), key, certificate, None, encryption)


def _on(host: str, found: Machines) -> list[str]:
    return [machine["name"] for machine in found.virtual_machines if machine["host"] == host]


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_bytes(content)


def _variables(directory: Path, group: str, content: Mapping[str, object], mode: int = 0o644) -> None:
    _write(directory / "group_vars" / group / "fabric.yml", yaml.safe_dump(dict(content)).encode(), mode)


def _guardian(directory: Path, found: Machines) -> None:
    passwords = {purpose: secrets.token_urlsafe(18) for purpose in ("signing", "encryption")}
    for purpose, password in passwords.items():
        _write(directory / "certificates" / f"{purpose}.pfx", _certificate(purpose.title(), password), 0o600)
    variables: dict[str, object] = {
        "hgs_safe_mode_password": secrets.token_urlsafe(18) + "-1aA",
        "hgs_primary": found.nodes[0],
        # One person plays all three domains here. A real guardian names somebody who has compared the evidence.
        "attestation_approved_by": "the demonstration's guardian",
        "attestation_approval_reason": "first capture of factory-fresh hosts",
    }
    for purpose, password in passwords.items():
        variables[f"hgs_{purpose}_certificate"] = str(directory / "certificates" / f"{purpose}.pfx")
        variables[f"hgs_{purpose}_certificate_password"] = password
    _variables(directory, "hgs", variables, 0o600)


def write(directory: Path, exchange: Path, found: Machines) -> Path:
    """Write the inventory of decisions; return its file. An inventory that is there already is left as it is."""
    path = directory / "fabric.yml"
    if path.exists():
        return path
    _guardian(directory, found)
    service = f"{SERVICE}.{DOMAIN}"
    _variables(
        directory,
        "all",
        {
            "hgs_domain": DOMAIN,
            "hgs_service_name": SERVICE,
            "hgs_node_addresses": [found.addresses[node] for node in found.nodes],
            "exchange_directory": str(exchange),
            "drift_folder": str(exchange.parent / "drift"),
            # The lab's time runs faster than the controller's.
            "drift_clock_seconds": 10**9,
        },
    )
    _variables(directory, "guarded_hosts", {"guarded_host_hgs_service": service, "shielded_vm_allow_stop": True})
    _variables(directory, "strangers", {"guarded_host_hgs_service": service, "shielded_vm_allow_stop": True})
    names = [machine["name"] for machine in found.virtual_machines]
    _variables(
        directory, "tenant", {"shielded_vm_names": names, "shielded_vm_approved_by": "the demonstration's tenant"}
    )
    groups = {"guarded_hosts": {"hosts": {host: {"shielded_vm_names": _on(host, found)} for host in found.hosts}}}
    path.write_text(yaml.safe_dump({"all": {"children": groups}}), encoding="utf-8")
    return path
