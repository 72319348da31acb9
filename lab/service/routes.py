# SPDX-License-Identifier: GPL-3.0-or-later
"""Which function answers which HTTP request of a Host Guardian Service node.

The same table serves requests from inside the lab (world/network.py) and from real loopback connections. Paths are
matched as IIS does, without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.model import HgsCluster, Machine, World


@dataclass(frozen=True)
class Node:
    """The node that answers, and the cluster it belongs to."""

    world: World
    clock: Clock
    cluster: HgsCluster
    machine: Machine


@dataclass(frozen=True)
class Request:
    """A request; `parts` are the named groups of the route's pattern, as sent."""

    parts: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


Handler = Callable[[Node, Request], Reply]


@dataclass(frozen=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler


_ROUTES: Final[list[_Route]] = []


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register the decorated function for requests whose whole path matches `pattern`."""

    def register(handler: Handler) -> Handler:
        _ROUTES.append(_Route(method, re.compile(pattern, re.IGNORECASE), handler))
        return handler

    return register


def answer(node: Node, method: str, path: str, body: bytes) -> Reply:
    """Answer a request to a node: 404 where no route has the path, 405 where only other methods have it."""
    found = [(item, match) for item in _ROUTES if (match := item.pattern.fullmatch(path))]
    for item, match in found:
        if item.method == method:
            return item.handler(node, Request(match.groupdict(), body))
    return Reply(HTTPStatus.METHOD_NOT_ALLOWED if found else HTTPStatus.NOT_FOUND)
