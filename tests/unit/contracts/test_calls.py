# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call of the collection is one that Windows Server 2019, 2022 and 2025 publish."""

from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.tests.contracts.check import check_batch, check_call
from ansible_collections.guarded.fabric.tests.contracts.enumeration import Enumeration, enumerations

ENUMERATIONS = list(enumerations())


@pytest.fixture(params=ENUMERATIONS, ids=lambda enumeration: str(enumeration.name))
def enumeration(request: pytest.FixtureRequest) -> Enumeration:
    """Each file under resources/ in turn."""
    found = request.param
    assert isinstance(found, Enumeration)
    return found


def test_every_call_is_published(enumeration: Enumeration) -> None:
    problems = {
        finding.text
        for made in enumeration.made
        if (findings := check_batch(made.calls)) and not made.is_refused()
        for finding in findings
        if not finding.about_value
    }
    assert problems == set()


def test_every_call_is_published_with_some_value(enumeration: Enumeration) -> None:
    """A user's text may be no address or no name of an enum; what the resource itself puts in has to be one."""
    problems: dict[tuple[str, str], list[str]] = {}
    for made in enumeration.made:
        found = [finding.text for finding in check_batch(made.calls) if finding.about_value]
        problems.setdefault((made.shape, made.branch), found)
        if not found:
            problems[made.shape, made.branch] = []
    assert [found for found in problems.values() if found] == []


def test_no_call_is_missed(enumeration: Enumeration) -> None:
    assert enumeration.unreached == set()


def test_calls_that_change_say_so(enumeration: Enumeration) -> None:
    """By PowerShell's convention a cmdlet that only reads is called Get, Test and the like."""
    for made in enumeration.made:
        for call in made.calls:
            assert not (call.get("changes") and str(call["cmdlet"]).startswith("Get-")), call


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ({"cmdlet": "Get-Nothing"}, "not published"),
        ({"cmdlet": "get-hgsserver"}, "published as Get-HgsServer"),
        ({"cmdlet": "Get-HgsServer", "parameters": {"Nope": 1}}, "-Nope is not how a parameter is published"),
        ({"cmdlet": "Get-Item", "parameters": {"path": "a"}}, "-path is not how a parameter is published"),
        ({"cmdlet": "Get-HgsServer", "parameters": {"WhatIf": True}}, "-WhatIf is not how a parameter is published"),
        ({"cmdlet": "Initialize-HgsServer"}, "HgsServiceName"),
        ({"cmdlet": "Export-HgsServerState", "parameters": {"Password": "text"}}, "SecureString"),
        ({"cmdlet": "Get-Item", "parameters": {"Path": {"$file": {"content": "", "suffix": ".a/b"}}}}, "Path"),
    ],
)
def test_what_is_not_published_is_found(call: dict[str, object], problem: str) -> None:
    assert any(problem in finding.text for finding in check_call(call))


@pytest.mark.parametrize(
    "call",
    [
        {"cmdlet": "Export-HgsServerState", "parameters": {"Path": "a", "Password": {"$secret": "s"}}},
        {"cmdlet": "New-HgsKeyProtector", "parameters": {"Owner": {"$ref": "o"}, "Guardian": [{"$ref": "g"}]}},
        {"cmdlet": "Set-VMKeyProtector", "parameters": {"VMName": "a", "KeyProtector": {"$ref": "k.RawData"}}},
        {"cmdlet": "Set-VMKeyProtector", "parameters": {"VMName": "a", "KeyProtector": {"$bytes": "AQID"}}},
        {"cmdlet": "Add-HgsAttestationTpmHost", "parameters": {"Path": {"$file": {"content": "", "suffix": ".xml"}}}},
        {"cmdlet": "Add-HgsAttestationTpmHost", "parameters": {"Xml": {"$ref": "document"}}},
        {
            "cmdlet": "Restart-Computer",
            "parameters": {"Credential": {"$credential": {"username": "u", "password": "p"}}},
        },
        {"cmdlet": "Get-VM", "parameters": {"ErrorAction": "Stop"}},
    ],
)
def test_what_is_published_is_fine(call: dict[str, object]) -> None:
    assert check_call(call) == []


def test_what_one_version_lacks_is_named() -> None:
    call = {"cmdlet": "New-CIPolicy", "parameters": {"FilePath": "a", "Level": "Hash", "MultiplePolicyFormat": True}}
    assert {finding.text.split(":")[0] for finding in check_call(call)} == {"New-CIPolicy on 2019"}


def test_references_go_back() -> None:
    owner = {"id": "owner", "cmdlet": "Get-HgsGuardian"}
    protector = {"id": "kp", "cmdlet": "New-HgsKeyProtector", "parameters": {"Owner": {"$ref": "owner.0"}}}
    assert check_batch([owner, protector]) == []
    (finding,) = check_batch([protector, owner])
    assert finding.text == "New-HgsKeyProtector: no earlier call is 'owner'"
