# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.lab.host import _INVOKE_CMDLETS, Host, known_module
from ansible_collections.guarded.fabric.lab.wire.recognised_scripts import (
    AbortShutdown,
    BootTimeQuery,
    RebootRequest,
    WhoAmI,
)
from ansible_collections.guarded.fabric.lab.wire.target import ModuleExecution, ProcessResult, ScriptExecution
from ansible_collections.guarded.fabric.lab.world import code_integrity, files, measured_boot
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import AUDIT_MODE, without_option

from .playground import PASSWORDS

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.wire.recognised_scripts import ScriptRequest
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .playground import Playground

SOURCE = _INVOKE_CMDLETS.read_bytes()
CALLS = {"calls": [{"id": "now", "cmdlet": "Get-Date"}]}


def _host(lab: Playground, name: str, saved: list[Machine] | None = None) -> Host:
    return Host(lab.reader, lab.machine(name), known_module(), ([] if saved is None else saved).append)


def _module(host: Host, execution: ModuleExecution, user: str = "Administrator") -> tuple[int, dict[str, Any]]:
    result = asyncio.run(host.execute(execution, user))
    return result.rc, json.loads(result.stdout)


def _script(host: Host, request: ScriptRequest, user: str = "Administrator") -> ProcessResult:
    return asyncio.run(host.execute(ScriptExecution("", b"", request), user))


@pytest.mark.parametrize("user", ["Administrator", "administrator", r".\Administrator", r"HOSTA01\Administrator"])
def test_a_local_account_logs_on_by_any_of_its_names(lab: Playground, user: str) -> None:
    assert _host(lab, "hosta01").password_of(user) == PASSWORDS.fabric


@pytest.mark.parametrize(
    "user", ["nobody", r"HOSTA02\Administrator", r"FABRIC\Administrator", "Administrator@fabric.lab", ""]
)
def test_others_do_not_log_on_to_a_server_in_a_workgroup(lab: Playground, user: str) -> None:
    assert _host(lab, "hosta01").password_of(user) is None


@pytest.mark.parametrize(
    "user", ["Administrator", r"fabric\administrator", r"FABRIC.lab\Administrator", "administrator@fabric.lab"]
)
def test_a_controller_knows_the_accounts_of_its_domain(lab: Playground, user: str) -> None:
    assert _host(lab, "dns01").password_of(user) == PASSWORDS.fabric


@pytest.mark.parametrize(
    "user", [r"DNS01\Administrator", r".\Administrator", r"HGS\Administrator", "administrator@hgs.lab"]
)
def test_a_controller_has_no_local_accounts(lab: Playground, user: str) -> None:
    assert _host(lab, "dns01").password_of(user) is None


def test_a_further_controller_takes_the_passwords_of_the_domain(lab: Playground) -> None:
    lab.make_first_node()
    lab.machine("hgs02").accounts["administrator"].password = "Another-1"
    lab.install_role("hgs02")
    assert _host(lab, "hgs02").password_of("Administrator") == "Another-1"
    lab.machine("hgs02").dns_client = [lab.machine("hgs01").address]
    lab.call("hgs02", "Install-HgsServer", **lab.joining_parameters())
    lab.restart("hgs02")
    assert _host(lab, "hgs02").password_of("Administrator") == PASSWORDS.guardian
    assert _host(lab, "hgs02").password_of(r"HGS\Administrator") == PASSWORDS.guardian
    assert lab.machine("hgs02").accounts == {}


def test_the_module_of_this_collection_runs(lab: Playground) -> None:
    rc, answer = _module(_host(lab, "hosta01"), ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE, CALLS))
    assert (rc, answer["changed"]) == (0, False)
    assert answer["results"][0]["output"] == ["2026-11-24T19:00:00.0000000Z"]


def test_a_failed_batch_ends_with_exit_code_1(lab: Playground) -> None:
    calls = {"calls": [{"id": "x", "cmdlet": "Get-Nonsense"}]}
    rc, answer = _module(_host(lab, "hosta01"), ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE, calls))
    assert (rc, answer["failed"]) == (1, True)


def test_check_mode_arrives(lab: Playground) -> None:
    calls = {"calls": [{"id": "x", "cmdlet": "Restart-Computer", "changes": True}]}
    execution = ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE, calls, {"_ansible_check_mode": True})
    assert "check mode" in _module(_host(lab, "hosta01"), execution)[1]["msg"]


def test_a_module_of_that_name_with_other_text_does_not_run(lab: Playground) -> None:
    execution = ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE + b"\n", CALLS)
    rc, answer = _module(_host(lab, "hosta01"), execution)
    assert rc == 1
    assert "runs no PowerShell" in answer["msg"]


def test_ping_answers_and_crashes_on_request(lab: Playground) -> None:
    host = _host(lab, "hosta01")
    assert _module(host, ModuleExecution("ansible.windows.win_ping", b"", {}))[1]["ping"] == "pong"
    assert _module(host, ModuleExecution("ansible.windows.win_ping", b"", {"data": "crash"}))[0] == 1


def test_an_environment_is_refused_and_not_ignored(lab: Playground) -> None:
    execution = ModuleExecution("ansible.windows.win_ping", b"", {}, environment={"HTTP_PROXY": "x"})
    assert "HTTP_PROXY" in _module(_host(lab, "hosta01"), execution)[1]["msg"]


def test_a_cmdlet_the_lab_lacks_fails_the_task_whatever_it_accepts(lab: Playground) -> None:
    calls = {"calls": [{"id": "x", "cmdlet": "Get-ADUser", "parameters": {"Filter": "*"}, "accept": ["*"]}]}
    rc, answer = _module(_host(lab, "dns01"), ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE, calls))
    assert rc == 1
    assert "does not emulate Get-ADUser" in answer["msg"]


def test_a_restart_is_scheduled_once_and_can_be_called_off(lab: Playground) -> None:
    host, machine = _host(lab, "hosta01"), lab.machine("hosta01")
    assert _script(host, AbortShutdown()).rc == 1116
    request = RebootRequest(2, "because", forget_logon_screen=True)
    assert json.loads(_script(host, request).stdout)["rc"] == 0
    assert machine.shutdown_at is not None
    assert json.loads(_script(host, request).stdout)["rc"] == 1190
    assert _script(host, AbortShutdown()).rc == 0
    assert machine.shutdown_at is None


def test_the_boot_time_changes_with_a_restart(lab: Playground) -> None:
    host = _host(lab, "hosta01")
    before = _script(host, BootTimeQuery()).stdout
    lab.restart("hosta01")
    assert int(_script(host, BootTimeQuery()).stdout) > int(before)


def test_whoami_names_the_authority(lab: Playground) -> None:
    assert _script(_host(lab, "hosta01"), WhoAmI()).stdout == b"hosta01\\administrator\r\n"
    assert _script(_host(lab, "dns01"), WhoAmI()).stdout == b"fabric\\administrator\r\n"


def test_every_execution_is_followed_by_saving(lab: Playground) -> None:
    saved: list[Machine] = []
    _module(_host(lab, "hosta01", saved), ModuleExecution("ansible.windows.win_ping", b"", {}))
    assert saved == [lab.machine("hosta01")]


def test_ansible_is_locked_out_where_unsigned_scripts_are_constrained(lab: Playground) -> None:
    """Nothing of it works any more, not even a restart; the policy has to be taken away by hand."""
    machine = lab.machine("hosta01")
    policy = without_option(code_integrity.policy_for([], ["Hash"], user_mode=True, deny=False), AUDIT_MODE)
    files.write(machine, measured_boot.CODE_INTEGRITY_POLICY_PATH, si_policy_binary.write(policy))
    host = _host(lab, "hosta01")
    assert _module(host, ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE, CALLS))[0] == 0
    lab.restart("hosta01")
    for result in (
        asyncio.run(host.execute(ModuleExecution("guarded.fabric.invoke_cmdlets", SOURCE, CALLS), "Administrator")),
        _script(host, WhoAmI()),
    ):
        assert (result.rc, result.stdout) == (1, b"")
        assert b"ConstrainedLanguage" in result.stderr
    del machine.files[measured_boot.CODE_INTEGRITY_POLICY_PATH]
    lab.restart("hosta01")
    assert _script(host, WhoAmI()).rc == 0
