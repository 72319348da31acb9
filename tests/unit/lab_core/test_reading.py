# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import NotEmulatedError
from ansible_collections.guarded.fabric.lab.reading import User
from ansible_collections.guarded.fabric.lab.world import code_integrity, files, measured_boot
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import AUDIT_MODE, with_option, without_option

if TYPE_CHECKING:
    from .playground import Playground

SECRET = "text that nobody should see"
DATE = {"cmdlet": "Get-Date"}


def test_stops_at_the_first_error_and_keeps_what_was_done_before(lab: Playground) -> None:
    result = lab.batch(
        "dns01",
        DATE,
        {"cmdlet": "Remove-DnsServerZone", "parameters": {"Name": "nowhere.lab"}, "changes": True},
        DATE,
    )
    assert [entry["id"] for entry in result["results"]] == ["0", "1"]
    assert result["results"][1]["error"]["id"] == "WIN32 9601,Remove-DnsServerZone"
    assert result["results"][1]["accepted"] is False
    assert result["msg"].startswith("Remove-DnsServerZone: ")
    assert result["changed"] is False


@pytest.mark.parametrize("text", ["%", "AAA", "AAAA\u0436AAAA"])
def test_bytes_that_are_no_base64_are_a_wrong_call(lab: Playground, text: str) -> None:
    call = {"cmdlet": "Set-Content", "parameters": {"LiteralPath": r"C:\x", "Value": {"$bytes": text}}, "accept": ["*"]}
    assert "bytes are not base64 text" in lab.batch("dns01", call)["msg"]


@pytest.mark.parametrize("accepted", ["WIN32 9601", "win32 9601,remove-dnsserverzone", "*"])
def test_an_accepted_error_is_an_answer(lab: Playground, accepted: str) -> None:
    call = {"cmdlet": "Remove-DnsServerZone", "parameters": {"Name": "nowhere.lab"}, "accept": [accepted]}
    result = lab.batch("dns01", call, DATE)
    assert "failed" not in result
    assert result["results"][0]["accepted"] is True
    assert len(result["results"]) == 2


def test_a_call_that_is_wrong_itself_is_never_accepted(lab: Playground) -> None:
    result = lab.batch("dns01", {"cmdlet": "Get-Item", "parameters": {"Path": {"$ref": "nobody"}}, "accept": ["*"]})
    assert result["results"][0]["error"]["id"].startswith("InvalidCall,")
    assert result["failed"] is True


@pytest.mark.parametrize("name", ["cmd.exe", "Invoke-Expression", "Get-Item; Remove-Item", "ls", ""])
def test_only_names_of_harmless_cmdlets_are_called(lab: Playground, name: str) -> None:
    result = lab.batch("dns01", {"cmdlet": name, "accept": ["*"]})
    assert result["results"][0]["error"]["id"].startswith("InvalidCall,")


def test_a_cmdlet_that_windows_does_not_have_or_not_here_is_not_found(lab: Playground) -> None:
    assert lab.refusal("dns01", "Get-Nonsense") == "CommandNotFoundException"
    assert lab.refusal("hosta01", "Get-HgsServer") == "CommandNotFoundException"
    assert lab.refusal("hosta01", "Get-VM") == "CommandNotFoundException"


def test_a_cmdlet_that_only_windows_has_is_no_answer_at_all(lab: Playground) -> None:
    with pytest.raises(NotEmulatedError, match="Get-ADUser"):
        lab.batch("dns01", {"cmdlet": "Get-ADUser", "parameters": {"Filter": "*"}, "accept": ["*"]})


def test_an_unknown_parameter_is_refused_as_powershell_does(lab: Playground) -> None:
    assert lab.refusal("dns01", "Get-DnsServerZone", Nmae="fabric.lab") == "NamedParameterNotFound"


def test_check_mode_refuses_a_batch_that_changes_something_as_a_whole(lab: Playground) -> None:
    call = {"cmdlet": "Restart-Computer", "changes": True}
    result = lab.batch("dns01", DATE, call, check_mode=True)
    assert result["failed"] is True
    assert result["results"] == []
    assert lab.machine("dns01").shutdown_at is None
    assert "failed" not in lab.batch("dns01", DATE, check_mode=True)


def test_a_reference_hands_over_the_object_or_a_part_of_it(lab: Playground) -> None:
    lab.make_first_node()
    result = lab.batch(
        "hgs01",
        {"id": "resource", "cmdlet": "Get-ClusterResource", "parameters": {"Name": "HgsClusterResource"}},
        {"cmdlet": "Get-ClusterParameter", "parameters": {"InputObject": {"$ref": "resource"}}, "select": ["Value"]},
        {"id": "zones", "cmdlet": "Get-DnsServerZone"},
        {"cmdlet": "Resolve-DnsName", "parameters": {"Name": {"$ref": "zones.ZoneName"}}, "select": ["IPAddress"]},
    )
    assert "failed" not in result, result["msg"]
    assert result["results"][1]["output"] == [{"Value": "hgs"}]
    assert result["results"][3]["output"] == [{"IPAddress": lab.machine("hgs01").address}]


def test_a_temporary_file_is_there_for_its_batch_only(lab: Playground) -> None:
    content = {"$file": {"content": base64.b64encode(b"hello").decode(), "suffix": ".txt"}}
    before = dict(lab.machine("dns01").files)
    result = lab.batch("dns01", {"cmdlet": "Get-FileHash", "parameters": {"Path": content}, "select": ["Path", "Hash"]})
    (shown,) = result["results"][0]["output"]
    assert shown["Hash"] == "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"
    assert shown["Path"].endswith(".txt")
    assert lab.machine("dns01").files == before


def test_a_temporary_file_is_gone_after_an_error_too(lab: Playground) -> None:
    before = dict(lab.machine("tenant01").files)
    content = {"$file": {"content": base64.b64encode(b"no certificate").decode(), "suffix": ".cer"}}
    lab.refusal("tenant01", "Import-Certificate", FilePath=content, CertStoreLocation=r"Cert:\LocalMachine\Root")
    assert lab.machine("tenant01").files == before


def test_attached_files_come_back(lab: Playground) -> None:
    files.write(lab.machine("dns01"), r"C:\Windows\Temp\a.bin", b"\0\1\2")
    call = {"cmdlet": "Get-Item", "parameters": {"Path": r"C:\Windows\Temp\a.bin"}, "attach": ["FullName"]}
    result = lab.batch("dns01", call)
    assert result["results"][0]["attachments"] == {"FullName": base64.b64encode(b"\0\1\2").decode()}
    assert result["results"][0]["output"] == []


def test_nothing_is_selected_of_an_object_unless_asked_for(lab: Playground) -> None:
    call: dict[str, Any] = {"cmdlet": "Get-CimInstance", "parameters": {"ClassName": "Win32_ComputerSystem"}}
    result = lab.batch("dns01", call, {**call, "select": ["domain", "Nonsense", "DomainRole"]}, DATE)
    assert result["results"][0]["output"] == []
    assert result["results"][1]["output"] == [{"domain": "fabric.lab", "DomainRole": 5}]
    assert result["results"][2]["output"] == ["2026-11-24T19:00:00.0000000Z"]


def test_warnings_are_told_unless_silenced(lab: Playground) -> None:
    install = {"cmdlet": "Install-WindowsFeature", "parameters": {"Name": "Hyper-V"}}
    assert lab.batch("hosta01", install)["results"][0]["warnings"]
    install["parameters"] = {"Name": "Hyper-V", "WarningAction": "SilentlyContinue"}
    assert lab.batch("hosta02", install)["results"][0]["warnings"] == []


def test_whatif_does_nothing(lab: Playground) -> None:
    lab.call("dns01", "Remove-DnsServerZone", Name="fabric.lab", WhatIf=True)
    server = lab.machine("dns01").dns_server
    assert server is not None
    assert "fabric.lab" in server.zones


def test_a_silenced_error_gives_nothing(lab: Playground) -> None:
    assert lab.call("dns01", "Get-Item", Path=r"C:\nowhere", ErrorAction="SilentlyContinue") == []


def test_without_administrator_rights_most_is_refused(lab: Playground) -> None:
    result = lab.batch("dns01", {"cmdlet": "Get-DnsServerZone"}, user=User("LAB\\guest", administrator=False))
    assert result["results"][0]["error"]["category"] == "PermissionDenied"
    assert "failed" not in lab.batch("dns01", DATE, user=User("LAB\\guest", administrator=False))


def test_an_account_that_only_reads_reads_most_and_changes_nothing(lab: Playground) -> None:
    auditor = User("LAB\\auditor", reads_only=True)
    assert "failed" not in lab.batch("dns01", {"cmdlet": "Get-DnsServerZone"}, user=auditor)
    for cmdlet, parameters in (
        ("Remove-DnsServerZone", {"Name": "a.lab", "Force": True}),
        ("Get-PlatformIdentifier", {"Name": "dns01"}),
    ):
        result = lab.batch("dns01", {"cmdlet": cmdlet, "parameters": parameters}, user=auditor)
        assert result["results"][0]["error"]["category"] == "PermissionDenied"


def test_a_secret_does_not_come_back(lab: Playground) -> None:
    result = lab.batch(
        "hosta01",
        {"cmdlet": "Restart-Computer", "parameters": {"Timeout": {"$secret": SECRET}}, "accept": ["*"]},
    )
    assert result["results"][0]["error"]
    assert SECRET not in str(result)


def test_scripts_are_constrained_where_an_enforced_policy_holds_for_them(lab: Playground) -> None:
    host = lab.machine("hosta01")
    programs = code_integrity.scan(host, "C:\\", (), user_mode=True)
    policy = code_integrity.policy_for(programs, ["Hash"], user_mode=True, deny=False)
    assert lab.batch("hosta01", DATE)["language_mode"] == "FullLanguage"
    enforced = without_option(policy, AUDIT_MODE)
    for wanted, mode in (
        (policy, "FullLanguage"),
        (enforced, "ConstrainedLanguage"),
        (with_option(enforced, "Disabled:Script Enforcement"), "FullLanguage"),
    ):
        files.write(host, measured_boot.CODE_INTEGRITY_POLICY_PATH, si_policy_binary.write(wanted))
        lab.restart("hosta01")
        assert lab.batch("hosta01", DATE)["language_mode"] == mode


def test_statistics_count_what_ran(lab: Playground) -> None:
    lab.batch("dns01", DATE, {"cmdlet": "Remove-DnsServerZone", "parameters": {"Name": "fabric.lab"}, "changes": True})
    lab.batch("dns01", DATE)
    counted = lab.reader.statistics
    assert counted.executions == {"dns01": 2}
    assert counted.calls == {"Get-Date": 2, "Remove-DnsServerZone": 1}
    assert counted.changes == {"Remove-DnsServerZone": 1}
