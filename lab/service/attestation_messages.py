# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON of the attestation protocol, the service's side: requests read, replies written ([MS-HGSA] 2.2.2).

`__type` is the first member of every message that has one; WCF's DataContract serialiser, which the real service uses,
takes it for the type only there. Members that the specification does not name are ignored, as that serialiser does.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world.attestation_protocol import (
    TYPE_HINT,
    OperationMode,
    ProvidedContent,
    ResultType,
)

if TYPE_CHECKING:
    from uuid import UUID

_LONGEST_BODY: Final = 4 * 1024 * 1024
"""Far above any boot log; what is longer is not read."""


_LONGEST_SESSION: Final = 256
"""Characters. The service keeps a session's id until the host answers; the lab's hosts send GUIDs."""


class PayloadError(ValueError):
    """The body is not a valid message for the path it was sent to: PayloadErrorReply."""


@dataclass(frozen=True)
class TpmRequest:
    """TpmRequestInitial or TpmRequestContinue (v1); `context` is None in the first."""

    session: str
    requested: tuple[ResultType, ...]
    endorsement_key: bytes
    context: bytes | None


@dataclass(frozen=True)
class AttestationRequest:
    """AttestationRequest (v2)."""

    session: str
    requested: tuple[ResultType, ...]
    provided: Mapping[ProvidedContent, bytes]


@dataclass(frozen=True)
class ActiveDirectoryRequest:
    """ADRequest: what is wanted for which key."""

    session: str
    requested: tuple[tuple[ResultType, bytes], ...]


def read_tpm_request(body: bytes) -> TpmRequest:
    """Read a v1 request; PayloadError where it is none."""
    message = _object(body)
    hint = _type_hint(message)
    if hint not in {"TpmRequestInitial", "TpmRequestContinue"}:
        raise PayloadError(f"__type {hint!r} is no request of this path")
    context = _base64(message, "RtpmNewContext") if hint == "TpmRequestContinue" else None
    return TpmRequest(
        _session(message),
        _results(message),
        _base64(message, "RtpmPublicEndorsementKey"),
        context,
    )


def read_attestation_request(body: bytes) -> AttestationRequest:
    """Read a v2 request; PayloadError where it is none."""
    message = _object(body)
    provided: dict[ProvidedContent, bytes] = {}
    for number, content in _pairs(message, "ProvidedContent"):
        try:
            kind = ProvidedContent(number)
        except ValueError:
            raise PayloadError(f"unknown AttestationProvidedContentType {number}") from None
        if kind in provided:
            raise PayloadError(f"ProvidedContent has {number} twice")
        provided[kind] = content
    return AttestationRequest(_session(message), _results(message), provided)


def read_active_directory_request(body: bytes) -> ActiveDirectoryRequest:
    """Read an ADRequest; PayloadError where it is none."""
    message = _object(body)
    if _type_hint(message) != "ADRequest":
        raise PayloadError("__type is not ADRequest")
    wanted = tuple((_result(number), key) for number, key in _pairs(message, "RequestedContent"))
    return ActiveDirectoryRequest(_session(message), wanted)


def error_reply(name: str) -> bytes:
    """Write an error reply that has nothing but ErrorReply's member; only an unavailable service is worth a retry."""
    return _write(name, {"Retryable": name == "UnavailableErrorReply"})


def operation_mode_reply(expected: OperationMode) -> bytes:
    """Write the reply to a request that was meant for another mode."""
    return _write("OperationModeErrorReply", {"Retryable": False, "ExpectedOperationMode": int(expected)})


def policy_evaluation_reply(evaluations: Iterable[tuple[UUID, bool]]) -> bytes:
    """Write the reply to a host that failed; Reason is the policy's GUID as .NET's 16 bytes (inferred), in base64."""
    reasons = [{"Result": passed, "Reason": _text64(guid.bytes_le)} for guid, passed in evaluations]
    return _write("PolicyEvaluationErrorReply", {"Retryable": False, "Reasons": reasons})


def continue_reply(context: bytes) -> bytes:
    """Write the reply that goes on with the exchange of the TPM."""
    return _write("TpmReplyContinue", {"RtpmActiveContext": _text64(context)})


def health_certificate_reply(certificates: Iterable[tuple[ResultType, bytes]]) -> bytes:
    """Write the reply to a host that passed."""
    content = [{"m_Item1": int(kind), "m_Item2": _text64(der)} for kind, der in certificates]
    return _write("HealthCertificateReply", {"Content": content})


def service_info_reply(level: int, mode: OperationMode) -> bytes:
    """Write what Getinfo answers."""
    return _write(
        "ServiceInfoReply",
        {
            "FunctionalLevel": level,
            "OperationMode": int(mode),
            "SupportedFunctionalLevels": list(range(1, level + 1)),
        },
    )


def byte_array(data: bytes) -> bytes:
    """Write bytes as .NET's DataContractJsonSerializer does: a JSON array of numbers."""
    return json.dumps(list(data), separators=(",", ":")).encode()


def _write(name: str, members: Mapping[str, object]) -> bytes:
    return json.dumps({"__type": name + TYPE_HINT, **members}, separators=(",", ":")).encode()


def _text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _object(body: bytes) -> dict[str, object]:
    if len(body) > _LONGEST_BODY:
        raise PayloadError("the body is too long")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise PayloadError("the body is not JSON") from None
    if not isinstance(message, dict):
        raise PayloadError("the body is not a JSON object")
    return message


def _type_hint(message: Mapping[str, object]) -> str:
    first = next(iter(message.items()), None)
    if first is None or first[0] != "__type" or not isinstance(first[1], str) or not first[1].endswith(TYPE_HINT):
        raise PayloadError("the first member is not __type with a message's name")
    return first[1].removesuffix(TYPE_HINT)


def _text(message: Mapping[str, object], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise PayloadError(f"{name} is not a string")
    return value


def _session(message: Mapping[str, object]) -> str:
    session = _text(message, "SessionId")
    if len(session) > _LONGEST_SESSION:
        raise PayloadError(f"SessionId is longer than {_LONGEST_SESSION} characters")
    return session


def _base64(message: Mapping[str, object], name: str) -> bytes:
    try:
        return base64.b64decode(_text(message, name), validate=True)
    except (binascii.Error, ValueError):
        raise PayloadError(f"{name} is not base64") from None


def _array(message: Mapping[str, object], name: str) -> list[object]:
    value = message.get(name)
    if not isinstance(value, list):
        raise PayloadError(f"{name} is not an array")
    return value


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PayloadError(f"{value!r} is not a number of an enumeration")
    return value


def _result(value: object) -> ResultType:
    number = _number(value)
    try:
        return ResultType(number)
    except ValueError:
        raise PayloadError(f"unknown AttestationResultType {number}") from None


def _results(message: Mapping[str, object]) -> tuple[ResultType, ...]:
    return tuple(_result(value) for value in _array(message, "RequestedContent"))


def _pairs(message: Mapping[str, object], name: str) -> Iterable[tuple[int, bytes]]:
    for item in _array(message, name):
        if not isinstance(item, dict):
            raise PayloadError(f"{name} holds something other than pairs")
        yield _number(item.get("m_Item1")), _base64(item, "m_Item2")
