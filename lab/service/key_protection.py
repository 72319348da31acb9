# SPDX-License-Identifier: GPL-3.0-or-later
"""The Key Protection Service's HTTP face ([MS-KPS] 2.2.1), under /KeyProtection.

Lab only, because not public: the HTTP status of a refusal, and its form where metadata is refused.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import hgs_clusters, key_protection
from ansible_collections.guarded.fabric.lab.world.key_protection_messages import (
    ErrorReply,
    read_request,
    write_error,
    write_response,
)
from ansible_collections.guarded.fabric.lab.world.model import KeyProtectionState
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

from .routes import Reply, route

if TYPE_CHECKING:
    from .routes import Node, Request

_XML: Final = "application/xml; charset=utf-8"
_BASE: Final = r"/keyprotection/service"


@route("GET", _BASE + r"/metadata/2014-07/metadata\.xml")
def get_metadata(node: Node, _request: Request) -> Reply:
    """Return the guardian metadata document."""
    try:
        return Reply(HTTPStatus.OK, key_protection.metadata(_state(node)), _XML)
    except key_protection.ServiceError as error:
        return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode())


@route("POST", _BASE + r"/v(?P<version>[12])\.0/rolltransportkey")
def roll_transport_key(node: Node, request: Request) -> Reply:
    """Give a host the keys of a protector, and a protector with new ones."""
    try:
        message = read_request(request.body)
        response = key_protection.roll_transport_key(
            _state(node), message, int(request.parts["version"]), node.clock.now()
        )
    except FormatError as error:
        return _refusal(ErrorReply("ArgumentException", str(error)))
    except key_protection.ServiceError as error:
        return _refusal(ErrorReply(error.code, str(error)))
    return Reply(HTTPStatus.OK, write_response(response), _XML)


def _state(node: Node) -> KeyProtectionState:
    """Return what this node knows: one that joined a moment ago has no certificates yet."""
    state = node.cluster.key_protection
    if hgs_clusters.has_key_certificates(node.cluster, node.machine, node.clock.now()):
        return state
    return KeyProtectionState([], state.communications, state.trusted_attestation_signers, state.deny_issued_before)


def _refusal(error: ErrorReply) -> Reply:
    return Reply(HTTPStatus.BAD_REQUEST, write_error(error), _XML)
