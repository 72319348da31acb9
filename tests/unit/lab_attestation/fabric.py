# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fabric made by hand: one node of a Host Guardian Service, and hosts that can attest with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from ansible_collections.guarded.fabric.lab.cmdlets import (
    config_ci,
    hgs_attestation,
    hgs_client_configuration,
    platform_identifier,
)
from ansible_collections.guarded.fabric.lab.cmdlets.binder import bind
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CMDLETS, PSObject, Session
from ansible_collections.guarded.fabric.lab.service import attestation as service
from ansible_collections.guarded.fabric.lab.service import routes
from ansible_collections.guarded.fabric.lab.world import endorsement, files, firmware, measured_boot, tpm
from ansible_collections.guarded.fabric.lab.world.attestation_policies import default_policies
from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.model import (
    AttestationState,
    BootSettings,
    Certificate,
    ClientConfiguration,
    Firmware,
    HgsCluster,
    KeyProtectionState,
    Machine,
    Tpm,
    World,
)
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import FileRule, Policy, RuleKind

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
MODULES = (config_ci, hgs_attestation, hgs_client_configuration, platform_identifier, service)
"""Importing them is what registers cmdlets and routes."""

HGS_URL = "http://10.0.0.1/Attestation"
KEY_PROTECTION_URL = "http://10.0.0.1/KeyProtection"
POLICY_FILE = r"C:\Windows\System32\CodeIntegrity\SIPolicy.p7b"


@dataclass
class Keys:
    """RSA keys, made once for all tests and handed out in the same order to each."""

    made: list[bytes]
    _next: count[int] = field(default_factory=count)

    def __call__(self) -> bytes:
        position = next(self._next)
        if position == len(self.made):
            self.made.append(tpm.new_rsa_key())
        return self.made[position]


@dataclass
class Fabric:
    world: World
    clock: Clock
    hgs: Machine
    state: AttestationState
    vendor: Certificate
    keys: Keys

    def host(self, name: str, *, certified: bool = True, policy: bytes | None = None) -> Machine:
        """Add a host that is set up as a guarded host should be, started once."""
        chip = (
            tpm.manufacture("Contoso", self.vendor, NOW, self.keys)
            if certified
            else tpm.manufacture_without_certificate("Contoso", self.keys)
        )
        machine = Machine(
            name=name,
            kind="host",
            address=f"10.0.1.{len(self.world.machines)}",
            version="2022",
            edition="Datacenter",
            accounts={},
            features={"Hyper-V", "HostGuardian"},
            firmware=Firmware(
                vendor="Fabrikam",
                version="1.4",
                variables=firmware.factory_variables("Fabrikam"),
                option_roms=[b"network adapter"],
            ),
            tpm=chip,
            settings=BootSettings(virtualization_based_security=True, hypervisor_enforced_code_integrity=True),
        )
        files.write(machine, POLICY_FILE, POLICY if policy is None else policy)
        self.world.machines[name] = machine
        self.restart(machine)
        machine.client = ClientConfiguration(
            mode="HostGuardianService", attestation_url=HGS_URL, key_protection_url=KEY_PROTECTION_URL
        )
        return machine

    def restart(self, machine: Machine) -> None:
        measured_boot.measure(machine, self.clock.now(), self.keys)

    def run(self, machine: Machine, cmdlet: str, **parameters: object) -> object:
        """Run a cmdlet as the wire would: bound to its published syntax first."""
        session = Session(self.world, machine, self.clock, "Administrator", self.warnings.append)
        return CMDLETS[cmdlet.lower()].run(session, bind(cmdlet, parameters, machine.version))

    warnings: list[str] = field(default_factory=list)

    def one(self, machine: Machine, cmdlet: str, **parameters: object) -> Mapping[str, object]:
        """Run a cmdlet that returns one object; return its properties."""
        found = self.run(machine, cmdlet, **parameters)
        assert isinstance(found, PSObject)
        return found.properties

    def many(self, machine: Machine, cmdlet: str, **parameters: object) -> list[Mapping[str, object]]:
        found = self.run(machine, cmdlet, **parameters)
        assert isinstance(found, list)
        return [item.properties for item in found]

    def register(self, machine: Machine, version: str = "v2") -> None:
        """Capture everything on the host and trust it on HGS, with the cmdlets an administrator uses."""
        identifier = self.run(machine, "Get-PlatformIdentifier", Name=machine.name)
        self.run(self.hgs, "Add-HgsAttestationTpmHost", Xml=identifier, PolicyVersion=version, Force=version == "v1")
        self.register_class(machine, version)

    def register_class(self, machine: Machine, version: str = "v2") -> None:
        log = self.run(machine, "Get-HgsAttestationBaselinePolicy", Console=True)
        self.run(
            self.hgs,
            "Add-HgsAttestationTpmPolicy",
            InputObject=log,
            Name=f"{machine.name} {version}",
            PolicyVersion=version,
        )
        policy = files.read(machine, POLICY_FILE)
        self.run(
            self.hgs,
            "Add-HgsAttestationCIPolicy",
            InputObject=policy,
            Name=f"CI of {machine.name} {version}",
            PolicyVersion=version,
        )

    def test(self, machine: Machine) -> tuple[object, object]:
        """Attest; return status and substatus."""
        result = self.one(machine, "Test-HgsClientConfiguration")
        return result["AttestationStatus"], result["AttestationSubstatus"]

    def http(self, method: str, path: str, body: bytes = b"") -> routes.Reply:
        node = routes.Node(self.world, self.clock, self.world.clusters["hgs.guardian.example"], self.hgs)
        return routes.answer(node, method, path, body)

    def ask(self, method: str, path: str, message: object = None) -> dict[str, object]:
        """Send JSON, return JSON."""
        reply = self.http(method, path, json.dumps(message).encode())
        found = json.loads(reply.body)
        assert isinstance(found, dict)
        return found

    def chip_of(self, machine: Machine) -> Tpm:
        assert machine.tpm is not None
        return machine.tpm


def make(keys: list[bytes], vendor: Certificate, signer: Certificate) -> Fabric:
    hgs = Machine(
        name="hgs1",
        kind="hgs",
        address="10.0.0.1",
        version="2022",
        edition="Datacenter",
        accounts={},
        features={"HostGuardianServiceRole"},
        stores={endorsement.ROOT_STORE: [Certificate(vendor.der)]},
    )
    state = AttestationState(mode="Tpm", signer=signer, policies=default_policies())
    cluster = HgsCluster(
        service_name="hgs",
        domain="guardian.example",
        attestation=state,
        key_protection=KeyProtectionState(certificates=[], communications=signer),
        nodes=["hgs1"],
    )
    world = World(machines={"hgs1": hgs}, clusters={"hgs.guardian.example": cluster})
    return Fabric(world, Clock(NOW, monotonic=lambda: 0.0), hgs, state, vendor, Keys(keys))


def code_integrity_policy(path: str) -> bytes:
    rule = FileRule(RuleKind.ALLOW, file_path=path)
    return si_policy_binary.write(Policy(version=10 << 48, file_rules=(rule,)))


POLICY = code_integrity_policy(r"C:\Program Files\Backup\agent.exe")


def text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


Change = Callable[[Machine], None]
