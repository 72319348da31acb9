# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module HgsAttestation: what an HGS administrator trusts.

PolicyVersion: the reference publishes PolicyVersion1503 and PolicyVersion1704, the guides write v1 and v2; that they
mean the same is inferred. Stage is "reserved for future use" in the reference and refused here. Which property shows a
policy's state is not public: `PolicyState` is the lab's choice.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import attestation, endorsement, files
from ansible_collections.guarded.fabric.lab.world.hgs_clusters import cluster_of
from ansible_collections.guarded.fabric.lab.world.model import TpmHost
from ansible_collections.guarded.fabric.plugins.module_utils import platform_identifier
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

from . import file_parameters
from .certificate_object import certificate_object
from .registry import CmdletError, PSObject, cmdlet
from .wildcards import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.guarded.fabric.lab.world.attestation import PolicyVersion
    from ansible_collections.guarded.fabric.lab.world.model import AttestationPolicy, AttestationState

    from .registry import Bound, Session

MODULE: Final = "HgsAttestation"
_VERSIONS: Final[dict[str, PolicyVersion]] = {
    "v1": "v1",
    "policyversion1503": "v1",
    "v2": "v2",
    "policyversion1704": "v2",
}
_SHA256_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")


@cmdlet(MODULE, "Add-HgsAttestationTpmHost")
def add_tpm_host(session: Session, p: Bound) -> object:
    """Register the TPM of a host from its platform identifier."""
    state = _service(session, p)
    version = _version(state, p)
    found = _identifier(session, p)
    name = p.text("Name") or p.text("ForeignKey") or found.name
    key = _endorsement_key(found)
    host = TpmHost(name, endorsement.identifier(key), key, found.endorsement_certificate, version)
    with _refusals("Add-HgsAttestationTpmHost"):
        # The guides: version 2 knows no way round the certificate, version 1 leaves the check out with -Force.
        if version == "v2" or not p.flag("Force"):
            attestation.check_endorsement_certificate(
                host,
                _store(session, endorsement.ROOT_STORE),
                _store(session, endorsement.INTERMEDIATE_STORE),
                session.clock.now(),
            )
        attestation.add_host(state, host)
    if state.mode != "Tpm":
        session.warn("The host is registered, but this Host Guardian Service does not attest by TPM at present.")
    return _host_object(host)


@cmdlet(MODULE, "Get-HgsAttestationTpmHost")
def get_tpm_host(session: Session, p: Bound) -> object:
    """Return registered TPM identities, all or those of a name or of a platform identifier."""
    state = _service(session, p)
    hosts = list(state.hosts.values())
    if "Name" in p:
        hosts = [host for host in hosts if host.name.lower() == p.text("Name").lower()]
    if "PolicyVersion" in p:
        hosts = [host for host in hosts if host.policy_version == _version(state, p)]
    if "Path" in p or "Xml" in p:
        wanted = endorsement.identifier(_endorsement_key(_identifier(session, p)))
        hosts = [host for host in hosts if host.identifier == wanted]
    return [_host_object(host) for host in hosts]


@cmdlet(MODULE, "Remove-HgsAttestationTpmHost")
def remove_tpm_host(session: Session, p: Bound) -> object:
    """Forget a TPM identity; certificates it already got stay valid."""
    with _refusals("Remove-HgsAttestationTpmHost"):
        attestation.remove_host(_service(session, p), p.text("Name"))
    return None


@cmdlet(MODULE, "Add-HgsAttestationTpmPolicy")
def add_tpm_policy(session: Session, p: Bound) -> object:
    """Register a TPM baseline."""
    return _add_policy(session, p, "Add-HgsAttestationTpmPolicy", attestation.add_baseline)


@cmdlet(MODULE, "Add-HgsAttestationCIPolicy")
def add_ci_policy(session: Session, p: Bound) -> object:
    """Register a code integrity policy in its binary form."""
    return _add_policy(session, p, "Add-HgsAttestationCIPolicy", attestation.add_code_integrity_policy)


@cmdlet(MODULE, "Add-HgsAttestationDumpPolicy")
def add_dump_policy(session: Session, p: Bound) -> object:
    """Register a key that crash dumps may be encrypted to, by hash or out of a TPM baseline."""
    if "PublicKeyHash" not in p:
        return _add_policy(session, p, "Add-HgsAttestationDumpPolicy", attestation.add_dump_key_of_log)
    state = _service(session, p)
    digest = p.text("PublicKeyHash")
    if not _SHA256_HEX.fullmatch(digest):
        raise CmdletError(
            "The hash of a public key is 64 hexadecimal digits.",
            "InvalidPublicKeyHash,Add-HgsAttestationDumpPolicy",
            "InvalidArgument",
        )
    with _refusals("Add-HgsAttestationDumpPolicy"):
        policy = attestation.add_dump_key(state, p.text("Name"), bytes.fromhex(digest), _version(state, p))
    return _policy_object(policy)


@cmdlet(MODULE, "Get-HgsAttestationPolicy")
def get_policy(session: Session, p: Bound) -> object:
    """Return policies; a name may have wildcards, and one without that is not there is no error (lab only)."""
    state = _service(session, p)
    policies = list(state.policies.values())
    if "Name" in p:
        policies = [policy for policy in policies if matches(p.text("Name"), policy.name)]
    if "State" in p:
        policies = [policy for policy in policies if policy.state == p.text("State")]
    if "PolicyType" in p:
        types = set(p.texts("PolicyType"))
        policies = [policy for policy in policies if policy.type in types]
    if "PolicyVersion" in p:
        policies = [policy for policy in policies if policy.version in {"None", _version(state, p)}]
    return [_policy_object(policy) for policy in policies]


@cmdlet(MODULE, "Enable-HgsAttestationPolicy")
def enable_policy(session: Session, p: Bound) -> object:
    """Switch a policy on."""
    with _refusals("Enable-HgsAttestationPolicy"):
        return _policy_object(attestation.set_policy_state(_service(session, p), p.text("Name"), "Enabled"))


@cmdlet(MODULE, "Disable-HgsAttestationPolicy")
def disable_policy(session: Session, p: Bound) -> object:
    """Switch a policy off; certificates issued under it stay valid."""
    with _refusals("Disable-HgsAttestationPolicy"):
        return _policy_object(attestation.set_policy_state(_service(session, p), p.text("Name"), "Disabled"))


@cmdlet(MODULE, "Remove-HgsAttestationPolicy")
def remove_policy(session: Session, p: Bound) -> object:
    """Forget a policy on all nodes."""
    with _refusals("Remove-HgsAttestationPolicy"):
        attestation.remove_policy(_service(session, p), p.text("Name"))
    return None


@cmdlet(MODULE, "Get-HgsAttestationSignerCertificate")
def get_signer_certificate(session: Session, p: Bound) -> object:
    """Return the certificate that health certificates are signed with."""
    return certificate_object(_service(session, p).signer)


def _service(session: Session, p: Bound) -> AttestationState:
    if p.flag("Stage"):
        raise CmdletError("The parameter Stage is reserved for future use.", "StageReserved", "NotImplemented")
    cluster = cluster_of(session.world, session.machine)
    if cluster is None:
        raise CmdletError(
            "The Host Guardian Service is not initialized on this computer.",
            "HgsServerNotInitialized",
            "InvalidOperation",
        )
    return cluster.attestation


def _version(state: AttestationState, p: Bound) -> PolicyVersion:
    given = p.text("PolicyVersion", "None").lower()
    return _VERSIONS.get(given, "v2" if state.functional_level > 1 else "v1")


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    try:
        yield
    except attestation.RefusedError as refusal:
        raise CmdletError(str(refusal), f"{refusal.reason},{name}", refusal.category) from refusal


def _identifier(session: Session, p: Bound) -> platform_identifier.PlatformIdentifier:
    try:
        return platform_identifier.parse(_identifier_document(session, p))
    except FormatError as error:
        raise CmdletError(
            f"The document is not a platform identifier. {error}", "InvalidPlatformIdentifier", "InvalidData"
        ) from error


def _endorsement_key(identifier: platform_identifier.PlatformIdentifier) -> bytes:
    if identifier.endorsement_key is None:
        raise CmdletError(
            "The platform identifier holds no endorsement key.", "InvalidPlatformIdentifier", "InvalidData"
        )
    return identifier.endorsement_key


def _identifier_document(session: Session, p: Bound) -> bytes:
    if "Path" in p:
        return file_parameters.content(session.machine, p.text("Path"))
    document = p.get("Xml")
    return str(document.base if isinstance(document, PSObject) else document).encode()


def _store(session: Session, path: str) -> list[bytes]:
    return [certificate.der for certificate in session.machine.stores.get(path, [])]


def _add_policy(
    session: Session,
    p: Bound,
    name: str,
    add: Callable[[AttestationState, str, bytes, PolicyVersion], AttestationPolicy],
) -> PSObject:
    """Register the content of a file or byte array; without a name, a policy is named as its file (lab only)."""
    state = _service(session, p)
    data = p.data("InputObject") if "InputObject" in p else file_parameters.content(session.machine, p.text("Path"))
    with _refusals(name):
        return _policy_object(add(state, p.text("Name") or files.stem(p.text("Path")), data, _version(state, p)))


def _host_object(host: TpmHost) -> PSObject:
    return PSObject(
        "Microsoft.Windows.RemoteAttestation.Server.PowerShell.TpmHostInfo",
        {"Name": host.name, "Identifier": host.identifier, "PolicyVersion": host.policy_version},
        base=host,
    )


def _policy_object(policy: AttestationPolicy) -> PSObject:
    return PSObject(
        "AttestationPolicyInfo",
        {
            "Name": policy.name,
            "PolicyState": policy.state,
            "PolicyType": policy.type,
            "PolicyVersion": policy.version,
        },
        base=policy,
    )
