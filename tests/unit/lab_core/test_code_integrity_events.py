# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy lets run, and what Get-WinEvent tells of the rest."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import NotEmulatedError
from ansible_collections.guarded.fabric.lab.world.code_integrity import Program, policy_for
from ansible_collections.guarded.fabric.lab.world.code_integrity_events import allows
from ansible_collections.guarded.fabric.lab.world.shipped_files import content
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_xml

if TYPE_CHECKING:
    from .playground import Playground

SIGNED = Program(r"C:\Windows\System32\svchost.exe", b"svchost")
OTHER_SIGNED = Program(r"C:\Windows\System32\new.exe", b"new")
UNSIGNED = Program(r"C:\Program Files\Backup\agent.exe", b"agent")
DRIVER = Program(r"C:\Program Files\Backup\filter.sys", b"filter")
LOG = "Microsoft-Windows-CodeIntegrity/Operational"


@pytest.mark.parametrize("level", ["Hash", "FileName", "FilePath"])
def test_a_program_with_a_rule_runs_and_its_neighbour_does_not(level: str) -> None:
    policy = policy_for([UNSIGNED], [level], user_mode=True, deny=False)
    assert allows(policy, UNSIGNED)
    assert not allows(policy, Program(r"C:\Program Files\Backup\other.exe", b"other"))
    assert allows(policy, Program(UNSIGNED.path, b"changed")) is (level != "Hash")
    # Rules for programs say nothing about drivers.
    assert not allows(policy, DRIVER)


def test_a_signer_vouches_for_all_or_for_the_files_it_is_limited_to() -> None:
    anything = policy_for([SIGNED], ["Publisher"], user_mode=True, deny=False)
    named = policy_for([SIGNED], ["FilePublisher"], user_mode=True, deny=False)
    assert (allows(anything, OTHER_SIGNED), allows(named, SIGNED), allows(named, OTHER_SIGNED)) == (True, True, False)
    assert not allows(anything, UNSIGNED)


def test_what_is_denied_does_not_run() -> None:
    assert not allows(policy_for([UNSIGNED], ["Hash"], user_mode=True, deny=True), UNSIGNED)
    assert not allows(policy_for([SIGNED], ["Publisher"], user_mode=True, deny=True), SIGNED)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("allowall", [True] * 3),
        ("allowmicrosoft", [True, False, False]),
        ("defaultwindows_enforced", [True, False, False]),
    ],
)
def test_examples_trust_whom_they_say(name: str, allowed: list[bool]) -> None:
    policy = si_policy_xml.read(content()[rf"c:\windows\schemas\codeintegrity\examplepolicies\{name}.xml"])
    assert [allows(policy, program) for program in (SIGNED, UNSIGNED, DRIVER)] == allowed


def test_an_empty_log_and_no_log_are_two_errors(lab: Playground) -> None:
    assert lab.refusal("hosta01", "Get-WinEvent", LogName=[LOG]) == "NoMatchingEventsFound"
    assert lab.refusal("hosta01", "Get-WinEvent", LogName=["Nobody/Operational"]) == "NoMatchingLogsFound"


def test_a_query_that_the_lab_cannot_answer_is_refused(lab: Playground) -> None:
    with pytest.raises(NotEmulatedError):
        lab.call("hosta01", "Get-WinEvent", LogName=[LOG], FilterXPath="*[EventData]")


def test_a_shipped_file_is_read_like_any_other(lab: Playground) -> None:
    path = r"C:\Windows\schemas\CodeIntegrity\ExamplePolicies\AllowMicrosoft.xml"
    (found,) = lab.call("hosta01", "Get-FileHash", ("Hash",), LiteralPath=[path])
    expected = hashlib.sha256(content()[path.lower()]).hexdigest().upper()
    assert found["Hash"] == expected
