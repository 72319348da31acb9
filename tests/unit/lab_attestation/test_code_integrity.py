# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigCI, and a policy's way from a scan to what the machine measures."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError
from ansible_collections.guarded.fabric.lab.world import files
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, si_policy_xml
from ansible_collections.guarded.fabric.plugins.module_utils.boot_facts import boot_facts
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import (
    ENTERPRISE_POLICY,
    KERNEL_MODE,
    USER_MODE,
    Policy,
    RuleKind,
    option_names,
    version_text,
)
from ansible_collections.guarded.fabric.plugins.module_utils.tcg_log import parse

from .fabric import POLICY_FILE

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .fabric import Fabric

XML = r"C:\policies\scan.xml"
BINARY = r"C:\policies\scan.p7b"
AGENT = r"C:\Program Files\Backup\agent.exe"
FILTER = r"C:\Program Files\Backup\filter.sys"


@pytest.fixture
def host(fabric: Fabric) -> Machine:
    machine = fabric.host("host1")
    machine.installed_software = {
        AGENT: b"agent",
        FILTER: b"filter",
        r"C:\Windows\System32\svchost.exe": b"svchost",
        r"C:\Windows\System32\drivers\disk.sys": b"disk",
    }
    return machine


def scan(fabric: Fabric, host: Machine, **parameters: object) -> Policy:
    chosen = {"Level": "FilePublisher", "Fallback": ["Hash"], "UserPEs": True, **parameters}
    fabric.run(host, "New-CIPolicy", FilePath=XML, **chosen)
    return load(host)


def load(host: Machine) -> Policy:
    return si_policy_xml.read(files.read(host, XML))


def hashes(policy: Policy) -> set[bytes]:
    return {rule.hash for rule in policy.file_rules if rule.hash}


def test_a_scan_trusts_what_microsoft_signed_and_the_hashes_of_the_rest(fabric: Fabric, host: Machine) -> None:
    policy = scan(fabric, host)
    assert {hashlib.sha256(content).digest() for content in (b"agent", b"filter")} < hashes(policy)
    assert hashlib.sha256(b"svchost").digest() not in hashes(policy)
    attributes = {rule.file_name for rule in policy.file_rules if rule.kind is RuleKind.FILE_ATTRIB}
    assert attributes == {"svchost.exe", "disk.sys"}
    assert {scenario.value for scenario in policy.scenarios} == {KERNEL_MODE, USER_MODE}
    assert all(scenario.product.allowed for scenario in policy.scenarios)


def test_a_new_policy_only_records_and_is_unsigned(fabric: Fabric, host: Machine) -> None:
    assert set(option_names(scan(fabric, host))) == {
        "Enabled:UMCI",
        "Enabled:Audit Mode",
        "Enabled:Unsigned System Integrity Policy",
        "Enabled:Advanced Boot Options Menu",
        "Enabled:Update Policy No Reboot",
    }


def test_without_user_pes_only_drivers_are_looked_at(fabric: Fabric, host: Machine) -> None:
    policy = scan(fabric, host, UserPEs=False)
    assert {scenario.value for scenario in policy.scenarios} == {KERNEL_MODE}
    assert hashes(policy) == {hashlib.sha256(b"filter").digest(), hashlib.sha1(b"filter").digest()}  # noqa: S324


def test_every_scan_ends_in_another_policy(fabric: Fabric, host: Machine) -> None:
    first, second = scan(fabric, host), scan(fabric, host)
    assert si_policy_binary.write(first) != si_policy_binary.write(second)
    assert hashes(first) != hashes(second)


@pytest.mark.parametrize(
    ("level", "attribute", "value"),
    [("FileName", "file_name", "agent.exe"), ("FilePath", "file_path", AGENT)],
)
def test_other_levels_ask_for_other_things(
    fabric: Fabric, host: Machine, level: str, attribute: str, value: str
) -> None:
    policy = scan(fabric, host, Level=level, ScanPath=AGENT)
    assert [getattr(rule, attribute) for rule in policy.file_rules] == [value]


def test_a_file_that_no_level_fits_gets_no_rule(fabric: Fabric, host: Machine) -> None:
    assert scan(fabric, host, Fallback=["Publisher"], ScanPath=AGENT).file_rules == ()


def test_a_scan_stays_where_it_is_told(fabric: Fabric, host: Machine) -> None:
    policy = scan(fabric, host, ScanPath="C:\\", OmitPaths=[r"C:\Program Files", r"C:\Users"])
    assert hashes(policy) == set()


def test_a_scan_can_deny(fabric: Fabric, host: Machine) -> None:
    policy = scan(fabric, host, Deny=True, ScanPath=AGENT)
    assert {rule.kind for rule in policy.file_rules} == {RuleKind.DENY}


def test_the_multiple_policy_format_gives_each_policy_an_identity(fabric: Fabric, host: Machine) -> None:
    assert scan(fabric, host).policy_id == ENTERPRISE_POLICY
    first = scan(fabric, host, MultiplePolicyFormat=True).policy_id
    assert ENTERPRISE_POLICY != first != scan(fabric, host, MultiplePolicyFormat=True).policy_id


@pytest.mark.parametrize("parameters", [{"Audit": True}, {"PathToCatroot": "C:\\x"}])
def test_what_the_lab_does_not_play_is_refused(fabric: Fabric, host: Machine, parameters: dict[str, object]) -> None:
    with pytest.raises(CmdletError, match="does not play"):
        scan(fabric, host, **parameters)


def test_options_are_set_and_deleted_by_number(fabric: Fabric, host: Machine) -> None:
    scan(fabric, host)
    fabric.run(host, "Set-RuleOption", FilePath=XML, Option=3, Delete=True)
    assert "Enabled:Audit Mode" not in option_names(load(host))
    fabric.run(host, "Set-RuleOption", FilePath=XML, Option=3)
    assert "Enabled:Audit Mode" in option_names(load(host))
    with pytest.raises(CmdletError, match="99 is not"):
        fabric.run(host, "Set-RuleOption", FilePath=XML, Option=99)
    listed = fabric.run(host, "Set-RuleOption", Help=True)
    assert isinstance(listed, list)
    assert "3 Enabled:Audit Mode" in listed


def test_the_hypervisor_is_told_to_enforce(fabric: Fabric, host: Machine) -> None:
    scan(fabric, host)
    for parameters, expected in (({"Enabled": True}, 1), ({"Strict": True}, 2), ({"None": True}, 0)):
        fabric.run(host, "Set-HVCIOptions", FilePath=XML, **parameters)
        assert load(host).hvci_options == expected


def test_version_and_name_are_the_administrators(fabric: Fabric, host: Machine) -> None:
    scan(fabric, host)
    fabric.run(host, "Set-CIPolicyVersion", FilePath=XML, Version="10.1.2.3")
    fabric.run(host, "Set-CIPolicyIdInfo", FilePath=XML, PolicyName="First", PolicyId="2026-11")
    fabric.run(host, "Set-CIPolicyIdInfo", FilePath=XML, PolicyName="Hosts of class A")
    policy = load(host)
    assert version_text(policy.version) == "10.1.2.3"
    information = {setting.value_name: setting.value for setting in policy.settings}
    assert information == {"Name": "Hosts of class A", "Id": "2026-11"}
    for version in ("10.1", "10.1.2.70000"):
        with pytest.raises(CmdletError, match="not a version"):
            fabric.run(host, "Set-CIPolicyVersion", FilePath=XML, Version=version)


def test_a_policy_can_supplement_another(fabric: Fabric, host: Machine) -> None:
    scan(fabric, host, MultiplePolicyFormat=True)
    base = UUID("5951a96a-e0b5-4d3d-8fb8-3e5b61030784")
    fabric.run(host, "Set-CIPolicyIdInfo", FilePath=XML, SupplementsBasePolicyID=base)
    assert (load(host).supplemental, load(host).base_policy_id) == (True, base)


def test_what_is_no_policy_is_refused(fabric: Fabric, host: Machine) -> None:
    files.write(host, XML, b"<SiPolicy/>")
    for cmdlet, parameters in (
        ("ConvertFrom-CIPolicy", {"XmlFilePath": XML, "BinaryFilePath": BINARY}),
        ("Set-RuleOption", {"FilePath": XML, "Option": 3}),
    ):
        with pytest.raises(CmdletError, match="not valid"):
            fabric.run(host, cmdlet, **parameters)
    with pytest.raises(CmdletError, match="does not exist"):
        fabric.run(host, "Set-RuleOption", FilePath=r"C:\policies\nothing.xml", Option=3)


def test_a_policy_is_in_force_and_measured_from_the_next_start_on(fabric: Fabric, host: Machine) -> None:
    scan(fabric, host)
    fabric.run(host, "ConvertFrom-CIPolicy", XmlFilePath=XML, BinaryFilePath=BINARY)
    binary = files.read(host, BINARY)
    files.write(host, POLICY_FILE, binary)

    def measured() -> list[bytes]:
        assert host.boot is not None
        return [policy.digest for policy in boot_facts(parse(host.boot.log)).code_integrity_policies]

    assert hashlib.sha256(binary).digest() not in measured()
    fabric.restart(host)
    assert measured() == [hashlib.sha256(binary).digest()]


def test_the_same_xml_compiles_to_the_same_policy(fabric: Fabric, host: Machine) -> None:
    scan(fabric, host)
    for path in (BINARY, r"C:\policies\again.p7b"):
        fabric.run(host, "ConvertFrom-CIPolicy", XmlFilePath=XML, BinaryFilePath=path)
    assert files.read(host, BINARY) == files.read(host, r"C:\policies\again.p7b")
