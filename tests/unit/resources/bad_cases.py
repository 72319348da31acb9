# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of bad input that an operator of a guarded fabric can give, as a table.

A case spoils a lab, or files of the exchange directory, and returns what somebody then does; each names the problem
that has to come of it. What is checked of all of them is in test_bad_input.py.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.reading import User
from ansible_collections.guarded.fabric.lab.world import files, restarts
from ansible_collections.guarded.fabric.lab.world.model import VirtualDisk
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils import (
    attestation_service,
    exchange,
    network_names,
    pfx,
    plan,
    texts,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import CAPTURE_FAILED
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import (
    attestation_evidence,
    attestation_hosts,
    attestation_policies,
    bitlocker_volumes,
    code_integrity_policy,
    dns_client,
    dns_conditional_forwarders,
    guardians,
    hgs_client,
    hgs_server,
    key_protectors,
    shielded_vms,
    trusted_tpm_certificates,
    windows_features,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.tpm_vendors import STORES
from ansible_collections.guarded.fabric.tests.unit.engine import test_pfx
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import NOW
from ansible_collections.guarded.fabric.tests.unit.module_utils.signed_content import signed
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from .rollout import Operator

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import VirtualMachine
    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource


@dataclass(frozen=True)
class Scene:
    """A lab, somebody who works with it, and a folder of the case's own."""

    operator: Operator
    folder: Path
    pfx_files: dict[str, File]

    def plant(self, kind: ArtifactKind, name: str, content: bytes) -> str:
        """Put content into an exchange directory as if it had been captured and approved; return its path."""
        path = self.folder / kind.folder / (name + kind.suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        approval = {"by": "ada", "at": "2026-11-24T19:00:00Z", "reason": "compared"}
        sidecar = {
            "kind": kind.folder,
            "source": "host01",
            "captured": "2026-11-24T19:00:00Z",
            "sha256": hashlib.sha256(content).hexdigest(),
            "fingerprint": "0" * 64,
            "approval": approval,
        }
        path.with_name(path.name + exchange.SIDECAR_SUFFIX).write_text(json.dumps(sidecar))
        return str(path)

    def content(self, kind: ArtifactKind, name: str) -> bytes:
        """Return a good artifact."""
        return Path(self.operator.path(kind, name)).read_bytes()

    def run(self, machine: str, resource: Resource, *config: Item, state: str = "merged") -> Attempt:
        """Return a task as something to do."""
        return lambda: self.operator.lab.run(machine, resource, self.operator.load(resource, list(config)), state=state)

    def capture(self, machine: str, item: Item) -> Attempt:
        """Return a capture of evidence as something to do."""
        return lambda: self.operator.lab.capture(machine, attestation_evidence.CAPTURE, item, str(self.folder))

    def restart(self, machine: str) -> None:
        lab = self.operator.lab
        restarts.restart(lab.world, lab.machine(machine), lab.clock.now())
        lab.clock.move(600)


Attempt = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """`kind` is what has to be said; `stage` is how far the rollout is; `spoil` returns what is then done."""

    name: str
    kind: Kind
    stage: str
    spoil: Callable[[Scene], Attempt]


def _host(scene: Scene, path: str, name: str = "host09") -> Attempt:
    return scene.run("hgs01", attestation_hosts.RESOURCE, {"name": name, "path": path})


def _spoilt_identifier(change: Callable[[bytes], bytes]) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        content = change(scene.content(kinds.PLATFORM_IDENTIFIER, "host01"))
        return _host(scene, scene.plant(kinds.PLATFORM_IDENTIFIER, "host01", content))

    return spoil


def _identifier_changed_later(scene: Scene) -> Attempt:
    path = scene.plant(kinds.PLATFORM_IDENTIFIER, "host01", scene.content(kinds.PLATFORM_IDENTIFIER, "host01"))
    Path(path).write_bytes(Path(path).read_bytes()[:-20])
    return _host(scene, path)


def _no_certificate(scene: Scene) -> None:
    chip = scene.operator.lab.machine("host01").tpm
    assert chip is not None
    chip.ek_certificate = None


def _capture_without_certificate(scene: Scene) -> Attempt:
    _no_certificate(scene)
    return scene.capture("host01", {"name": "host01"})


def _register_without_certificate(scene: Scene) -> Attempt:
    _no_certificate(scene)
    call = {"id": "x", "cmdlet": "Get-PlatformIdentifier", "parameters": {"Name": "host01"}, "select": ["OuterXml"]}
    lab = scene.operator.lab
    answer = lab.reader.run(lab.machine("host01"), User("Administrator"), {"calls": [call]}, check_mode=False)
    text = re.findall(r"<PlatformIdentifiers.*</PlatformIdentifiers>", str(answer["results"]))[0]
    return _host(scene, scene.plant(kinds.PLATFORM_IDENTIFIER, "host09", text.encode()))


def _untrusted_vendor(scene: Scene) -> Attempt:
    for name in STORES.values():
        scene.operator.lab.machine("hgs01").stores[name.partition("\\")[2].lower()] = []
    return _host(scene, scene.operator.path(kinds.PLATFORM_IDENTIFIER, "host01"))


def _resumed(scene: Scene, *, hidden: bool) -> None:
    machine = scene.operator.lab.machine("host01")
    machine.settings = replace(machine.settings, resume_instead_of_boot=True)
    scene.restart("host01")
    assert machine.boot is not None
    # A host that does not notice hands its log out.
    machine.boot.settings.resume_instead_of_boot = not hidden


def _resumed_host(scene: Scene) -> Attempt:
    _resumed(scene, hidden=False)
    return scene.capture("host01", {"hardware_class": "r740"})


def _resumed_log(scene: Scene) -> Attempt:
    _resumed(scene, hidden=True)
    return scene.capture("host01", {"hardware_class": "r740", "skip_validation": True})


def _resumed_baseline(scene: Scene) -> Attempt:
    _resumed(scene, hidden=True)
    boot = scene.operator.lab.machine("host01").boot
    assert boot is not None
    path = scene.plant(kinds.TPM_BASELINE, "r740", boot.log)
    return scene.run("hgs01", attestation_policies.RESOURCE, {"name": "new", "baseline": path})


def _no_policy(
    content: Callable[[bytes], bytes], resource: Resource, machine: str, option: str
) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        path = scene.plant(
            kinds.CODE_INTEGRITY_POLICY, "p", content(scene.content(kinds.CODE_INTEGRITY_POLICY, "core"))
        )
        item = {option: path} if resource.single else {"name": "new", option: path}
        return scene.run(machine, resource, item)

    return spoil


def _shielding(change: Callable[[Scene, VirtualMachine], None], **more: object) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        vm = next(iter(scene.operator.lab.machine("host01").virtual_machines.values()))
        change(scene, vm)
        path = scene.operator.path(kinds.KEY_PROTECTOR, "vm01")
        item = {"name": "vm01", "key_protector": path, "shielded": True, "power": "running", **more}
        return scene.run("host01", shielded_vms.RESOURCE, item)

    return spoil


def _set(**values: object) -> Callable[[Scene, VirtualMachine], None]:
    return lambda _scene, vm: vars(vm).update(values)


def _running(scene: Scene, _vm: VirtualMachine) -> None:
    scene.operator.lab.run("host01", shielded_vms.RESOURCE, [{"name": "vm01", "power": "running"}])


def _differencing(scene: Scene, vm: VirtualMachine) -> None:
    host = scene.operator.lab.machine("host01")
    host.disks[files.key(vm.disks[0])].parent = r"C:\VMs\parent.vhdx"
    host.disks[files.key(r"C:\VMs\parent.vhdx")] = VirtualDisk(r"C:\VMs\parent.vhdx", b"readable")


def _protector(owner: str, *trusted: str) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        item = {"names": ["vm09"], "owner": owner, "guardians": list(trusted), "allow_untrusted_root": True}
        return lambda: scene.operator.lab.capture("tenant01", key_protectors.CAPTURE, item, str(scene.folder))

    return spoil


def _other_owner(scene: Scene) -> Attempt:
    lab = scene.operator.lab
    lab.run("tenant01", guardians.RESOURCE, [{"name": "Other", "generate": True}])
    made = {"names": ["vm01"], "owner": "Other", "guardians": ["Fabric"], "allow_untrusted_root": True}
    path = lab.capture("tenant01", key_protectors.CAPTURE, made, str(scene.folder)).filed[0].artifact.path
    item = {"name": "vm01", "key_protector": path, "shielded": True, "allow_stop": True}
    return scene.run("host01", shielded_vms.RESOURCE, item)


def _import(scene: Scene, content: bytes, name: str = "New", **more: object) -> Attempt:
    path = scene.plant(kinds.GUARDIAN_METADATA, "fabric", content)
    item = {"name": name, "path": path, "allow_untrusted_root": True, **more}
    return scene.run("tenant01", guardians.RESOURCE, item)


def _tampered_metadata(scene: Scene) -> Attempt:
    content = scene.content(kinds.GUARDIAN_METADATA, "fabric").decode()
    own = re.search(r"<(\w+:)?SigningCertificate>([^<]+)<", content)
    assert own is not None
    changed = re.sub(r"(EncryptionCertificate>)[^<]+(<)", lambda found: found[1] + own[2] + found[2], content)
    assert changed != content
    return _import(scene, changed.encode())


def _metadata_changed_later(scene: Scene) -> Attempt:
    attempt = _import(scene, scene.content(kinds.GUARDIAN_METADATA, "fabric"))
    path = scene.folder / kinds.GUARDIAN_METADATA.folder / "fabric.xml"
    path.write_bytes(path.read_bytes() + b"\n")
    return attempt


def _old_metadata(scene: Scene) -> Attempt:
    scene.operator.lab.pass_time(timedelta(days=30_000))
    return _import(scene, scene.content(kinds.GUARDIAN_METADATA, "fabric"))


def _metadata_ahead_of_time(scene: Scene) -> Attempt:
    scene.operator.lab.machine("tenant01").clock_offset = -timedelta(days=3).total_seconds()
    return _import(scene, scene.content(kinds.GUARDIAN_METADATA, "fabric"))


def _other_guardian(scene: Scene) -> Attempt:
    return _import(scene, scene.content(kinds.GUARDIAN_METADATA, "fabric"), name="OWNER")


_BITS: Final = 2048


def _pfx(
    *,
    bits: int = _BITS,
    usages: tuple[str, ...] = test_pfx.BOTH,
    begins: timedelta = -timedelta(days=1),
    days: int = 90,
) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    made = test_pfx.certificate(key, usages)
    begin = NOW + begins
    builder = x509.CertificateBuilder(made.issuer, made.subject, key.public_key(), made.serial_number)
    builder = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=days))
    for extension in made.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    certificate = builder.sign(key, hashes.SHA256())
    return pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(b"Pfx-1"))


def _server(item: Callable[[Scene], Item]) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        config: Item = {
            "domain": "hgs.lab",
            "service": "hgs",
            "mode": "Tpm",
            "safe_mode_password": "Safe-Mode-1",
            **{f"{name}_certificate": file for name, file in scene.pfx_files.items()},
            **{f"{name}_certificate_password": "Pfx-1" for name in scene.pfx_files},
        }
        given = {**config, **item(scene)}
        return lambda: scene.operator.lab.run("hgs01", hgs_server.RESOURCE, [given])

    return spoil


def _signing(content: Callable[[], bytes]) -> Callable[[Scene], Attempt]:
    return _server(lambda _scene: {"signing_certificate": File(content(), "signing.pfx")})


def _task(machine: str, resource: Resource, *config: Item, state: str = "merged") -> Callable[[Scene], Attempt]:
    return lambda scene: scene.run(machine, resource, *config, state=state)


def _client(**urls: object) -> Callable[[Scene], Attempt]:
    item = {
        "attestation_url": "http://hgs.hgs.lab/Attestation",
        "key_protection_url": "http://hgs.hgs.lab/KeyProtection",
    }
    return _task("host01", hgs_client.RESOURCE, {**item, **urls})


def _old_host(scene: Scene) -> Attempt:
    machine = scene.operator.lab.machine("host01")
    machine.version, machine.build = "2016", "14393"
    return _client(attested=True)(scene)


def _edition(machine: str, edition: str, resource: Resource, item: Item) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        vars(scene.operator.lab.machine(machine))["edition"] = edition
        return scene.run(machine, resource, item)

    return spoil


def _essentials(scene: Scene) -> Item:
    vars(scene.operator.lab.machine("hgs01"))["edition"] = "Essentials"
    return {}


def _approved(scene: Scene, kind: ArtifactKind, name: str) -> str:
    return scene.operator.path(kind, name)


def _two_names_of_one_tpm(scene: Scene) -> Attempt:
    path = _approved(scene, kinds.PLATFORM_IDENTIFIER, "host01")
    return scene.run(
        "hgs01", attestation_hosts.RESOURCE, {"name": "host01", "path": path}, {"name": "host09", "path": path}
    )


def _registered_under_another_name(scene: Scene) -> Attempt:
    return _host(scene, _approved(scene, kinds.PLATFORM_IDENTIFIER, "host01"))


def _other_tpm(scene: Scene) -> Attempt:
    first, second = (_approved(scene, kinds.PLATFORM_IDENTIFIER, name) for name in ("host01", "host02"))
    service = next(iter(scene.operator.lab.world.clusters.values())).attestation
    service.hosts["host01"] = replace(service.hosts["host01"], identifier="00" * 32)
    return scene.run(
        "hgs01", attestation_hosts.RESOURCE, {"name": "host01", "path": first}, {"name": "host02", "path": second}
    )


def _policy_of_another_type(scene: Scene) -> Attempt:
    name = next(
        policy.name
        for policy in next(iter(scene.operator.lab.world.clusters.values())).attestation.policies.values()
        if policy.type == "SecureBootSettings" and not policy.name.startswith("Hgs_")
    )
    path = _approved(scene, kinds.CODE_INTEGRITY_POLICY, "core")
    return scene.run("hgs01", attestation_policies.RESOURCE, {"name": name, "code_integrity_policy": path})


def _vendor(**more: object) -> Callable[[Scene], Attempt]:
    def spoil(scene: Scene) -> Attempt:
        path = scene.folder / "vendor.cer"
        path.write_bytes(scene.operator.lab.world.tpm_vendors["Lab Silicon"].der)
        return scene.run("hgs01", trusted_tpm_certificates.RESOURCE, {"path": str(path), **more})

    return spoil


def _no_vendor(scene: Scene) -> Attempt:
    path = scene.folder / "vendor.cer"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nnone")
    return scene.run("hgs01", trusted_tpm_certificates.RESOURCE, {"path": str(path)})


def _vm(name: str) -> Callable[[Scene], Attempt]:
    return _task("host01", shielded_vms.RESOURCE, {"name": name, "power": "off"})


_TWICE: Final = ({"name": "Owner", "generate": True}, {"name": "OWNER", "generate": True})
_XML_POLICY: Final = b'<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy"/>'
_POLICIES, _POLICY = attestation_policies.RESOURCE, code_integrity_policy.RESOURCE

CASES: Final = (
    Case("identifier: truncated", exchange.NOT_OF_ITS_KIND, "register", _spoilt_identifier(lambda xml: xml[:300])),
    Case("identifier: no XML", exchange.NOT_OF_ITS_KIND, "register", _spoilt_identifier(lambda _xml: b"\0\xff<")),
    Case("identifier: other XML", exchange.NOT_OF_ITS_KIND, "register", _spoilt_identifier(lambda _xml: b"<html/>")),
    Case("identifier: empty", exchange.NOT_OF_ITS_KIND, "register", _spoilt_identifier(lambda _xml: b"")),
    Case("identifier: changed later", exchange.ARTIFACT_ALTERED, "register", _identifier_changed_later),
    Case(
        "EK without certificate: captured",
        attestation_evidence.NO_ENDORSEMENT_CERTIFICATE,
        "register",
        _capture_without_certificate,
    ),
    Case(
        "EK without certificate: registered",
        attestation_hosts.NO_CERTIFICATE,
        "register",
        _register_without_certificate,
    ),
    Case("untrusted TPM vendor", attestation_hosts.UNTRUSTED_VENDOR, "prepare_hosts", _untrusted_vendor),
    Case("resumed: the host says so", CAPTURE_FAILED, "prepare_hosts", _resumed_host),
    Case("resumed: the log says so", attestation_evidence.NO_FULL_START, "prepare_hosts", _resumed_log),
    Case("resumed: the artifact says so", exchange.NOT_OF_ITS_KIND, "register", _resumed_baseline),
    *(
        Case(
            f"no CI policy: {what}, {option}",
            exchange.NOT_OF_ITS_KIND,
            "register",
            _no_policy(change, resource, machine, option),
        )
        for what, change in (
            ("XML", lambda _policy: _XML_POLICY),
            ("truncated", lambda policy: policy[:100]),
            ("text", lambda _policy: b"policy"),
            ("signed", signed),
        )
        for resource, machine, option in ((_POLICIES, "hgs01", "code_integrity_policy"), (_POLICY, "host01", "policy"))
    ),
    Case("VM of generation 1", shielded_vms.GENERATION, "protect", _shielding(_set(generation=1))),
    Case("VM of an old version", shielded_vms.VERSION, "protect", _shielding(_set(version="5.0"))),
    Case("VM without Secure Boot", shielded_vms.SECURE_BOOT, "protect", _shielding(_set(secure_boot=False))),
    Case("VM running", shielded_vms.NOT_OFF, "protect", _shielding(_running)),
    Case("VM saved", shielded_vms.NOT_OFF, "protect", _shielding(_set(state="Saved"), allow_stop=True)),
    Case("VM with checkpoints", shielded_vms.CHECKPOINTS, "protect", _shielding(_set(checkpoints=["before"]))),
    Case("VM with differencing disk", shielded_vms.DIFFERENCING_DISK, "protect", _shielding(_differencing)),
    Case("VM of another host", shielded_vms.VM_MISSING, "protect", _vm("vm02")),
    Case("owner without private keys", key_protectors.OWNER_WITHOUT_KEYS, "protect", _protector("Fabric")),
    Case("owner not there", key_protectors.GUARDIAN_MISSING, "protect", _protector("Nobody", "Fabric")),
    Case("guardian not there", key_protectors.GUARDIAN_MISSING, "protect", _protector("Owner", "Fabric", "Nobody")),
    Case("metadata: tampered with", guardians.CHANGED, "protect", _tampered_metadata),
    Case("metadata: changed later", exchange.ARTIFACT_ALTERED, "protect", _metadata_changed_later),
    Case("metadata: no XML", exchange.NOT_OF_ITS_KIND, "protect", lambda scene: _import(scene, b"{}")),
    Case("metadata: expired certificates", guardians.OUT_OF_TIME, "protect", _old_metadata),
    Case("metadata: certificates not yet valid", guardians.OUT_OF_TIME, "protect", _metadata_ahead_of_time),
    Case(
        "certificate: wrong key usage",
        pfx.PFX_USAGE_UNSUITABLE,
        "nothing",
        _signing(lambda: _pfx(usages=("digital_signature",))),
    ),
    Case("certificate: key too small", pfx.PFX_KEY_UNSUITABLE, "nothing", _signing(lambda: _pfx(bits=1024))),
    Case("certificate: expired", pfx.PFX_OUT_OF_TIME, "nothing", _signing(lambda: _pfx(begins=-timedelta(days=99)))),
    Case(
        "certificate: not yet valid", pfx.PFX_OUT_OF_TIME, "nothing", _signing(lambda: _pfx(begins=timedelta(days=2)))
    ),
    Case(
        "PFX: wrong password",
        pfx.PFX_UNREADABLE,
        "nothing",
        _server(lambda _: {"signing_certificate_password": "wrong"}),
    ),
    Case("PFX: no password", pfx.PFX_UNREADABLE, "nothing", _server(lambda _: {"signing_certificate_password": None})),
    Case("PFX: no PFX", pfx.PFX_UNREADABLE, "nothing", _signing(lambda: b"no PFX")),
    Case("one name twice in config", plan.DUPLICATE, "protect", _task("tenant01", guardians.RESOURCE, *_TWICE)),
    Case("name taken: guardian", guardians.OTHER_CERTIFICATES, "protect", _other_guardian),
    Case("name taken: policy", attestation_policies.OTHER_TYPE, "register", _policy_of_another_type),
    Case("name taken: host", attestation_hosts.OTHER_TPM, "register", _other_tpm),
    Case("name taken: key protector", shielded_vms.OTHER_PROTECTOR, "shield", _other_owner),
    Case(
        "name taken: certificate", trusted_tpm_certificates.OTHER_THUMBPRINT, "build_hgs", _vendor(thumbprint="AB" * 20)
    ),
    Case("no certificate of a vendor", trusted_tpm_certificates.CERTIFICATE_INVALID, "build_hgs", _no_vendor),
    Case("two hosts with one EK in config", attestation_hosts.SHARED_TPM, "register", _two_names_of_one_tpm),
    Case("two hosts with one EK at HGS", attestation_hosts.REGISTERED_TPM, "register", _registered_under_another_name),
    *(
        Case(f"URL: {url!r}", hgs_client.URL_INVALID, "register", _client(attestation_url=url))
        for url in (
            "ftp://hgs.hgs.lab/Attestation",
            "file:///etc/passwd",
            "hgs.hgs.lab/Attestation",
            "http://",
            "",
            "http://[::1",
        )
    ),
    Case(
        "URL: fallback",
        hgs_client.URL_INVALID,
        "register",
        _client(fallback_attestation_urls=["x:y"], fallback_key_protection_urls=["x:y"]),
    ),
    Case("host before 2019", hgs_client.VERSION_OLD, "register", _old_host),
    Case(
        "host of Standard edition",
        windows_features.FEATURE_UNKNOWN,
        "nothing",
        _edition("host01", "Standard", windows_features.RESOURCE, {"name": "HostGuardian"}),
    ),
    Case("host without the feature", hgs_client.CLIENT_MISSING, "nothing", _client()),
    Case("host without Hyper-V", shielded_vms.HYPER_V_MISSING, "nothing", _vm("vm01")),
    Case("node of another edition", hgs_server.ROLE_UNKNOWN, "nothing", _server(_essentials)),
    Case(
        "server without HGS",
        attestation_service.NOT_ANSWERING,
        "register",
        _task("dns01", _POLICIES, {"name": "Hgs_NoDumps", "enabled": False}),
    ),
    Case("server without stores for vendors", trusted_tpm_certificates.STORE_MISSING, "nothing", _vendor()),
    Case(
        "server without DNS",
        dns_conditional_forwarders.SERVER_MISSING,
        "nothing",
        _task("host01", dns_conditional_forwarders.RESOURCE, {"name": "hgs.lab", "master_servers": ["10.0.0.1"]}),
    ),
    Case(
        "machine without guardians' tools",
        guardians.TOOLS_MISSING,
        "nothing",
        _task("dns01", guardians.RESOURCE, _TWICE[0]),
    ),
    Case(
        "guest without BitLocker",
        bitlocker_volumes.BITLOCKER_MISSING,
        "nothing",
        _task("tenant01", bitlocker_volumes.RESOURCE, {"mount_point": "C:"}),
    ),
    Case(
        "adapter that is not there",
        dns_client.ADAPTER_UNCLEAR,
        "nothing",
        _task("hgs02", dns_client.RESOURCE, {"interface_alias": "Wi-Fi", "server_addresses": ["10.0.0.1"]}),
    ),
    Case(
        "no IP address",
        network_names.NO_ADDRESS,
        "nothing",
        _task("hgs02", dns_client.RESOURCE, {"server_addresses": ["hgs01"]}),
    ),
    Case(
        "no IP address to forward to",
        network_names.NO_ADDRESS,
        "nothing",
        _task("dns01", dns_conditional_forwarders.RESOURCE, {"name": "hgs.lab", "master_servers": ["10.0.0.1:53"]}),
    ),
    Case(
        "no name of a domain to forward",
        network_names.NO_DOMAIN,
        "nothing",
        _task("dns01", dns_conditional_forwarders.RESOURCE, {"name": "hgs lab.", "master_servers": ["10.0.0.1"]}),
    ),
    Case("no name of a domain", network_names.NO_DOMAIN, "nothing", _server(lambda _: {"domain": "$(hgs).lab"})),
    Case("no name of a service", network_names.NO_COMPUTER, "nothing", _server(lambda _: {"service": "hgs.hgs.lab"})),
    Case("no address to join", network_names.NO_ADDRESS, "nothing", _server(lambda _: {"join_address": "hgs01"})),
    Case("name with a line break", texts.INVISIBLE, "protect", _vm("vm01\n")),
    Case("name of 300 characters", texts.TOO_LONG, "protect", _vm("v" * 300)),
    Case("name with wildcards", texts.WILDCARD, "protect", _vm("vm0*")),
    Case("name that is empty", texts.EMPTY, "protect", _vm(" ")),
)
"""Wrong passwords and unreachable hosts are met by Ansible's connection: tests/integration/test_connections.py."""
