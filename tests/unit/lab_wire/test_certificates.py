# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.wire import certificates
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.lab.wire.certificates import ServerCertificate

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NAMES = ["127.0.0.2", "::1", "hgs01.lab"]


def verify(files: ServerCertificate, name: str, at: datetime = NOW) -> None:
    """Verify as a client would, which trusts the lab's authority only."""
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    server = x509.load_pem_x509_certificate(files.chain.read_bytes())
    builder = PolicyBuilder().store(Store([authority])).time(at)
    address = certificates._general_name(name)
    assert isinstance(address, x509.DNSName | x509.IPAddress)
    builder.build_server_verifier(address).verify(server, [])


@pytest.mark.parametrize("name", NAMES)
def test_clients_that_trust_the_authority_accept_every_name(tmp_path: Path, name: str) -> None:
    files = certificates.ensure(tmp_path, NAMES, NOW)
    verify(files, name)
    with pytest.raises(VerificationError):
        verify(files, name, NOW + timedelta(days=400))
    with pytest.raises(VerificationError):
        verify(files, "127.0.0.9")


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    certificates.ensure(directory, NAMES, NOW)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600}


def contents(files: ServerCertificate) -> tuple[bytes, bytes]:
    return files.authority.read_bytes(), files.chain.read_bytes()


def test_what_still_does_is_used_again(tmp_path: Path) -> None:
    first = contents(certificates.ensure(tmp_path, NAMES, NOW))
    assert contents(certificates.ensure(tmp_path, NAMES[:1], NOW + timedelta(days=300))) == first


@pytest.mark.parametrize(("names", "days"), [([*NAMES, "127.0.0.3"], 0), (NAMES, 380)])
def test_a_new_name_or_old_age_needs_a_new_certificate_of_the_same_authority(
    tmp_path: Path, names: list[str], days: int
) -> None:
    authority, chain = contents(certificates.ensure(tmp_path, NAMES, NOW))
    later = NOW + timedelta(days=days)
    files = certificates.ensure(tmp_path, names, later)
    assert files.authority.read_bytes() == authority
    assert files.chain.read_bytes() != chain
    verify(files, names[-1], later)


@pytest.mark.parametrize("damaged", ["ca.pem", "ca.key", "server.pem", "server.key"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN nonsense"])
def test_what_cannot_be_read_is_made_anew(tmp_path: Path, damaged: str, content: bytes) -> None:
    certificates.ensure(tmp_path, NAMES, NOW)
    (tmp_path / damaged).write_bytes(content)
    files = certificates.ensure(tmp_path, NAMES, NOW)
    verify(files, NAMES[0])
    files.context()


def test_a_certificate_of_another_authority_is_not_used(tmp_path: Path) -> None:
    other = certificates.ensure(tmp_path / "other", NAMES, NOW)
    mine = certificates.ensure(tmp_path / "mine", NAMES, NOW)
    for source, target in ((other.chain, mine.chain), (other.key, mine.key)):
        target.write_bytes(source.read_bytes())
    verify(certificates.ensure(tmp_path / "mine", NAMES, NOW), NAMES[0])
