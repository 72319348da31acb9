# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attestation service trusts: TPM identities, baselines, code integrity policies, and its built-in policies.

WSD guarded-fabric-tpm-trusted-attestation-capturing-hardware and guarded-fabric-manage-hgs say what is accepted and
what is an error. Names are compared as PowerShell does, without regard to case. The words of an error are Microsoft's
only where `UNTRUSTED_ROOT` says so; the others are the lab's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from ansible_collections.guarded.fabric.plugins.module_utils import ek_certificate, si_policy_binary, sipa, tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

from . import endorsement
from .attestation_policies import BASELINE, BY_NAME, CODE_INTEGRITY, DUMP_KEY, default_policies
from .health_certificate import new_signer
from .model import AttestationPolicy, AttestationState, TpmHost

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PolicyVersion = Literal["v1", "v2"]

UNTRUSTED_ROOT: Final = (
    "Certificate with thumbprint {thumbprint} cannot be trusted because of error UntrustedRoot. "
    "For help, refer to https://go.microsoft.com/fwlink/?LinkId=734845"
)
"""As Windows Server 2019 words it (field report)."""

_MOST_EVENTS: Final = 2000
"""The oldest are dropped, as an event log of limited size does."""


class RefusedError(Exception):
    """The service does not take it; `category` is the name of PowerShell's ErrorCategory, `reason` a short name."""

    def __init__(self, message: str, reason: str, category: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.category = category


def new_state(mode: Literal["Tpm", "HostKey", "AD"], now: datetime) -> AttestationState:
    """Return the state of a fresh service: built-in policies as shipped, a signer certificate of its own."""
    return AttestationState(mode=mode, signer=new_signer(now), policies=default_policies())


def record(state: AttestationState, event: str, now: datetime, activity: str, value: str = "") -> None:
    """Write an event of Microsoft-Windows-HostGuardianService-Attestation; `activity` joins those of one attempt."""
    state.events.append({"id": event, "time": now.isoformat(), "activity": activity, "property": value})
    del state.events[:-_MOST_EVENTS]


def find_host(state: AttestationState, endorsement_key: bytes, version: PolicyVersion) -> TpmHost | None:
    """Return the registered identity of an endorsement key in a policy version."""
    wanted = endorsement.identifier(endorsement_key)
    return next(
        (host for host in state.hosts.values() if (host.identifier, host.policy_version) == (wanted, version)), None
    )


def add_host(state: AttestationState, host: TpmHost) -> TpmHost:
    """Register a TPM identity. Refused where its name or its key is already there."""
    if host.name.lower() in state.hosts:
        raise RefusedError(f"A TPM host named '{host.name}' already exists.", "HostAlreadyExists", "ResourceExists")
    same = next((known for known in state.hosts.values() if known.identifier == host.identifier), None)
    if same is not None and same.policy_version == host.policy_version:
        raise RefusedError(
            f"The TPM identifier {host.identifier} is already registered as '{same.name}'.",
            "IdentifierAlreadyExists",
            "ResourceExists",
        )
    state.hosts[host.name.lower()] = host
    return host


def check_endorsement_certificate(
    host: TpmHost, roots: Iterable[bytes], intermediates: Iterable[bytes], now: datetime
) -> None:
    """Refuse a TPM identity whose certificate is missing, belongs to another key or chains to no trusted vendor."""
    certificate = host.endorsement_certificate
    if certificate is None:
        raise RefusedError(
            f"The platform identifier of '{host.name}' has no endorsement key certificate, "
            f"which policy version {host.policy_version} needs.",
            "EndorsementKeyCertificateMissing",
            "InvalidData",
        )
    parsed = ek_certificate.parse(certificate)
    if parsed.public_key != host.endorsement_key:
        raise RefusedError(
            f"The endorsement key certificate in the platform identifier of '{host.name}' is for another key.",
            "EndorsementKeyCertificateMismatch",
            "InvalidData",
        )
    if ek_certificate.verify_chain(parsed, roots, intermediates, now):
        raise RefusedError(UNTRUSTED_ROOT.format(thumbprint=parsed.thumbprint), "UntrustedRoot", "SecurityError")


def remove_host(state: AttestationState, name: str) -> None:
    """Forget a TPM identity."""
    if state.hosts.pop(name.lower(), None) is None:
        raise RefusedError(f"No TPM host named '{name}' was found.", "HostNotFound", "ObjectNotFound")


def add_baseline(state: AttestationState, name: str, log: bytes, version: PolicyVersion) -> AttestationPolicy:
    """Register a TPM baseline. Refused where the bytes are no TCG log, or the name is taken."""
    try:
        tcg_log.parse(log)
    except FormatError as error:
        raise RefusedError(f"The data is not a TCG log. {error}", "InvalidTcgLog", "InvalidData") from error
    return _add_policy(state, AttestationPolicy(name, BASELINE, "Enabled", version, log))


def add_code_integrity_policy(
    state: AttestationState, name: str, policy: bytes, version: PolicyVersion
) -> AttestationPolicy:
    """Register a code integrity policy. Refused where the bytes are no policy in binary form, or the name is taken."""
    try:
        si_policy_binary.read(policy)
    except FormatError as error:
        raise RefusedError(
            f"The data is not a code integrity policy. {error}", "InvalidCodeIntegrityPolicy", "InvalidData"
        ) from error
    return _add_policy(state, AttestationPolicy(name, CODE_INTEGRITY, "Enabled", version, policy))


def add_dump_key(state: AttestationState, name: str, digest: bytes, version: PolicyVersion) -> AttestationPolicy:
    """Register the SHA-256 of a public key that crash dumps may be encrypted to; refused where the name is taken."""
    return _add_policy(state, AttestationPolicy(name, DUMP_KEY, "Enabled", version, digest))


def add_dump_key_of_log(state: AttestationState, name: str, log: bytes, version: PolicyVersion) -> AttestationPolicy:
    """Register the key that crash dumps were encrypted to when a TPM baseline was captured."""
    try:
        records = list(sipa.flatten(sipa.measurements(tcg_log.parse(log))))
    except FormatError as error:
        raise RefusedError(f"The data is not a TCG log. {error}", "InvalidTcgLog", "InvalidData") from error
    digests = [record.value for record in records if record.name == "DumpEncryptionKeyDigest"]
    if not digests or not isinstance(digests[-1], bytes):
        raise RefusedError("The TCG log has no dump encryption key.", "DumpKeyMissing", "InvalidData")
    return add_dump_key(state, name, digests[-1], version)


def find_policy(state: AttestationState, name: str) -> AttestationPolicy:
    """Return a policy by name; refused where there is none."""
    try:
        return state.policies[name.lower()]
    except KeyError:
        raise RefusedError(f"No policy named '{name}' was found.", "PolicyNotFound", "ObjectNotFound") from None


def set_policy_state(state: AttestationState, name: str, wanted: Literal["Enabled", "Disabled"]) -> AttestationPolicy:
    """Switch a policy on or off; refused for a locked one."""
    policy = find_policy(state, name)
    if policy.state == "Locked":
        raise RefusedError(
            f"The policy '{policy.name}' is locked and cannot be changed.", "PolicyLocked", "PermissionDenied"
        )
    changed = replace(policy, state=wanted)
    state.policies[name.lower()] = changed
    return changed


def remove_policy(state: AttestationState, name: str) -> None:
    """Forget a policy of an administrator; refused for a built-in one (lab only: the documents are silent)."""
    policy = find_policy(state, name)
    if policy.name.lower() in BY_NAME:
        raise RefusedError(
            f"The policy '{policy.name}' is built in and cannot be removed.", "PolicyBuiltIn", "PermissionDenied"
        )
    del state.policies[name.lower()]


def _add_policy(state: AttestationState, policy: AttestationPolicy) -> AttestationPolicy:
    if policy.name.lower() in state.policies:
        raise RefusedError(f"A policy named '{policy.name}' already exists.", "PolicyAlreadyExists", "ResourceExists")
    state.policies[policy.name.lower()] = policy
    return policy
