# SPDX-License-Identifier: GPL-3.0-or-later
"""The attestation service's side of an attestation by TPM: challenge, evidence, decision ([MS-HGSA] 3.1.5.1).

A host introduces its attestation key; the service answers with a nonce and a secret that only the TPM with the
registered endorsement key and that attestation key can read; the host returns the secret, a quote and its boot log. The
published part is which reply follows which situation; the exchange itself is lab only (see rtpm).
"""

from __future__ import annotations

import hmac
import json
import os
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from . import attestation, health_certificate, tpm_verification
from .attestation import PolicyVersion
from .attestation_judge import evaluate, public_key, read_host
from .attestation_policies import BY_GUID
from .attestation_protocol import QUOTED_PCRS, ResultType
from .endorsement import identifier
from .model import AttestationState
from .rtpm import BlobKind, RtpmContext, RtpmError, unpack
from .tpm import DIGEST_SIZE, Quote

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from .attestation_judge import Host

_SESSION_LIFETIME: Final = timedelta(hours=1)
_MOST_SESSIONS: Final = 1000
_SECRET_SIZE: Final = 32

Refusal = Literal[
    "UnauthorizedErrorReply",
    "RtpmErrorReply",
    "TcgLogValidationErrorReply",
    "VirtualSecureModeErrorReply",
    "PolicyEvaluationErrorReply",
    "PayloadErrorReply",
]


@dataclass(frozen=True)
class Attempt:
    """One request of a host; keys are DER SubjectPublicKeyInfo, `context` is None where the request has none."""

    session: str
    version: PolicyVersion
    endorsement_key: bytes
    requested: tuple[ResultType, ...]
    context: bytes | None
    identity_key: bytes | None = None


@dataclass(frozen=True)
class Continue:
    """The exchange goes on with these bytes for the TPM."""

    context: bytes


@dataclass(frozen=True)
class Denied:
    """The host does not pass; `evaluations` says which policies it met and which it did not."""

    reply: Refusal
    evaluations: tuple[tuple[uuid.UUID, bool], ...] = ()


@dataclass(frozen=True)
class Passed:
    """The host passes and gets these certificates (DER)."""

    certificates: tuple[tuple[ResultType, bytes], ...]


Outcome = Continue | Denied | Passed


def advance(state: AttestationState, now: datetime, attempt: Attempt) -> Outcome:
    """Take the next step of an attestation."""
    step = _Step(state, now, str(uuid.uuid4()), attempt, identifier(attempt.endorsement_key))
    host = attestation.find_host(state, attempt.endorsement_key, attempt.version)
    if host is None:
        step.record("1500")
        return Denied("UnauthorizedErrorReply")
    if attempt.context is None:
        return Continue(RtpmContext({}).pack())
    if not attempt.context:
        return Continue(b"")
    try:
        context = unpack(attempt.context)
        if BlobKind.ATTESTATION_KEY in context.blobs:
            return _challenge(step, context.blob(BlobKind.ATTESTATION_KEY))
        return _judge(step, context, host.name)
    except (RtpmError, _DistrustError):
        return Denied("RtpmErrorReply")


class _DistrustError(Exception):
    """The TPM did not prove what it should have."""


@dataclass(frozen=True)
class _Step:
    """One request being served. `activity` joins its events."""

    state: AttestationState
    now: datetime
    activity: str
    attempt: Attempt
    identifier: str

    def record(self, event: str) -> None:
        """Write an event whose property is the TPM's identifier."""
        attestation.record(self.state, event, self.now, self.activity, self.identifier)


@dataclass(frozen=True)
class _Challenge:
    """What is remembered between a challenge and its answer."""

    issued: datetime
    identifier: str
    attestation_key: bytes
    secret: bytes
    nonce: bytes

    def pack(self) -> bytes:
        keys = {"attestation_key": self.attestation_key, "secret": self.secret, "nonce": self.nonce}
        texts = {"issued": self.issued.isoformat(), "identifier": self.identifier}
        return json.dumps(texts | {name: value.hex() for name, value in keys.items()}).encode()


def _unpack_challenge(data: bytes) -> _Challenge:
    members: dict[str, str] = json.loads(data)
    return _Challenge(
        datetime.fromisoformat(members["issued"]),
        members["identifier"],
        *(bytes.fromhex(members[name]) for name in ("attestation_key", "secret", "nonce")),
    )


def _challenge(step: _Step, attestation_key: bytes) -> Outcome:
    secret, nonce = os.urandom(_SECRET_SIZE), os.urandom(_SECRET_SIZE)
    try:
        credential = tpm_verification.make_credential(step.attempt.endorsement_key, attestation_key, secret)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _DistrustError from error
    _forget_old_sessions(step.state, step.now)
    challenge = _Challenge(step.now, step.identifier, attestation_key, secret, nonce)
    step.state.sessions[step.attempt.session] = challenge.pack()
    return Continue(RtpmContext({BlobKind.NONCE: nonce, BlobKind.CREDENTIAL: credential}).pack())


def _forget_old_sessions(state: AttestationState, now: datetime) -> None:
    """Keep those that may still be answered, and not more than a flood of requests should cost."""
    young = [
        (session, data)
        for session, data in state.sessions.items()
        if now - _unpack_challenge(data).issued < _SESSION_LIFETIME
    ]
    state.sessions = dict(young[-_MOST_SESSIONS + 1 :])


def _judge(step: _Step, context: RtpmContext, name: str) -> Outcome:
    """Decide about a host that answers its challenge."""
    challenge = _answered_challenge(step, context)
    step.record("1203")
    try:
        log = tcg_log.parse(context.boot_log())
        _check_quote(challenge, context, log)
        host = read_host(log)
        evaluations = evaluate(step.state, step.attempt.version, host)
    except FormatError:
        return Denied("TcgLogValidationErrorReply")
    failed = [BY_GUID[guid] for guid, met in evaluations if not met]
    for policy in failed:
        if policy.event is not None:
            step.record(policy.event)
    if failed:
        return Denied("PolicyEvaluationErrorReply", evaluations)
    return _certify(step, host, name)


def _answered_challenge(step: _Step, context: RtpmContext) -> _Challenge:
    """Return the challenge that the host answers; each is good for one answer."""
    data = step.state.sessions.pop(step.attempt.session, None)
    if data is None:
        raise _DistrustError
    challenge = _unpack_challenge(data)
    answered = hmac.compare_digest(challenge.secret, context.blob(BlobKind.SECRET))
    if not answered or challenge.identifier != step.identifier or step.now - challenge.issued >= _SESSION_LIFETIME:
        raise _DistrustError
    return challenge


def _check_quote(challenge: _Challenge, context: RtpmContext, log: tcg_log.EventLog) -> None:
    """Raise FormatError where the log does not lead to the quoted PCRs, _DistrustError where the quote proves nothing.

    The bank is SHA-256, the one that Windows measures into.
    """
    replayed = tcg_log.replay(log, tcg_log.SHA256)
    pcrs = {pcr: replayed.get(pcr) or tcg_log.start_value(pcr, DIGEST_SIZE, 0) for pcr in QUOTED_PCRS}
    quote = Quote(context.blob(BlobKind.QUOTE), context.blob(BlobKind.QUOTE_SIGNATURE))
    reasons = tpm_verification.why_not(quote, challenge.attestation_key, challenge.nonce, pcrs)
    if reasons == (tpm_verification.PCRS_DIFFER,):
        raise FormatError(tcg_log.WHAT, "a log that leads to the PCRs the TPM has")
    if reasons:
        raise _DistrustError


def _certify(step: _Step, host: Host, name: str) -> Outcome:
    """Issue what was asked for, over the identity keys that the log has measured."""
    keys = {
        ResultType.IDENTITY_ENCRYPTION_KEY_CERTIFICATE: public_key(host.facts.identity_key),
        ResultType.IDENTITY_SIGNING_KEY_CERTIFICATE: public_key(host.signing_key),
    }
    attempt, state = step.attempt, step.state
    if not attempt.requested or not keys.keys() >= set(attempt.requested):
        return Denied("PayloadErrorReply")
    certificates = []
    for kind in attempt.requested:
        key = keys[kind]
        if key is None or attempt.identity_key not in {None, _public_der(key)}:
            return Denied("VirtualSecureModeErrorReply")
        der = health_certificate.issue(state.signer, key, name, step.now, state.health_lifetime_hours)
        certificates.append((kind, der))
    step.record("1523")
    return Passed(tuple(certificates))


def _public_der(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
