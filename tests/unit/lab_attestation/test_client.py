# SPDX-License-Identifier: GPL-3.0-or-later
"""The HGS client of a host, through its cmdlets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError
from ansible_collections.guarded.fabric.lab.service import attestation_messages, routes
from ansible_collections.guarded.fabric.lab.world import attestation_client, files, network
from ansible_collections.guarded.fabric.lab.world.attestation_protocol import TYPE_HINT, ResultType
from hypothesis import given
from hypothesis import strategies as st

from . import fabric as small
from .fabric import HGS_URL, KEY_PROTECTION_URL

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.guarded.fabric.lab.world.model import Certificate, Machine

    from .fabric import Fabric

NOWHERE = "http://10.0.0.9/Attestation"
PRIMARY = {"AttestationServerUrl": HGS_URL, "KeyProtectionServerUrl": KEY_PROTECTION_URL}
FALLBACK = {
    "FallbackAttestationServerUrl": HGS_URL,
    "FallbackKeyProtectionServerUrl": KEY_PROTECTION_URL,
}


@pytest.fixture
def host(fabric: Fabric) -> Machine:
    machine = fabric.host("host1")
    fabric.register(machine)
    fabric.run(machine, "Set-HgsClientConfiguration", EnableLocalMode=True)
    return machine


def test_local_mode_knows_nothing(fabric: Fabric, host: Machine) -> None:
    assert fabric.one(host, "Get-HgsClientConfiguration") == {
        "IsHostGuarded": False,
        "Mode": "Local",
        "KeyProtectionServerUrl": "",
        "AttestationServerUrl": "",
        "AttestationOperationMode": "Unknown",
        "AttestationStatus": "NotConfigured",
        "AttestationSubstatus": "NoInformation",
        "FallbackKeyProtectionServerUrl": None,
        "FallbackAttestationServerUrl": None,
        "LastKeyProtectionServerUrl": "",
        "LastAttestationServerUrl": "",
        "IsFallbackInUse": False,
    }


def test_setting_attests_and_answers_as_get_does(fabric: Fabric, host: Machine) -> None:
    found = fabric.one(host, "Set-HgsClientConfiguration", **PRIMARY)
    assert found == fabric.one(host, "Get-HgsClientConfiguration")
    assert (found["IsHostGuarded"], found["Mode"]) == (True, "HostGuardianService")
    assert (found["AttestationOperationMode"], found["AttestationStatus"]) == ("Tpm", "Passed")
    assert found["LastAttestationServerUrl"] == HGS_URL


def test_each_set_attests_again(fabric: Fabric, host: Machine) -> None:
    for _ in range(2):
        fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY)
    assert [event["id"] for event in fabric.state.events] == ["1203", "1523"] * 2


def test_reading_does_not_attest_while_there_is_a_certificate(fabric: Fabric, host: Machine) -> None:
    fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY)
    fabric.run(host, "Get-HgsClientConfiguration")
    assert len(fabric.state.events) == 2
    fabric.run(host, "Test-HgsClientConfiguration")
    assert len(fabric.state.events) == 4


def test_a_fallback_that_is_not_named_again_is_gone(fabric: Fabric, host: Machine) -> None:
    found = fabric.one(host, "Set-HgsClientConfiguration", **PRIMARY, **FALLBACK)
    assert found["FallbackAttestationServerUrl"] == [HGS_URL]
    assert fabric.one(host, "Set-HgsClientConfiguration", **PRIMARY)["FallbackAttestationServerUrl"] is None


def test_half_a_fallback_is_an_error(fabric: Fabric, host: Machine) -> None:
    with pytest.raises(CmdletError):
        fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY, FallbackAttestationServerUrl=HGS_URL)
    assert host.client.mode == "Local"
    lists = {"FallbackAttestationServerUrl": [HGS_URL, NOWHERE], "FallbackKeyProtectionServerUrl": [HGS_URL]}
    with pytest.raises(CmdletError, match="needs both of its URLs"):
        fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY, **lists)


def test_a_primary_that_does_not_answer_is_replaced_by_the_fallback(fabric: Fabric, host: Machine) -> None:
    primary = {**PRIMARY, "AttestationServerUrl": NOWHERE}
    found = fabric.one(host, "Set-HgsClientConfiguration", **primary, **FALLBACK)
    assert (found["AttestationStatus"], found["IsFallbackInUse"]) == ("Passed", True)
    assert found["LastAttestationServerUrl"] == HGS_URL
    assert found["AttestationServerUrl"] == NOWHERE


def test_a_primary_that_refuses_is_not_replaced(fabric: Fabric) -> None:
    other = {**FALLBACK, "FallbackAttestationServerUrl": NOWHERE}
    found = fabric.one(fabric.host("rogue"), "Set-HgsClientConfiguration", **PRIMARY, **other)
    assert (found["AttestationStatus"], found["IsFallbackInUse"]) == ("UnauthorizedHost", False)
    assert found["LastAttestationServerUrl"] == HGS_URL


def test_the_fallback_can_be_tested_without_consequences(fabric: Fabric, host: Machine) -> None:
    other = {**FALLBACK, "FallbackAttestationServerUrl": NOWHERE}
    fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY, **other)
    result = fabric.one(host, "Test-HgsClientConfiguration", UseFallback=True)
    assert (result["AttestationServerUrl"], result["AttestationStatus"]) == (NOWHERE, "TransientError")
    assert fabric.one(host, "Get-HgsClientConfiguration")["AttestationStatus"] == "Passed"


def test_testing_without_a_service_says_so(fabric: Fabric, host: Machine) -> None:
    expected = {
        "AttestationServerUrl": "",
        "IsHostGuarded": False,
        "AttestationOperationMode": "Unknown",
        "AttestationStatus": "NotConfigured",
        "AttestationSubstatus": "NoInformation",
    }
    assert fabric.one(host, "Test-HgsClientConfiguration") == expected
    assert fabric.one(host, "Test-HgsClientConfiguration", UseFallback=True) == expected


def test_a_service_that_does_not_answer_is_a_transient_error(fabric: Fabric, host: Machine) -> None:
    fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY)
    fabric.hgs.dead = True
    assert fabric.one(host, "Get-HgsClientConfiguration")["AttestationStatus"] == "Passed"
    assert fabric.test(host) == ("TransientError", "NoInformation")
    fabric.hgs.dead = False
    assert fabric.one(host, "Get-HgsClientConfiguration")["AttestationStatus"] == "Passed"


def test_a_retryable_refusal_is_tried_again(fabric: Fabric, host: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., routes.Reply] = network.request
    busy = attestation_messages.error_reply("UnavailableErrorReply")
    refusals = [routes.Reply(503, busy)] * 2

    def request(*asked: object) -> routes.Reply:
        return refusals.pop() if refusals and "POST" in asked else real(*asked)

    monkeypatch.setattr(network, "request", request)
    assert fabric.one(host, "Set-HgsClientConfiguration", **PRIMARY)["AttestationStatus"] == "Passed"
    refusals = [routes.Reply(503, busy)] * 3
    assert fabric.test(host) == ("TransientError", "NoInformation")


def test_a_certificate_for_another_host_is_not_taken(
    fabric: Fabric, host: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = fabric.host("other")
    fabric.register(other)
    certificate = attestation_client.health_certificate(fabric.world, fabric.clock, other)
    assert certificate is not None
    kind = ResultType.IDENTITY_ENCRYPTION_KEY_CERTIFICATE
    reply = routes.Reply(200, attestation_messages.health_certificate_reply([(kind, certificate)]))
    real: Callable[..., routes.Reply] = network.request

    def request(*asked: object) -> routes.Reply:
        return reply if "POST" in asked else real(*asked)

    monkeypatch.setattr(network, "request", request)
    found = fabric.one(host, "Set-HgsClientConfiguration", **PRIMARY)
    assert (found["AttestationStatus"], host.client.health_certificate) == ("TransientError", None)


@pytest.mark.parametrize("change", [{"edition": "Standard"}, {"features": {"Hyper-V"}}])
def test_only_a_guarded_host_is_pointed_at_a_service(fabric: Fabric, host: Machine, change: dict[str, object]) -> None:
    for name, value in change.items():
        setattr(host, name, value)
    with pytest.raises(CmdletError, match="SHS mode is unsupported"):
        fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY)
    fabric.run(host, "Set-HgsClientConfiguration", EnableLocalMode=True)


@pytest.mark.parametrize("url", ["hgs.guardian.example/Attestation", "ftp://10.0.0.1/Attestation", "http:///x"])
def test_what_is_no_url_is_refused(fabric: Fabric, host: Machine, url: str) -> None:
    with pytest.raises(CmdletError, match="not the URL"):
        fabric.run(host, "Set-HgsClientConfiguration", **{**PRIMARY, "AttestationServerUrl": url})


def test_windows_server_2016_has_neither_fallback_nor_test(fabric: Fabric, host: Machine) -> None:
    host.version = "2016"
    with pytest.raises(CmdletError) as caught:
        fabric.run(host, "Set-HgsClientConfiguration", **PRIMARY, **FALLBACK)
    assert caught.value.error_id.startswith("NamedParameterNotFound")
    with pytest.raises(CmdletError) as caught:
        fabric.run(host, "Test-HgsClientConfiguration")
    assert caught.value.error_id == "CommandNotFoundException"


def test_neither_mode_is_an_error(fabric: Fabric, host: Machine) -> None:
    with pytest.raises(CmdletError):
        fabric.run(host, "Set-HgsClientConfiguration")


PATH = r"C:\exchange\baseline.tcglog"


def test_a_baseline_is_written_once_unless_forced(fabric: Fabric, host: Machine) -> None:
    assert host.boot is not None
    fabric.run(host, "Get-HgsAttestationBaselinePolicy", Path=PATH)
    assert files.read(host, PATH) == host.boot.log
    with pytest.raises(CmdletError) as caught:
        fabric.run(host, "Get-HgsAttestationBaselinePolicy", Path=PATH)
    assert caught.value.category == "ResourceExists"
    fabric.run(host, "Get-HgsAttestationBaselinePolicy", Path=PATH, Force=True)


def test_validation_names_what_is_missing_and_can_be_skipped(fabric: Fabric, host: Machine) -> None:
    assert host.firmware is not None
    host.firmware.iommu = False
    files.write(host, small.POLICY_FILE, b"")
    fabric.restart(host)
    with pytest.raises(CmdletError, match=r"No IOMMU is in use\. No code integrity policy is applied\."):
        fabric.run(host, "Get-HgsAttestationBaselinePolicy", Path=PATH)
    assert not files.exists(host, PATH)
    assert host.boot is not None
    skipped = fabric.run(host, "Get-HgsAttestationBaselinePolicy", Console=True, SkipValidation=True)
    assert skipped == host.boot.log


def test_a_resumed_host_has_no_log_of_a_full_boot(fabric: Fabric, host: Machine) -> None:
    host.settings.resume_instead_of_boot = True
    fabric.restart(host)
    with pytest.raises(CmdletError, match="full boot"):
        fabric.run(host, "Get-HgsAttestationBaselinePolicy", Path=PATH, SkipValidation=True)


def test_a_platform_identifier_is_the_same_for_life(fabric: Fabric, host: Machine) -> None:
    first = fabric.one(host, "Get-PlatformIdentifier", Name="host1")["OuterXml"]
    fabric.restart(host)
    assert fabric.one(host, "Get-PlatformIdentifier", Name="host1")["OuterXml"] == first


def test_a_platform_identifier_says_what_is_missing(fabric: Fabric, host: Machine) -> None:
    host.tpm = replace(fabric.chip_of(host), ek_certificate=None)
    text = str(fabric.one(host, "Get-PlatformIdentifier", Name="host1")["InnerXml"])
    assert "no endorsement key certificate" in text
    host.tpm = replace(host.tpm, ready=False)
    text = str(fabric.one(host, "Get-PlatformIdentifier", Name="host1")["InnerXml"])
    assert "EndorsementKey" not in text


NAMES = (
    "ServiceInfoReply",
    "HealthCertificateReply",
    "TpmReplyContinue",
    "PolicyEvaluationErrorReply",
    "OperationModeErrorReply",
    "UnheardOf",
)
MEMBERS = (
    "",
    ',"Retryable":false',
    ',"Retryable":true',
    ',"Content":[]',
    ',"Content":[{"m_Item1":1,"m_Item2":"MII="}]',
    ',"Retryable":false,"Reasons":[{"Result":false,"Reason":"AAAA"}]',
    ',"Retryable":false,"ExpectedOperationMode":7',
    ',"RtpmActiveContext":"AAAA"',
)
REPLIES = [f'{{"__type":"{name}{TYPE_HINT}"{rest}}}'.encode() for name in NAMES for rest in MEMBERS]
ANSWERS = st.sampled_from([b"", b"[]", b"null", b'{"Retryable":false}', *REPLIES]) | st.binary(max_size=30)


@given(answers=st.lists(ANSWERS, min_size=1, max_size=3), starts_honestly=st.sampled_from([True, False]))
def test_a_client_believes_no_nonsense(
    answers: list[bytes], *, starts_honestly: bool, keys: list[bytes], vendor: Certificate, signer: Certificate
) -> None:
    fabric = small.make(keys, vendor, signer)
    host = fabric.host("host1")
    info = fabric.http("GET", "/Attestation/Getinfo")
    queue = iter(answers * 20)

    def answer(*request: object) -> routes.Reply:
        if starts_honestly and "GET" in request:
            return info
        return routes.Reply(200, next(queue))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "request", answer)
        attestation_client.attest(fabric.world, fabric.clock, host)
    assert host.client.status != "Passed"
    assert host.client.health_certificate is None
