# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host gets the keys of a protector: from its HGS, or in local mode from the guardians on the host itself."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    key_protector,
    key_protector_access,
    protection_algorithms,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    AES256_GCM,
    RSA_OAEP,
    CannotDecryptError,
    EncryptedData,
)

from . import attestation_client, network, private_keys
from .key_protection_messages import (
    RollRequest,
    RollResponse,
    read_error,
    read_response,
    unpack_transport_keys,
    write_request,
)

if TYPE_CHECKING:
    from .clock import Clock
    from .model import Machine, World

_VERSIONS = {"2016": "v1.0"}
"""Protocol version of a Windows version; every later one speaks v2.0 ([MS-KPS] Appendix A)."""


class CannotUnwrapError(Exception):
    """The host does not get the keys; the text says why, as far as the host knows."""


@dataclass(frozen=True)
class Unwrapped:
    """The key of a protector, and the protector to keep from now on with its key."""

    ingress_key: bytes
    protector: bytes
    egress_key: bytes


def unwrap(world: World, clock: Clock, machine: Machine, protector: bytes) -> Unwrapped:
    """Return the keys of a protector, in the mode the host is in. Raises CannotUnwrapError."""
    if machine.client.mode == "HostGuardianService":
        return _through_service(world, clock, machine, protector)
    key = _by_local_guardian(machine, protector)
    return Unwrapped(key, protector, key)


def _by_local_guardian(machine: Machine, raw: bytes) -> bytes:
    try:
        protector = key_protector.read(raw)
    except FormatError as error:
        raise CannotUnwrapError(str(error)) from error
    if protector is None:
        raise CannotUnwrapError("There is no key protector.")
    wanted = {wrapping.encryption_certificate for wrapping in protector.wrappings}
    for guardian in machine.guardians.values():
        if guardian.encryption.der in wanted and guardian.encryption.key is not None:
            try:
                key = private_keys.of(guardian.encryption)
                return key_protector_access.unwrap(protector, guardian.encryption.der, key)
            except (key_protector_access.NoAccessError, private_keys.NoPrivateKeyError) as error:
                raise CannotUnwrapError(str(error)) from error
    raise CannotUnwrapError("None of the key protector's guardians has its private key on this host.")


def _through_service(world: World, clock: Clock, machine: Machine, raw: bytes) -> Unwrapped:
    certificate = attestation_client.health_certificate(world, clock, machine)
    if certificate is None:
        client = machine.client
        substatus = f" ({', '.join(client.substatus)})" if client.substatus else ""
        raise CannotUnwrapError(
            f"The host has no health certificate; its attestation status is {client.status}{substatus}."
        )
    request = RollRequest(raw, certificate, RSA_OAEP, AES256_GCM, AES256_GCM)
    response = _send(world, clock, machine, write_request(request))
    return _open(machine, response)


def _send(world: World, clock: Clock, machine: Machine, body: bytes) -> RollResponse:
    """Ask the primary service; another only where it does not answer."""
    client = machine.client
    reason = "There is no Key Protection Service."
    for url in (client.key_protection_url, *client.fallback_key_protection_urls):
        path = f"{url.rstrip('/')}/service/{_VERSIONS.get(machine.version, 'v2.0')}/rolltransportkey"
        try:
            reply = network.request(world, clock, machine, "POST", path, body)
        except network.NetworkError as error:
            reason = str(error)
            continue
        client.last_key_protection_url = url
        try:
            if reply.status == HTTPStatus.OK:
                return read_response(reply.body)
            refusal = read_error(reply.body)
        except FormatError as error:
            raise CannotUnwrapError(f"The Key Protection Service answered with HTTP status {reply.status}.") from error
        raise CannotUnwrapError(f"{refusal.code}: {refusal.message}")
    raise CannotUnwrapError(reason)


def _open(machine: Machine, response: RollResponse) -> Unwrapped:
    """Climb the key ladder, whose first step only this start's VBS identity key opens."""
    if machine.boot is None or machine.boot.identity_key is None:
        raise CannotUnwrapError("Virtualization-based security does not run on this host.")
    identity_key = private_keys.load(machine.boot.identity_key)
    try:
        transfer = protection_algorithms.unwrap(identity_key, EncryptedData(RSA_OAEP, response.encrypted_transfer_key))
        wrapping = protection_algorithms.decrypt(transfer, EncryptedData(AES256_GCM, response.encrypted_wrapping_key))
        blob = protection_algorithms.decrypt(wrapping, EncryptedData(AES256_GCM, response.encrypted_transport_keys))
        ingress_key, egress_key = unpack_transport_keys(blob)
    except (CannotDecryptError, ValueError) as error:
        raise CannotUnwrapError(f"The answer of the Key Protection Service cannot be opened: {error}") from error
    return Unwrapped(ingress_key, response.egress_protector, egress_key)
