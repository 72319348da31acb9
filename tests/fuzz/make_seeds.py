# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the seeds anew, of machines, guardians and policies of the lab: small inputs that a parser takes as they are.

`python -m ansible_collections.guarded.fabric.tests.fuzz.make_seeds`. Keys are drawn, so the bytes differ each time.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

from ansible_collections.guarded.fabric.lab.cmdlets.platform_identifier import get_platform_identifier
from ansible_collections.guarded.fabric.lab.cmdlets.registry import Bound, PSObject, Session
from ansible_collections.guarded.fabric.lab.world import code_integrity, measured_boot, tpm
from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.model import Machine, World
from ansible_collections.guarded.fabric.plugins.module_utils import (
    ek_certificate,
    guardian_metadata,
    key_protector,
    key_protector_access,
    si_policy_binary,
    si_policy_xml,
    tcg_log,
)
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import ApplicationSettings, Policy, Setting
from ansible_collections.guarded.fabric.tests.unit.lab_world.bare_host import bare_host
from ansible_collections.guarded.fabric.tests.unit.module_utils import event_logs, guardians
from ansible_collections.guarded.fabric.tests.unit.module_utils.signed_content import signed

from .targets import SEEDS

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
Seeds = Iterator[tuple[str, str, bytes]]


def _machine() -> Machine:
    vendor = tpm.new_vendor("Lab Silicon", _NOW)
    host = bare_host(tpm.manufacture("Lab Silicon", vendor, _NOW))
    assert host.firmware is not None
    host.firmware.option_roms = [b"rom"]
    return host


def _log(machine: Machine) -> bytes:
    measured_boot.measure(machine, _NOW)
    assert machine.boot is not None
    return machine.boot.log


def _boot_logs(machine: Machine) -> Seeds:
    whole = _log(machine)
    yield "tcg_log", "boot.tcglog", whole
    events = tcg_log.parse(whole).events
    windows = max((event.data for event in events if event.type == tcg_log.EV_EVENT_TAG), key=len)
    yield "sipa", "kernel.bin", windows
    image = next(event.data for event in events if event.type == tcg_log.EV_EFI_BOOT_SERVICES_APPLICATION)
    yield "device_path", "file.bin", image[32:]
    yield "device_path", "all.bin", _every_node()
    variables = [event.data for event in events if event.type == tcg_log.EV_EFI_VARIABLE_DRIVER_CONFIG]
    yield "uefi_variable", "SecureBoot.bin", min(variables, key=len)
    yield "uefi_variable", "db.bin", max(variables, key=len)
    assert machine.firmware is not None
    for name in ("db", "dbx"):
        yield "uefi_signature_lists", f"{name}.bin", machine.firmware.variables[name]
    machine.settings = replace(machine.settings, resume_instead_of_boot=True)
    yield "tcg_log", "resumed.tcglog", _log(machine)
    records = [event_logs.Record(event.pcr, event.type, event.data) for event in events[1:20]]
    yield "tcg_log", "sha1.tcglog", event_logs.legacy_log(records)
    yield "tcg_log", "two-banks.tcglog", event_logs.agile_log([tcg_log.SHA1, tcg_log.SHA384], records)


def _every_node() -> bytes:
    """Return a device path with a node of each kind that has a text of its own."""
    guid = uuid5(NAMESPACE_DNS, "volume").bytes_le
    nodes = {
        (2, 1): struct.pack("<II", 0x0A0341D0, 0),
        (1, 1): bytes([0, 0x1C]),
        (3, 23): struct.pack("<IQ", 1, 2),
        (3, 18): struct.pack("<HHH", 0, 0xFFFF, 0),
        (3, 11): bytes(32) + b"\1",
        (4, 1): struct.pack("<IQQ16sBB", 1, 2048, 4096, guid, 2, 2),
        (4, 7): guid,
        (4, 6): guid,
        (4, 8): struct.pack("<IQQ", 0, 0x1000, 0x2000),
        (5, 1): b"unknown",
        (0x7F, 0xFF): b"",
    }
    return b"".join(struct.pack("<BBH", *kind, 4 + len(body)) + body for kind, body in nodes.items())


def _policies() -> Seeds:
    paths = (r"C:\Windows\System32\drivers\a.sys", r"C:\Tools\b.exe", r"C:\Tools\c.sys")
    programs = [code_integrity.Program(path, path.encode()) for path in paths]
    made = code_integrity.policy_for(programs, ("FilePublisher", "Hash"), user_mode=True, deny=False)
    full = replace(
        made,
        settings=(Setting("PolicyInfo", "Information", "Name", "Lab"), Setting("P", "K", "B", value=True)),
        applications=(ApplicationSettings("manifest", ()),),
    )
    for name, policy in (("scanned", made), ("full", full), ("empty", Policy(version=1))):
        yield "si_policy_xml", f"{name}.xml", si_policy_xml.write(replace(policy, applications=()))
        yield "si_policy_binary", f"{name}.p7b", si_policy_binary.write(policy)
    yield "si_policy_binary", "oldest.p7b", si_policy_binary.write(made, 3)
    yield "signed_policy", "signed.p7b", signed(si_policy_binary.write(made))
    yield "signed_policy", "unsigned.p7b", si_policy_binary.write(Policy(version=1))


def _identities(machine: Machine) -> Seeds:
    assert machine.tpm is not None
    assert machine.tpm.ek_certificate is not None
    certificate = machine.tpm.ek_certificate
    yield "ek_certificate", "lab.cer", certificate
    header = b"\x10\x01\x00" + (len(certificate) + 2).to_bytes(2, "big") + b"\x10\x02"
    yield "ek_certificate", "memory.bin", header + certificate + b"\xff" * 20
    lines = base64.encodebytes(certificate)
    yield "ek_certificate", "lab.pem", b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"
    yield "endorsement_key", "key.der", ek_certificate.parse(certificate).public_key
    yield "platform_identifier", "host1.xml", _identifier(machine)


def _identifier(machine: Machine) -> bytes:
    session = Session(World(), machine, Clock(_NOW), "Administrator", lambda _warning: None)
    shown = get_platform_identifier(session, Bound("", {"Name": machine.name}))
    assert isinstance(shown, PSObject)
    return str(shown.properties["OuterXml"]).encode()


def _protection() -> Seeds:
    signing, communications = guardians.identity("signing"), guardians.identity("communications")
    encryption = guardians.identity("encryption").certificate
    metadata = guardian_metadata.build(signing, encryption, communications, (signing.certificate,))
    yield "guardian_metadata", "fabric.xml", metadata
    opened = key_protector_access.create(guardians.keys("owner"), [guardians.keys("hgs").public()])
    yield "key_protector", "vm01.kp", key_protector.write(opened.protector)
    yield "key_protector", "none.kp", key_protector.NONE


def main() -> None:
    """Write them; what else is kept there stays."""
    machine = _machine()
    for made in (_boot_logs(machine), _policies(), _identities(machine), _protection()):
        for target, name, content in made:
            path = SEEDS / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


if __name__ == "__main__":
    main()
