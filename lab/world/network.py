# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network: names through DNS servers and their forwarders, and HTTP requests between machines.

Every machine reaches every other that runs. Only names stand between a host and its HGS: a host finds it through the
DNS servers its client asks, their zones and conditional forwarders. There is no root: what no zone and no forwarder
knows does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ansible_collections.guarded.fabric.lab.service import routes

from . import hgs_clusters
from .power import is_up

if TYPE_CHECKING:
    from datetime import datetime

    from .clock import Clock
    from .model import Machine, World

_LOOPBACK: Final = "127.0.0.1"


class NetworkError(Exception):
    """A request could not be made."""


class NameNotFoundError(NetworkError):
    """No DNS server the machine asks knows the name."""


class NameServerError(NetworkError):
    """The DNS servers the machine asks do not answer, or forward in a circle."""


class UnreachableError(NetworkError):
    """Nothing answers at the address."""


def machine_at(world: World, address: str, asking: Machine) -> Machine | None:
    """Return the machine with an address; the loopback address is the asking machine's own."""
    if address == _LOOPBACK:
        return asking
    return next((machine for machine in world.machines.values() if machine.address == address), None)


def full_name(machine: Machine) -> str:
    """Return a machine's fully qualified name, in lower case."""
    return f"{machine.name}.{machine.domain}".lower() if machine.domain else machine.name.lower()


def resolve(world: World, now: datetime, machine: Machine, name: str) -> list[str]:
    """Return the addresses of a name as this machine sees it.

    Raises NameNotFoundError, NameServerError.
    """
    wanted = name.lower().rstrip(".")
    if wanted in {"localhost", machine.name.lower(), full_name(machine)}:
        return [machine.address]
    for server in machine.dns_client:
        answering = machine_at(world, server, machine)
        if answering is not None and answering.dns_server is not None and is_up(world, answering, now):
            return _answer(world, now, answering, wanted, frozenset())
    raise NameServerError(f"No DNS server of {machine.name} answers.")


def ask(world: World, now: datetime, machine: Machine, server: str, name: str) -> list[str]:
    """Return the addresses of a name as one DNS server, given by name or address, sees it. Raises NetworkError."""
    return _answer(world, now, locate(world, now, machine, server), name.lower().rstrip("."), frozenset())


def _answer(world: World, now: datetime, server: Machine, name: str, asked: frozenset[str]) -> list[str]:
    """Answer as a DNS server: from the closest zone it holds, else by the closest conditional forwarder."""
    if server.name in asked:
        raise NameServerError(f"The DNS servers {', '.join(sorted(asked))} forward {name} in a circle.")
    if server.dns_server is None:
        raise NameServerError(f"{server.name} is no DNS server.")
    zones = dict(server.dns_server.zones)
    for zone, records in _directory_zones(world, server).items():
        zones[zone] = {**zones.get(zone, {}), **records}
    forwarders = server.dns_server.forwarders
    suffixes = [".".join(name.split(".")[index:]) for index in range(name.count(".") + 1)]
    suffix = next((suffix for suffix in suffixes if suffix in zones or suffix in forwarders), None)
    if suffix is None:
        raise NameNotFoundError(f"{name} : DNS name does not exist")
    if suffix in zones:
        addresses = zones[suffix].get(name.removesuffix(suffix).rstrip(".") or "@")
        if not addresses:
            raise NameNotFoundError(f"{name} : DNS name does not exist")
        return list(addresses)
    for address in forwarders[suffix]:
        master = machine_at(world, address, server)
        if master is not None and master.dns_server is not None and is_up(world, master, now):
            return _answer(world, now, master, name, asked | {server.name})
    raise NameServerError(f"No master server for {suffix} answers.")


def _directory_zones(world: World, server: Machine) -> dict[str, dict[str, list[str]]]:
    """Zones of Active Directory, which every controller holds: its controllers and the service names of clusters."""
    domain = world.domains.get(server.domain or "") if server.domain_controller else None
    if domain is None:
        return {}
    machines = [world.machines[name] for name in domain.controllers]
    zone = {machine.name.lower(): [machine.address] for machine in machines}
    zone["@"] = [machine.address for machine in machines]
    for cluster in world.clusters.values():
        if cluster.domain == domain.name:
            # A distributed network name has one address record per node (sql-docs, HGS planning).
            zone[cluster.service_name.lower()] = [world.machines[node].address for node in cluster.nodes]
    return {domain.name: zone}


def locate(world: World, now: datetime, machine: Machine, host: str) -> Machine:
    """Return the first running machine behind a host name or address. Raises NetworkError."""
    literal = machine_at(world, host, machine)
    addresses = [host] if literal is not None else resolve(world, now, machine, host)
    for address in addresses:
        found = machine_at(world, address, machine)
        if found is not None and is_up(world, found, now):
            return found
    raise UnreachableError("Unable to connect to the remote server")


def request(  # noqa: PLR0913, PLR0917 - a request is all of these
    world: World, clock: Clock, machine: Machine, method: str, url: str, body: bytes = b""
) -> routes.Reply:
    """Send an HTTP request from a machine.

    Raises NetworkError where nothing answers; an HTTP status that is an error is returned like any other.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UnreachableError(f"'{url}' is no HTTP address")
    server = locate(world, clock.now(), machine, parts.hostname)
    cluster = hgs_clusters.cluster_of(world, server)
    if cluster is None or parts.scheme != "http" or (parts.port or 80) != hgs_clusters.HTTP_PORT:
        raise UnreachableError("Unable to connect to the remote server")
    return routes.answer(routes.Node(world, clock, cluster, server), method, parts.path, body)
