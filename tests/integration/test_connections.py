# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps Ansible from a machine is said with an id, whose it is and what to do; nothing is changed."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from threading import Thread
from typing import TYPE_CHECKING

import certifi
import pytest
import yaml
from ansible_collections.guarded.fabric.plugins.plugin_utils import connection_problems as problems
from ansible_collections.guarded.fabric.tests.integration.setups import nothing_changes
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
    from ansible_collections.guarded.fabric.tests.integration.setups import Setup

EXPECTED: dict[str, Kind] = {
    "wrong-password": problems.WRONG_CREDENTIALS,
    "wrong-password-psrp": problems.WRONG_CREDENTIALS,
    "closed-port": problems.NO_ANSWER,
    "closed-port-psrp": problems.NO_ANSWER,
    "no-such-name": problems.NAME_UNKNOWN,
    "no-such-name-psrp": problems.NAME_UNKNOWN,
    "stranger": problems.UNTRUSTED,
    "stranger-psrp": problems.UNTRUSTED,
    "clock-behind": problems.CLOCKS_APART,
    "clock-ahead-psrp": problems.CLOCKS_APART,
}
DAY = timedelta(days=1)


def certificate(address: str, begins: datetime, ends: datetime, path: Path) -> Path:
    """Write a certificate and its key for a server that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


@contextmanager
def server(address: str, identity: Path) -> Iterator[int]:
    """Run a TLS server that shows a certificate and says nothing; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    with closing(socket.create_server((address, 0))) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _peer = listener.accept()
                    with suppress(OSError), connection:
                        context.wrap_socket(connection, server_side=True).close()

        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.fixture
def hosts(small: Setup, tmp_path: Path) -> Iterator[dict[str, dict[str, object]]]:
    """One machine under many names, each with something that keeps Ansible from it."""
    address = small.lab.world().machines["tenant01"].address
    good: dict[str, object] = {"ansible_host": address, "ansible_password": "wrong"}
    lab = yaml.safe_load((small.lab.inventory / "hosts.yml").read_text(encoding="utf-8"))["all"]["vars"]
    psrp = {
        "ansible_connection": "psrp",
        "ansible_psrp_protocol": "https",
        "ansible_psrp_auth": "ntlm",
        "ansible_psrp_ca_cert": lab["ansible_winrm_ca_trust_path"],
        "ansible_psrp_connection_timeout": 5,
        "ansible_psrp_reconnection_retries": 0,
    }
    now = datetime.now(UTC)
    ahead = certificate(address, now + DAY, now + 2 * DAY, tmp_path / "ahead.pem")
    behind = certificate(address, now - 2 * DAY, now - DAY, tmp_path / "behind.pem")
    with server(address, ahead) as ahead_port, server(address, behind) as behind_port:
        made: dict[str, dict[str, object]] = {
            "wrong-password": good,
            "closed-port": {**good, "ansible_port": 1},
            "no-such-name": {**good, "ansible_host": "nowhere.invalid"},
            "stranger": {**good, "ansible_winrm_ca_trust_path": certifi.where()},
            "wrong-password-psrp": {**good, **psrp},
            "closed-port-psrp": {**good, **psrp, "ansible_port": 1},
            "no-such-name-psrp": {**good, **psrp, "ansible_host": "nowhere.invalid"},
            "stranger-psrp": {**good, **psrp, "ansible_psrp_ca_cert": certifi.where()},
            "clock-behind": {**good, "ansible_port": behind_port, "ansible_winrm_ca_trust_path": str(behind)},
            "clock-ahead-psrp": {**good, **psrp, "ansible_port": ahead_port, "ansible_psrp_ca_cert": str(ahead)},
        }
        yield made


def test_what_keeps_ansible_from_a_machine_is_explained(
    small: Setup, hosts: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    inventory, playbook = tmp_path / "strange.yml", tmp_path / "play.yml"
    inventory.write_text(yaml.safe_dump({"strange": {"hosts": hosts}}), encoding="utf-8")
    task = {"guarded.fabric.guardians": {"config": [{"name": "Ada", "generate": True}]}}
    play = {"hosts": "strange", "gather_facts": False, "tasks": [task]}
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    ansible = replace(small.ansible, inventories=[*small.ansible.inventories, inventory])
    with nothing_changes(small):
        done = ansible.run(playbook, "--forks", "10")
    assert done.code == 4, done.output
    said = re.findall(r"^    (GF-CON-\d+) \[controller\] ([\w-]+):", done.output, re.MULTILINE)
    found = {name: kind for kind, name in said}
    assert found == {name: kind.id for name, kind in EXPECTED.items()}, done.output
    assert done.output.count("      next: ") == len(EXPECTED)
