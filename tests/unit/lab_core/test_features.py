# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .playground import Playground


def _state(lab: Playground, machine: str, feature: str) -> str:
    found = lab.call(machine, "Get-WindowsFeature", ("InstallState",), Name=feature)
    return str(found[0]["InstallState"]) if found else "unknown"


def test_a_feature_that_needs_a_restart_waits_for_it(lab: Playground) -> None:
    (result,) = lab.call(
        "hosta01", "Install-WindowsFeature", ("RestartNeeded", "ExitCode"), Name=["Hyper-V", "HostGuardian"]
    )
    assert result == {"RestartNeeded": "Yes", "ExitCode": "SuccessRestartRequired"}
    assert _state(lab, "hosta01", "HostGuardian") == "InstallPending"
    assert lab.machine("hosta01").boot is not None
    assert lab.refusal("hosta01", "Get-HgsClientConfiguration") == "CommandNotFoundException"
    lab.restart("hosta01")
    assert _state(lab, "hosta01", "HostGuardian") == "Installed"
    assert lab.call("hosta01", "Get-HgsClientConfiguration", ("Mode",)) == [{"Mode": "Local"}]


def test_installing_twice_changes_nothing(lab: Playground) -> None:
    lab.call("hosta01", "Install-WindowsFeature", Name="RSAT-Clustering-PowerShell")
    (again,) = lab.call(
        "hosta01", "Install-WindowsFeature", ("ExitCode", "RestartNeeded"), Name="rsat-clustering-powershell"
    )
    assert again == {"ExitCode": "NoChangeNeeded", "RestartNeeded": "No"}


def test_only_datacenter_has_host_guardian(lab: Playground) -> None:
    assert _state(lab, "hosta01", "HostGuardian") == "Available"
    assert _state(lab, "hgs01", "HostGuardian") == "unknown"
    assert lab.refusal("hgs01", "Install-WindowsFeature", Name="HostGuardian") == "NameDoesNotExist"


def test_management_tools_come_only_when_asked_for(lab: Playground) -> None:
    lab.call("hosta01", "Install-WindowsFeature", Name="Hyper-V")
    lab.call("hosta02", "Install-WindowsFeature", Name="Hyper-V", IncludeManagementTools=True)
    for name in ("hosta01", "hosta02"):
        lab.restart(name)
    assert lab.refusal("hosta01", "Get-VM") == "CommandNotFoundException"
    assert lab.call("hosta02", "Get-VM", ("Name",)) == [{"Name": "vm02"}]


def test_host_guardian_sets_up_vbs_which_runs_after_the_restart(lab: Playground) -> None:
    guard = ("Get-CimInstance", ("VirtualizationBasedSecurityStatus", "SecurityServicesRunning"))
    where: dict[str, Any] = {"ClassName": "Win32_DeviceGuard", "Namespace": r"root\Microsoft\Windows\DeviceGuard"}
    assert lab.call("hosta01", *guard, **where)[0]["VirtualizationBasedSecurityStatus"] == 0
    lab.call("hosta01", "Install-WindowsFeature", Name="HostGuardian")
    assert lab.call("hosta01", *guard, **where)[0]["VirtualizationBasedSecurityStatus"] == 0
    lab.restart("hosta01")
    (after,) = lab.call("hosta01", *guard, **where)
    assert after == {"VirtualizationBasedSecurityStatus": 2, "SecurityServicesRunning": [2]}


def test_restart_switch_schedules_a_restart_only_where_one_is_needed(lab: Playground) -> None:
    lab.call("hosta01", "Install-WindowsFeature", Name="RSAT-AD-PowerShell", Restart=True)
    assert lab.machine("hosta01").shutdown_at is None
    lab.call("hosta01", "Install-WindowsFeature", Name="Hyper-V", Restart=True)
    assert lab.machine("hosta01").shutdown_at is not None
