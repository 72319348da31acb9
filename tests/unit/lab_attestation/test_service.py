# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes over the wire, as [MS-HGSA] 2.2.2 and 3.1.5 have it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import pytest
from ansible_collections.guarded.fabric.lab.service import attestation_messages
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.lab.world.attestation_protocol import OperationMode, ResultType
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from . import fabric as small
from .fabric import text64

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Certificate

    from .fabric import Fabric

Mode = Literal["Tpm", "AD", "HostKey"]
HINT = ":#Microsoft.Windows.RemoteAttestation.Core"
ATTEST_1 = "/Attestation/v1.0/attest"
ATTEST_2 = "/Attestation/v2.0/attest"
HOST_KEY = "/Attestation/v2.0/hostkeyattest"
DOMAIN = "/Attestation/v1.0/domainattest"


def test_getinfo_is_written_as_the_specification_writes_it(fabric: Fabric) -> None:
    reply = fabric.http("GET", "/Attestation/Getinfo")
    assert reply.status == 200
    assert reply.content_type.startswith("application/json")
    assert reply.body == (
        b'{"__type":"ServiceInfoReply:#Microsoft.Windows.RemoteAttestation.Core",'
        b'"FunctionalLevel":2,"OperationMode":1,"SupportedFunctionalLevels":[1,2]}'
    )


@pytest.mark.parametrize("path", ["/attestation/getinfo", "/ATTESTATION/GETINFO", "/Attestation/GetInfo"])
def test_paths_are_compared_without_regard_to_case(fabric: Fabric, path: str) -> None:
    assert fabric.http("GET", path).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/Attestation/Getinfo", 405),
        ("GET", ATTEST_2, 405),
        ("GET", "/Attestation/v2.0/getinfo", 404),
        ("POST", "/Attestation/v3.0/attest", 404),
        ("POST", "/Attestation/v1.0/hostkeyattest", 404),
        ("GET", "/Attestation/v1.0/signingCertificates", 404),
        ("GET", "/Attestation/", 404),
    ],
)
def test_what_is_not_there_is_not_there(fabric: Fabric, method: str, path: str, status: int) -> None:
    assert fabric.http(method, path).status == status


def test_a_service_of_2016_has_no_version_2(fabric: Fabric) -> None:
    fabric.state.functional_level = 1
    assert fabric.ask("GET", "/Attestation/Getinfo")["SupportedFunctionalLevels"] == [1]
    assert fabric.http("POST", ATTEST_2).status == 404
    assert fabric.http("GET", "/Attestation/v2.0/signingCertificates").status == 404


def test_signing_certificates_are_an_array_of_bytes_that_is_pkcs7(fabric: Fabric) -> None:
    numbers = json.loads(fabric.http("GET", "/Attestation/v2.0/signingCertificates").body)
    assert set(map(type, numbers)) == {int}
    certificates = pkcs7.load_der_pkcs7_certificates(bytes(numbers))
    assert [certificate.public_bytes(Encoding.DER) for certificate in certificates] == [fabric.state.signer.der]


@pytest.mark.parametrize(("path", "mode", "number"), [(HOST_KEY, "Tpm", 1), (DOMAIN, "Tpm", 1), (ATTEST_1, "AD", 2)])
def test_a_path_of_another_mode_says_which_one_is_configured(
    fabric: Fabric, path: str, mode: Mode, number: int
) -> None:
    fabric.state.mode = mode
    reply = fabric.http("POST", path, b"anything")
    assert reply.body.decode() == (
        f'{{"__type":"OperationModeErrorReply{HINT}","Retryable":false,"ExpectedOperationMode":{number}}}'
    )


KEY = tpm.endorsement_key(tpm.manufacture_without_certificate("Nobody"))


def initial(key: bytes, **changes: object) -> dict[str, object]:
    return {
        "__type": "TpmRequestInitial" + HINT,
        "SessionId": "1",
        "RequestedContent": [1],
        "RtpmPublicEndorsementKey": text64(key),
        **changes,
    }


def request(certificate: bytes | None, context: bytes = b"", **changes: object) -> dict[str, object]:
    provided = [{"m_Item1": 2, "m_Item2": text64(context)}]
    if certificate is not None:
        provided.append({"m_Item1": 4, "m_Item2": text64(certificate)})
    return {"SessionId": "1", "RequestedContent": [1], "ProvidedContent": provided, **changes}


def test_an_unknown_key_is_unauthorised(fabric: Fabric) -> None:
    chip = fabric.chip_of(fabric.host("rogue"))
    expected = {"__type": "UnauthorizedErrorReply" + HINT, "Retryable": False}
    assert fabric.ask("POST", ATTEST_1, initial(tpm.endorsement_key(chip))) == expected
    assert fabric.ask("POST", ATTEST_2, request(chip.ek_certificate)) == expected


def test_a_known_key_goes_on(fabric: Fabric) -> None:
    host = fabric.host("host1")
    fabric.register(host, "v1")
    key = tpm.endorsement_key(fabric.chip_of(host))
    reply = fabric.ask("POST", ATTEST_1, initial(key))
    assert list(reply) == ["__type", "RtpmActiveContext"]
    assert reply["__type"] == "TpmReplyContinue" + HINT
    assert base64.b64decode(str(reply["RtpmActiveContext"]))[4:8] == (1).to_bytes(4, "little")


def test_an_empty_context_is_answered_with_an_empty_one(fabric: Fabric) -> None:
    host = fabric.host("host1")
    fabric.register(host, "v1")
    key = tpm.endorsement_key(fabric.chip_of(host))
    message = initial(key, __type="TpmRequestContinue" + HINT, RtpmNewContext="")
    assert fabric.ask("POST", ATTEST_1, message) == {"__type": "TpmReplyContinue" + HINT, "RtpmActiveContext": ""}


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "text",
        {},
        {"SessionId": "1", "RequestedContent": [1]},
        initial(KEY, __type="AttestationRequest" + HINT),
        initial(KEY, __type="TpmRequestInitial"),
        initial(KEY, __type="TpmRequestContinue" + HINT),
        initial(KEY, SessionId=1),
        initial(KEY, RequestedContent=1),
        initial(KEY, RequestedContent=[9]),
        initial(KEY, RequestedContent=[True]),
        initial(KEY, RtpmPublicEndorsementKey="%"),
        dict(reversed(initial(KEY).items())),
    ],
)
def test_what_is_no_request_of_version_1_is_a_payload_error(fabric: Fabric, message: object) -> None:
    assert fabric.ask("POST", ATTEST_1, message) == {"__type": "PayloadErrorReply" + HINT, "Retryable": False}


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        request(None),
        request(b"no certificate"),
        request(b"", ProvidedContent=[{"m_Item1": 12, "m_Item2": ""}]),
        request(b"", ProvidedContent=[{"m_Item1": 2, "m_Item2": ""}, {"m_Item1": 2, "m_Item2": ""}]),
        request(b"", ProvidedContent=[[]]),
        request(b"", ProvidedContent={}),
        request(b"", SessionId="1" * 257),
    ],
)
def test_what_is_no_request_of_version_2_is_a_payload_error(fabric: Fabric, message: object) -> None:
    assert fabric.ask("POST", ATTEST_2, message) == {"__type": "PayloadErrorReply" + HINT, "Retryable": False}


def test_a_host_key_request_must_be_whole_before_it_is_unauthorised(fabric: Fabric) -> None:
    fabric.state.mode = "HostKey"
    provided = [{"m_Item1": number, "m_Item2": text64(b"x")} for number in (1, 8, 9)]
    whole = {"SessionId": "1", "RequestedContent": [1], "ProvidedContent": provided}
    assert fabric.ask("POST", HOST_KEY, whole)["__type"] == "UnauthorizedErrorReply" + HINT
    part = {**whole, "ProvidedContent": provided[:2]}
    assert fabric.ask("POST", HOST_KEY, part)["__type"] == "PayloadErrorReply" + HINT


def test_a_domain_request_must_be_whole_before_it_is_unauthorised(fabric: Fabric) -> None:
    fabric.state.mode = "AD"
    whole = {
        "__type": "ADRequest" + HINT,
        "SessionId": "1",
        "RequestedContent": [{"m_Item1": 1, "m_Item2": text64(b"key")}],
    }
    assert fabric.ask("POST", DOMAIN, whole)["__type"] == "UnauthorizedErrorReply" + HINT
    assert fabric.ask("POST", DOMAIN, {**whole, "RequestedContent": [1]})["__type"] == "PayloadErrorReply" + HINT


def test_reasons_are_the_policies_guids_with_their_results() -> None:
    guid = UUID("6a460ee1-62ea-416f-ae6c-04e29634506d")
    assert attestation_messages.policy_evaluation_reply([(guid, False)]) == (
        b'{"__type":"PolicyEvaluationErrorReply:#Microsoft.Windows.RemoteAttestation.Core","Retryable":false,'
        b'"Reasons":[{"Result":false,"Reason":"4Q5Gaupib0GubATiljRQbQ=="}]}'
    )


def test_certificates_are_pairs() -> None:
    pair = (ResultType.IDENTITY_ENCRYPTION_KEY_CERTIFICATE, b"\x30\x82")
    assert attestation_messages.health_certificate_reply([pair]) == (
        b'{"__type":"HealthCertificateReply:#Microsoft.Windows.RemoteAttestation.Core",'
        b'"Content":[{"m_Item1":1,"m_Item2":"MII="}]}'
    )


def test_only_an_unavailable_service_is_worth_a_retry() -> None:
    assert json.loads(attestation_messages.error_reply("UnavailableErrorReply"))["Retryable"] is True
    assert json.loads(attestation_messages.error_reply("RtpmErrorReply"))["Retryable"] is False
    assert json.loads(attestation_messages.operation_mode_reply(OperationMode.TPM))["Retryable"] is False


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just(text64(b"\x30\x03\x02\x01\x01")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "__type": st.sampled_from(["TpmRequestInitial", "TpmRequestContinue", "ADRequest"]).map(
            lambda name: name + HINT
        )
        | JSON_VALUES,
        "SessionId": st.text(max_size=8) | JSON_VALUES,
        "RequestedContent": st.lists(st.integers(-1, 4), max_size=3) | JSON_VALUES,
        "ProvidedContent": st.lists(
            st.fixed_dictionaries({"m_Item1": st.integers(0, 10), "m_Item2": st.binary(max_size=80).map(text64)}),
            max_size=4,
        )
        | JSON_VALUES,
        "RtpmPublicEndorsementKey": st.just(text64(KEY)) | st.binary(max_size=80).map(text64) | JSON_VALUES,
        "RtpmNewContext": st.binary(max_size=120).map(text64) | JSON_VALUES,
    },
)
BODIES = (
    st.binary(max_size=200)
    | JSON_VALUES.map(lambda v: json.dumps(v).encode())
    | MEMBERS.map(lambda v: json.dumps(v).encode())
)


MODES: list[Mode] = ["Tpm", "AD", "HostKey"]


@given(
    path=st.sampled_from([ATTEST_1, ATTEST_2, HOST_KEY, DOMAIN]),
    mode=st.sampled_from(MODES),
    body=BODIES,
)
@settings(max_examples=300, deadline=None)
def test_garbage_gets_a_clean_reply(
    path: str, mode: Mode, body: bytes, vendor: Certificate, signer: Certificate
) -> None:
    fabric = small.make([], vendor, signer)
    fabric.state.mode = mode
    reply = fabric.http("POST", path, body)
    assert reply.status in {400, 403}
    message = json.loads(reply.body)
    assert next(iter(message)) == "__type"
    assert message["__type"].removesuffix(HINT) in {
        "PayloadErrorReply",
        "UnauthorizedErrorReply",
        "OperationModeErrorReply",
    }


@given(context=st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_garbage_from_a_known_tpm_is_an_rtpm_error(
    context: bytes, keys: list[bytes], vendor: Certificate, signer: Certificate
) -> None:
    fabric = small.make(keys, vendor, signer)
    host = fabric.host("host1")
    identifier = fabric.run(host, "Get-PlatformIdentifier", Name="host1")
    fabric.run(fabric.hgs, "Add-HgsAttestationTpmHost", Xml=identifier)
    reply = fabric.ask("POST", ATTEST_2, request(fabric.chip_of(host).ek_certificate, context))
    expected = "RtpmErrorReply" if context else "TpmReplyContinue"
    assert reply["__type"] == expected + HINT
