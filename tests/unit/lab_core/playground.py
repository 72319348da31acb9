# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab without sockets: its world, its time, and batches of calls run as if by the wire."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.lab.reading import Reader, User
from ansible_collections.guarded.fabric.lab.world import certificates, power, restarts, tpm
from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.factory import Passwords, make_world
from ansible_collections.guarded.fabric.lab.world.model import Machine, World
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_der_private_key, pkcs12

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ansible_collections.guarded.fabric.lab.topology import Topology

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
PASSWORDS = Passwords("Guardian-1", "Fabric-1", "Tenant-1")
PFX_PASSWORD = "pfx password"
ADMINISTRATOR = User("LAB\\Administrator")


@dataclass
class KeyPool:
    """RSA keys made once, and handed out in the same order to every world."""

    made: list[bytes] = field(default_factory=list)

    def handed_out_again(self) -> Callable[[], bytes]:
        positions: Iterator[int] = count()

        def new_key() -> bytes:
            position = next(positions)
            if position == len(self.made):
                self.made.append(tpm.new_rsa_key())
            return self.made[position]

        return new_key


@dataclass
class Playground:
    world: World
    clock: Clock
    reader: Reader

    @classmethod
    def of(cls, topology: Topology, passwords: Passwords, now: datetime, new_key: Callable[[], bytes]) -> Playground:
        """Make one whose time stands still until it is told to pass."""
        clock = Clock(now, monotonic=lambda: 0.0)
        world = make_world(topology, passwords, now, new_key)
        return cls(world, clock, Reader(world, clock))

    def machine(self, name: str) -> Machine:
        return self.world.machines[name]

    def wait(self, **span: float) -> None:
        self.clock.move(timedelta(**span).total_seconds())

    def restart(self, name: str) -> None:
        """Restart a machine and wait until everything on it is up."""
        restarts.restart(self.world, self.machine(name), self.clock.now())
        self.wait(seconds=power.RESTART.total_seconds() + 60)

    def batch(
        self, name: str, *calls: Mapping[str, Any], check_mode: bool = False, user: User = ADMINISTRATOR
    ) -> dict[str, Any]:
        """Run calls; one without an id gets its number."""
        numbered = [{"id": str(number), **call} for number, call in enumerate(calls)]
        return self.reader.run(self.machine(name), user, {"calls": numbered}, check_mode=check_mode)

    def call(self, name: str, cmdlet: str, select: tuple[str, ...] = (), **parameters: object) -> list[Any]:
        """Run one call that has to succeed; return its output."""
        result = self.batch(name, {"cmdlet": cmdlet, "parameters": parameters, "select": list(select)})
        assert "failed" not in result, result["msg"]
        output: list[Any] = result["results"][0]["output"]
        return output

    def refusal(self, name: str, cmdlet: str, **parameters: object) -> str:
        """Run one call that has to fail; return the first part of the error's id."""
        result = self.batch(name, {"cmdlet": cmdlet, "parameters": parameters})
        assert result.get("failed"), result
        error_id: str = result["results"][0]["error"]["id"]
        return error_id.partition(",")[0]

    def pfx(self, common_name: str) -> dict[str, Any]:
        """Return a PFX file with a new key as the value of a parameter."""
        made = certificates.self_signed(common_name, self.clock.now())
        content = pkcs12.serialize_key_and_certificates(
            b"key",
            load_der_private_key(made.key or b"", None),  # type: ignore[arg-type]
            x509.load_der_x509_certificate(made.der),
            None,
            BestAvailableEncryption(PFX_PASSWORD.encode()),
        )
        return {"$file": {"content": base64.b64encode(content).decode(), "suffix": ".pfx"}}

    def install_role(self, name: str) -> None:
        self.call(name, "Install-WindowsFeature", Name="HostGuardianServiceRole", IncludeManagementTools=True)
        self.restart(name)

    def make_first_node(self, name: str = "hgs01") -> None:
        """Bring the first node of a Host Guardian Service into service."""
        self.install_role(name)
        self.call(
            name, "Install-HgsServer", HgsDomainName="hgs.lab", SafeModeAdministratorPassword={"$secret": "Passw0rd!"}
        )
        self.restart(name)
        self.call(name, "Initialize-HgsServer", **self.first_node_parameters())

    def first_node_parameters(self) -> dict[str, Any]:
        return {
            "HgsServiceName": "hgs",
            "TrustTpm": True,
            "SigningCertificatePath": self.pfx("HGS Signing Certificate"),
            "SigningCertificatePassword": {"$secret": PFX_PASSWORD},
            "EncryptionCertificatePath": self.pfx("HGS Encryption Certificate"),
            "EncryptionCertificatePassword": {"$secret": PFX_PASSWORD},
        }

    def joining_parameters(self, password: str = PASSWORDS.guardian) -> dict[str, Any]:
        return {
            "HgsDomainName": "hgs.lab",
            "HgsDomainCredential": {"$credential": {"username": "HGS\\Administrator", "password": password}},
            "SafeModeAdministratorPassword": {"$secret": "Passw0rd!"},
        }
