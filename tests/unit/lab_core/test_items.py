# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import BootSettings

    from .playground import Playground

POLICY = r"C:\Windows\System32\CodeIntegrity\SIPolicy.p7b"


def _file(content: bytes, suffix: str) -> dict[str, Any]:
    return {"$file": {"content": base64.b64encode(content).decode(), "suffix": suffix}}


def test_a_file_is_copied_read_and_removed(lab: Playground) -> None:
    lab.call("hosta01", "Copy-Item", LiteralPath=_file(b"policy", ".p7b"), Destination=POLICY)
    assert lab.call("hosta01", "Test-Path", LiteralPath=POLICY.upper()) == [True]
    assert lab.call("hosta01", "Test-Path", LiteralPath=POLICY, PathType="Container") == [False]
    content = lab.call("hosta01", "Get-Content", LiteralPath=POLICY, Encoding="Byte", Raw=True)
    assert content == [{"$bytes": base64.b64encode(b"policy").decode()}]
    (item,) = lab.call("hosta01", "Get-Item", ("Name", "Length"), LiteralPath=POLICY)
    assert item == {"Name": "SIPolicy.p7b", "Length": 6}
    lab.call("hosta01", "Remove-Item", LiteralPath=POLICY)
    assert lab.call("hosta01", "Test-Path", LiteralPath=POLICY) == [False]
    assert lab.refusal("hosta01", "Remove-Item", LiteralPath=POLICY) == "PathNotFound"


def test_nothing_is_copied_into_a_folder_that_is_not_there(lab: Playground) -> None:
    target = r"C:\Exchange\a.bin"
    refused = lab.refusal("hosta01", "Copy-Item", LiteralPath=_file(b"x", ""), Destination=target)
    assert refused == "System.IO.DirectoryNotFoundException"
    lab.call("hosta01", "New-Item", ItemType="Directory", Path=r"C:\Exchange")
    assert lab.refusal("hosta01", "New-Item", ItemType="Directory", Path=r"C:\Exchange") == "NewItemIOError"
    lab.call("hosta01", "Copy-Item", LiteralPath=_file(b"x", ""), Destination=target)
    children = lab.call("hosta01", "Get-ChildItem", ("Name",), LiteralPath=r"C:\Exchange")
    assert children == [{"Name": "a.bin"}]


def test_a_drive_that_is_not_there_is_refused(lab: Playground) -> None:
    assert lab.refusal("hosta01", "Get-Item", Path=r"Q:\x") == "DriveNotFound"


def test_text_is_written_and_read_by_lines(lab: Playground) -> None:
    path = r"C:\Windows\Temp\notes.txt"
    lab.call("hosta01", "Set-Content", LiteralPath=path, Value=["one", "two"])
    assert lab.call("hosta01", "Get-Content", LiteralPath=path) == ["one", "two"]
    lab.call("hosta01", "Set-Content", LiteralPath=path, Value={"$bytes": "AAE="}, Encoding="Byte")
    assert lab.machine("hosta01").files[path.lower()] == b"\0\1"


def test_virtual_hard_disks_and_programs_are_files(lab: Playground) -> None:
    (shown,) = lab.call("hosta01", "Get-FileHash", ("Algorithm",), LiteralPath=r"C:\VMs\vm01\vm01.vhdx")
    assert shown == {"Algorithm": "SHA256"}
    assert lab.call("hosta01", "Test-Path", LiteralPath=r"C:\Windows\System32\svchost.exe") == [True]


@pytest.mark.parametrize("root", ["HKLM:", "HKEY_LOCAL_MACHINE", "Registry::HKEY_LOCAL_MACHINE"])
def test_registry_values_are_made_changed_and_read_whatever_the_letter_case(lab: Playground, root: str) -> None:
    key = root + r"\SOFTWARE\Contoso"
    assert lab.refusal("hosta01", "Set-ItemProperty", Path=key, Name="Level", Value=1) == "PathNotFound"
    lab.call("hosta01", "New-Item", Path=key)
    lab.call("hosta01", "New-ItemProperty", Path=key, Name="Level", Value=1, PropertyType="DWord")
    assert lab.refusal("hosta01", "New-ItemProperty", Path=key, Name="LEVEL", Value=2) == "System.IO.IOException"
    lab.call("hosta01", "Set-ItemProperty", Path=key, Name="level", Value=3)
    assert lab.call("hosta01", "Get-ItemProperty", ("Level",), Path=key.lower()) == [{"Level": 3}]
    missing = lab.refusal("hosta01", "Get-ItemProperty", Path=key, Name="Other")
    assert missing == "System.Management.Automation.PSArgumentException"


def test_some_registry_values_are_settings_of_the_next_start(lab: Playground) -> None:
    def asked(settings: BootSettings) -> bool:
        return settings.virtualization_based_security

    machine = lab.machine("hosta01")
    key = r"HKLM:\SYSTEM\CurrentControlSet\Control\DeviceGuard"
    assert not asked(machine.settings)
    lab.call("hosta01", "Set-ItemProperty", Path=key, Name="EnableVirtualizationBasedSecurity", Value=1)
    assert asked(machine.settings)
    assert machine.boot is not None
    assert not asked(machine.boot.settings)
    shown = lab.call("hosta01", "Get-ItemProperty", ("EnableVirtualizationBasedSecurity",), Path=key)
    assert shown == [{"EnableVirtualizationBasedSecurity": 1}]


def test_roots_of_tpm_vendors_go_into_a_store_that_comes_with_the_role(lab: Playground) -> None:
    (root,) = lab.world.tpm_vendors.values()
    store = r"Cert:\LocalMachine\TrustedTPM_RootCA"
    given: dict[str, Any] = {"FilePath": _file(root.der, ".cer"), "CertStoreLocation": store}
    assert lab.refusal("hgs01", "Import-Certificate", **given) == "PathNotFound"
    lab.install_role("hgs01")
    (first,) = lab.call("hgs01", "Import-Certificate", ("Thumbprint",), **given)
    lab.call("hgs01", "Import-Certificate", **given)
    found = lab.call("hgs01", "Get-ChildItem", ("Thumbprint",), Path=store)
    assert found == [first]
    path = f"{store}\\{first['Thumbprint']}"
    assert lab.call("hgs01", "Test-Path", Path=path) == [True]
    lab.call("hgs01", "Remove-Item", Path=path)
    assert lab.call("hgs01", "Get-ChildItem", Path=store) == []


def test_a_pfx_brings_its_private_key_into_the_store(lab: Playground) -> None:
    given: dict[str, Any] = {"FilePath": lab.pfx("me"), "CertStoreLocation": r"Cert:\LocalMachine\My"}
    assert lab.refusal("tenant01", "Import-PfxCertificate", **given, Password={"$secret": "no"}) == "System.Exception"
    (shown,) = lab.call(
        "tenant01", "Import-PfxCertificate", ("Subject", "HasPrivateKey"), **given, Password={"$secret": "pfx password"}
    )
    assert shown == {"Subject": "CN=me", "HasPrivateKey": True}


def test_the_tpm_and_secure_boot_are_those_of_the_hardware(lab: Playground) -> None:
    assert lab.call("hosta01", "Get-Tpm", ("TpmPresent", "TpmReady")) == [{"TpmPresent": True, "TpmReady": True}]
    assert lab.call("tenant01", "Get-Tpm", ("TpmPresent",)) == [{"TpmPresent": False}]
    assert lab.call("hosta01", "Confirm-SecureBootUEFI") == [True]
    assert lab.refusal("tenant01", "Confirm-SecureBootUEFI") == "GetFWVarFailed"
    (key,) = lab.call("hosta01", "Get-TpmEndorsementKeyInfo", ("ManufacturerCertificates.Issuer",))
    assert "Lab Silicon" in key["ManufacturerCertificates.Issuer"][0]


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ({"ClassName": "Win32_Nothing"}, "HRESULT 0x80041010"),
        ({"ClassName": "Win32_Tpm", "Namespace": "root/nothing"}, "HRESULT 0x8004100e"),
        ({"ClassName": "Win32_BIOS", "Filter": "Manufacturer LIKE 'C%'"}, "HRESULT 0x80041017"),
    ],
)
def test_cim_refuses_what_it_does_not_have(lab: Playground, where: dict[str, str], error: str) -> None:
    assert lab.refusal("hosta01", "Get-CimInstance", **where) == error


def test_cim_filters_by_equality(lab: Playground) -> None:
    for vendor, number in (("Contoso", 1), ("fabrikam", 0)):
        where: dict[str, Any] = {"ClassName": "Win32_BIOS", "Filter": f"Manufacturer = '{vendor}'"}
        assert len(lab.call("hosta01", "Get-CimInstance", ("Manufacturer",), **where)) == number


def test_services_come_with_their_features(lab: Playground) -> None:
    assert lab.refusal("hosta01", "Get-Service", Name="vmms") == "NoServiceFoundForGivenName"
    lab.call("hosta01", "Install-WindowsFeature", Name="Hyper-V")
    lab.restart("hosta01")
    assert lab.call("hosta01", "Get-Service", ("Name", "Status"), Name="VMMS") == [
        {"Name": "vmms", "Status": "Running"}
    ]
