# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's side of the attestation protocol: requests written, replies read, as a strict client does.

[MS-HGSA] 3.2.5: the client repeats only what is `Retryable` and changes its mode when told to. That version 2 needs an
endorsement certificate, is tried first and is followed by version 1: WSD guarded-fabric-tpm-trusted-attestation-
capturing-hardware. A reply that is not exactly what the specification has is not believed.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from . import tpm as chip
from .attestation_policies import BUILT_IN, BY_GUID, VSM_RUNNING
from .attestation_protocol import QUOTED_PCRS, TYPE_HINT, OperationMode, ProvidedContent, ResultType
from .model import Tpm
from .rtpm import BlobKind, RtpmContext, RtpmError, unpack, wbcl_info

_MOST_ATTEMPTS: Final = 3
"""How often a retryable refusal is repeated; lab only."""
_MOST_TURNS: Final = 4
"""More than any exchange of this protocol takes."""
_VERSION_2: Final = 2

Send = Callable[[str, str, bytes], bytes]
"""Method, path below the attestation URL, body -> body of the answer; raises what the network raises."""


class ProtocolError(ValueError):
    """The service's answer is not one of the specification's replies."""


@dataclass(frozen=True)
class ServiceInfo:
    """What Getinfo says: the service's mode and the highest version it speaks."""

    mode: OperationMode
    level: int


@dataclass(frozen=True)
class Evidence:
    """What a host can show: its TPM, and the log of its last start."""

    tpm: Tpm
    boot_log: bytes


@dataclass(frozen=True)
class Finding:
    """How an attempt ended: AttestationStatus, AttestationSubstatus, and the certificate (DER) where it passed."""

    status: str
    substatus: tuple[str, ...] = ()
    certificate: bytes | None = None
    expected_mode: OperationMode | None = None


def ask_info(send: Send) -> ServiceInfo:
    """Ask for mode and version."""
    reply = _read(send("GET", "/Getinfo", b""))
    levels = reply.members.get("SupportedFunctionalLevels")
    level = reply.members.get("FunctionalLevel")
    if reply.name != "ServiceInfoReply" or not isinstance(levels, list) or not isinstance(level, int):
        raise ProtocolError("Getinfo did not answer with ServiceInfoReply")
    return ServiceInfo(_mode(reply, "OperationMode"), level)


def attest_by_tpm(send: Send, evidence: Evidence, level: int) -> Finding:
    """Attest with version 2 where service and TPM can, with version 1 where not or where version 2 does not know it."""
    certificate = evidence.tpm.ek_certificate
    if level >= _VERSION_2 and certificate is not None:
        finding = _repeated(lambda: _attest_v2(send, evidence, certificate))
        if finding.status != "UnauthorizedHost":
            return finding
    return _repeated(lambda: _attest_v1(send, evidence))


@dataclass(frozen=True)
class _Reply:
    name: str
    members: Mapping[str, object]

    @property
    def retryable(self) -> bool:
        value = self.members.get("Retryable")
        if not isinstance(value, bool):
            raise ProtocolError(f"{self.name} does not say whether it is retryable")
        return value


def _repeated(attempt: Callable[[], Finding | None]) -> Finding:
    """Attempt until there is something else than a refusal that may be repeated (None)."""
    for _ in range(_MOST_ATTEMPTS):
        finding = attempt()
        if finding is not None:
            return finding
    return Finding("TransientError")


def _attest_v2(send: Send, evidence: Evidence, certificate: bytes) -> Finding | None:
    session = str(uuid.uuid4())

    def ask(context: bytes) -> _Reply:
        provided = [
            {"m_Item1": int(ProvidedContent.ENDORSEMENT_KEY_CERTIFICATE), "m_Item2": _text(certificate)},
            {"m_Item1": int(ProvidedContent.RTPM_CONTEXT), "m_Item2": _text(context)},
        ]
        message = {"SessionId": session, "RequestedContent": _WANTED, "ProvidedContent": provided}
        return _read(send("POST", "/v2.0/attest", _body(message)))

    return _converse(ask(_introduction(evidence)), ask, evidence)


def _attest_v1(send: Send, evidence: Evidence) -> Finding | None:
    request = {
        "SessionId": str(uuid.uuid4()),
        "RequestedContent": _WANTED,
        "RtpmPublicEndorsementKey": _text(chip.endorsement_key(evidence.tpm)),
    }

    def ask(context: bytes) -> _Reply:
        message = {"__type": "TpmRequestContinue" + TYPE_HINT, **request, "RtpmNewContext": _text(context)}
        return _read(send("POST", "/v1.0/attest", _body(message)))

    first = send("POST", "/v1.0/attest", _body({"__type": "TpmRequestInitial" + TYPE_HINT, **request}))
    return _converse(_read(first), ask, evidence)


_WANTED: Final = [int(ResultType.IDENTITY_ENCRYPTION_KEY_CERTIFICATE)]


def _converse(reply: _Reply, ask: Callable[[bytes], _Reply], evidence: Evidence) -> Finding | None:
    """Answer the service's challenges until it decides."""
    for _ in range(_MOST_TURNS):
        if reply.name != "TpmReplyContinue":
            return _conclude(reply)
        try:
            context = _answer(unpack(_bytes(reply.members.get("RtpmActiveContext"))), evidence)
        except RtpmError as error:
            raise ProtocolError(str(error)) from error
        except chip.CredentialError:
            return Finding("TpmError")
        reply = ask(context)
    raise ProtocolError("the service does not come to an end")


def _answer(context: RtpmContext, evidence: Evidence) -> bytes:
    if not context.blobs:
        return _introduction(evidence)
    quote = chip.quote(evidence.tpm, context.blob(BlobKind.NONCE), QUOTED_PCRS)
    return RtpmContext(
        {
            BlobKind.SECRET: chip.activate_credential(evidence.tpm, context.blob(BlobKind.CREDENTIAL)),
            BlobKind.QUOTE: quote.attested,
            BlobKind.QUOTE_SIGNATURE: quote.signature,
            BlobKind.BOOT_LOG: wbcl_info(evidence.boot_log),
        }
    ).pack()


def _introduction(evidence: Evidence) -> bytes:
    return RtpmContext({BlobKind.ATTESTATION_KEY: chip.attestation_key(evidence.tpm)}).pack()


def _conclude(reply: _Reply) -> Finding | None:
    if reply.name == "HealthCertificateReply":
        return Finding("Passed", certificate=_certificate(reply))
    if reply.retryable:
        return None
    if reply.name == "PolicyEvaluationErrorReply":
        return Finding("InsecureHostConfiguration", _failed_policies(reply))
    if reply.name == "OperationModeErrorReply":
        return Finding("UnauthorizedHost", expected_mode=_mode(reply, "ExpectedOperationMode"))
    try:
        return _REFUSALS[reply.name]
    except KeyError:
        raise ProtocolError(f"unknown reply {reply.name}") from None


_REFUSALS: Final[Mapping[str, Finding]] = {
    "UnauthorizedErrorReply": Finding("UnauthorizedHost"),
    "RtpmErrorReply": Finding("TpmError"),
    "TcgLogValidationErrorReply": Finding("InsecureHostConfiguration", ("TcgLogVerification",)),
    "VirtualSecureModeErrorReply": Finding("InsecureHostConfiguration", ("VirtualSecureMode",)),
    "VsmReportValidationErrorReply": Finding("InsecureHostConfiguration", ("VirtualSecureMode",)),
    "PayloadErrorReply": Finding("TransientError"),
    "UnavailableErrorReply": Finding("TransientError"),
}
"""Words of Get-HgsClientConfiguration for error replies; which belongs to which is inferred from their meaning."""


def _certificate(reply: _Reply) -> bytes:
    content = reply.members.get("Content")
    for item in content if isinstance(content, list) else []:
        if isinstance(item, dict) and item.get("m_Item1") == ResultType.IDENTITY_ENCRYPTION_KEY_CERTIFICATE:
            return _bytes(item.get("m_Item2"))
    raise ProtocolError("HealthCertificateReply has no certificate of the kind that was asked for")


def _failed_policies(reply: _Reply) -> tuple[str, ...]:
    reasons = reply.members.get("Reasons")
    if not isinstance(reasons, list):
        raise ProtocolError("PolicyEvaluationErrorReply gives no reasons")
    failed = set()
    for item in reasons:
        if not isinstance(item, dict) or not isinstance(item.get("Result"), bool):
            raise ProtocolError("an EvaluationLog has no result")
        if not item["Result"]:
            failed.add(_policy_guid(item.get("Reason")))
    words = {BY_GUID[guid].substatus for guid in failed if guid in BY_GUID}
    words |= {"VirtualSecureMode"} if VSM_RUNNING in failed else set()
    return tuple(policy.substatus for policy in BUILT_IN if policy.substatus in words)


def _policy_guid(reason: object) -> uuid.UUID:
    try:
        return uuid.UUID(bytes_le=_bytes(reason))
    except ValueError:
        raise ProtocolError("the reason in an EvaluationLog is no GUID") from None


def _mode(reply: _Reply, member: str) -> OperationMode:
    number = reply.members.get(member)
    if not isinstance(number, int) or number not in set(OperationMode):
        raise ProtocolError(f"{member} of {reply.name} is no operation mode")
    return OperationMode(number)


def _read(body: bytes) -> _Reply:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise ProtocolError("the answer is not JSON") from None
    first = next(iter(message.items()), None) if isinstance(message, dict) else None
    if first is None or first[0] != "__type" or not isinstance(first[1], str) or not first[1].endswith(TYPE_HINT):
        raise ProtocolError("the answer does not begin with its type")
    return _Reply(first[1].removesuffix(TYPE_HINT), message)


def _body(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ProtocolError("base64 was expected")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("base64 was expected") from None
