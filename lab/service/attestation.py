# SPDX-License-Identifier: GPL-3.0-or-later
"""The attestation service's HTTP face ([MS-HGSA] 3.1.5), under /Attestation.

Replies are chosen as the specification's tables say. Lab only, because not public: the HTTP status of an error reply,
the encoding of RtpmPublicEndorsementKey and of identity keys (DER, SubjectPublicKeyInfo), and everything inside the
RTPM contexts (world/rtpm.py). The reply of signingCertificates is a JSON array of bytes, as the .NET client of SQL
Server reads it. Host key and Active Directory modes know no hosts here, so what is well-formed there is unauthorised.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world.attestation_exchange import Attempt, Continue, Denied, advance
from ansible_collections.guarded.fabric.lab.world.attestation_protocol import OperationMode, ProvidedContent
from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate, endorsement_key
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from . import attestation_messages as messages
from .routes import Reply, route

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.guarded.fabric.lab.world.attestation_exchange import Outcome
    from ansible_collections.guarded.fabric.lab.world.model import AttestationState

    from .routes import Node, Request

_JSON: Final = "application/json; charset=utf-8"
_BASE: Final = r"/attestation"
_VERSION: Final = _BASE + r"/v(?P<version>\d{1,3}\.\d{1,3})"
_LEVELS: Final = {"1.0": 1, "2.0": 2}
_MODES: Final = {
    "Tpm": OperationMode.TPM,
    "AD": OperationMode.ACTIVE_DIRECTORY,
    "HostKey": OperationMode.HOST_KEY,
}
_HOST_KEY_CONTENT: Final = frozenset(
    {
        ProvidedContent.VIRTUAL_SECURE_MODE_IDENTITY_KEY,
        ProvidedContent.HOST_KEY_PUBLIC_KEY,
        ProvidedContent.HOST_KEY_SIGNATURE,
    }
)


@route("GET", _BASE + "/getinfo")
def get_info(node: Node, _request: Request) -> Reply:
    """Say which mode and functional level the service has; the path has no version."""
    state = node.cluster.attestation
    return _json(messages.service_info_reply(state.functional_level, _MODES[state.mode]))


@route("GET", _VERSION + "/signingcertificates")
def signing_certificates(node: Node, request: Request) -> Reply:
    """Return the signer certificates as PKCS#7; v2.0 and later."""
    state = node.cluster.attestation
    if _level(request, state) < _LEVELS["2.0"]:
        return Reply(HTTPStatus.NOT_FOUND)
    bag = pkcs7.serialize_certificates([x509.load_der_x509_certificate(state.signer.der)], Encoding.DER)
    return _json(messages.byte_array(bag))


@route("POST", _VERSION + "/attest")
def attest(node: Node, request: Request) -> Reply:
    """Attest a host by its TPM."""
    state = node.cluster.attestation
    level = _level(request, state)
    if not level:
        return Reply(HTTPStatus.NOT_FOUND)
    read = _read_v2 if level >= _LEVELS["2.0"] else _read_v1

    def decide() -> Reply:
        return _outcome(advance(state, node.clock.now(), read(request.body)))

    return _in_mode(state, "Tpm", decide)


@route("POST", _VERSION + "/hostkeyattest")
def host_key_attest(node: Node, request: Request) -> Reply:
    """Attest a host by its host key; v2.0 and later."""
    state = node.cluster.attestation
    if _level(request, state) < _LEVELS["2.0"]:
        return Reply(HTTPStatus.NOT_FOUND)

    def decide() -> Reply:
        message = messages.read_attestation_request(request.body)
        if not message.provided.keys() >= _HOST_KEY_CONTENT:
            raise messages.PayloadError("a host key, its signature or the identity key is missing")
        return _refusal("UnauthorizedErrorReply")

    return _in_mode(state, "HostKey", decide)


@route("POST", _VERSION + "/domainattest")
def domain_attest(node: Node, request: Request) -> Reply:
    """Attest a host by its domain groups."""
    state = node.cluster.attestation
    if not _level(request, state):
        return Reply(HTTPStatus.NOT_FOUND)

    def decide() -> Reply:
        messages.read_active_directory_request(request.body)
        return _refusal("UnauthorizedErrorReply")

    return _in_mode(state, "AD", decide)


def _level(request: Request, state: AttestationState) -> int:
    """Return the functional level a path asks for; 0 where this service does not have it."""
    level = _LEVELS.get(request.parts["version"], 0)
    return level if level <= state.functional_level else 0


def _in_mode(state: AttestationState, mode: str, decide: Callable[[], Reply]) -> Reply:
    """Answer a path that belongs to one mode, or say which mode it is."""
    if state.mode != mode:
        return _json(messages.operation_mode_reply(_MODES[state.mode]), HTTPStatus.BAD_REQUEST)
    try:
        return decide()
    except messages.PayloadError:
        return _json(messages.error_reply("PayloadErrorReply"), HTTPStatus.BAD_REQUEST)


def _read_v1(body: bytes) -> Attempt:
    message = messages.read_tpm_request(body)
    try:
        key = endorsement_key.parse(message.endorsement_key)
    except FormatError:
        raise messages.PayloadError("the endorsement key is none") from None
    return Attempt(message.session, "v1", key, message.requested, message.context)


def _read_v2(body: bytes) -> Attempt:
    message = messages.read_attestation_request(body)
    certificate = message.provided.get(ProvidedContent.ENDORSEMENT_KEY_CERTIFICATE, b"")
    try:
        key = ek_certificate.parse(certificate).public_key
    except FormatError:
        raise messages.PayloadError("the endorsement key certificate is missing, or none") from None
    return Attempt(
        message.session,
        "v2",
        key,
        message.requested,
        message.provided.get(ProvidedContent.RTPM_CONTEXT),
        message.provided.get(ProvidedContent.VIRTUAL_SECURE_MODE_IDENTITY_KEY),
    )


def _outcome(outcome: Outcome) -> Reply:
    if isinstance(outcome, Continue):
        return _json(messages.continue_reply(outcome.context))
    if isinstance(outcome, Denied):
        if outcome.evaluations:
            return _json(messages.policy_evaluation_reply(outcome.evaluations), HTTPStatus.FORBIDDEN)
        return _refusal(outcome.reply)
    return _json(messages.health_certificate_reply(outcome.certificates))


def _refusal(name: str) -> Reply:
    return _json(messages.error_reply(name), HTTPStatus.FORBIDDEN)


def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return Reply(status, body, _JSON)
