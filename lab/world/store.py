# SPDX-License-Identifier: GPL-3.0-or-later
"""The world on disk: one row per machine, domain, cluster, TPM vendor and host that a cluster knows, in SQLite.

A row is written when its entity changed, so a call on one machine of a thousand writes that one, and a host that
attests does not write the thousand that are registered. SQLite commits atomically; whatever kills the lab, the last
saved state is whole.
"""

from __future__ import annotations

import io
import pickle
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from . import model
from .model import HgsCluster, TpmHost, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCHEMA: Final = 2
"""Counts up when model.py changes so that older rows cannot be read."""

_KINDS: Final = ("machines", "domains", "clusters", "tpm_vendors")
_MACHINES: Final = "machines"
_HOSTS: Final = "tpm_hosts"
"""Kind of the rows of registered hosts; their key is the cluster's and the host's, with a slash between."""
_Hosts: TypeAlias = "dict[str, dict[str, TpmHost]]"
"""Registered hosts by name of the cluster and of the host."""
_PLAIN: Final = {("builtins", "set"), ("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta")}


class StoreError(Exception):
    """The file is no world that this version of the lab can read."""


class Store:
    """A world's file. Entities of it are saved by kind and key."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; only its owner can read it, since it holds private keys."""
        path.touch(mode=0o600, exist_ok=True)
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._written: dict[str, dict[str, bytes]] = {kind: {} for kind in _KINDS}
        self._hosts: _Hosts = {}
        with closing(self._connection.cursor()) as cursor:
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
                # A commit survives the death of the process; that it survives a power cut is not worth a sync per call.
                cursor.execute("PRAGMA synchronous = NORMAL")
                cursor.execute(
                    "CREATE TABLE IF NOT EXISTS entity (kind TEXT, key TEXT, data BLOB, PRIMARY KEY (kind, key))"
                )
                cursor.execute("CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT)")
            except sqlite3.DatabaseError as error:
                raise StoreError(f"{path} is no lab state: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def is_empty(self) -> bool:
        """Whether no world was saved yet."""
        return self._fact("schema") is None

    def load(self) -> World:
        """Return the saved world. Raises StoreError."""
        schema = self._fact("schema")
        if schema != str(SCHEMA):
            raise StoreError(f"{self._path} was written by another version of the lab (schema {schema}); reset it")
        world = World()
        for kind, key, data in self._connection.execute("SELECT kind, key, data FROM entity ORDER BY rowid"):
            entity = self._read(kind, key, data)
            if isinstance(entity, TpmHost):
                service, _, name = key.partition("/")
                self._hosts.setdefault(service, {})[name] = entity
            else:
                getattr(world, kind)[key] = entity
                self._written[kind][key] = blake2b(data).digest()
        for service, hosts in self._hosts.items():
            world.clusters[service].attestation.hosts.update(hosts)
        return world

    def _read(self, kind: str, key: str, data: bytes) -> object:
        try:
            return cast("object", _Reader(io.BytesIO(data)).load())
        except (AttributeError, pickle.UnpicklingError, EOFError) as error:
            raise StoreError(f"{self._path}: {kind} {key} cannot be read: {error}") from error

    def save(self, world: World, now: datetime, machines: Iterable[str] | None = None) -> int:
        """Save what changed; return how many rows were written. `machines` names those to look at, None all.

        Whether a machine is gone is seen where all are looked at.
        """
        rows, digests = [], {}
        whole = [kind for kind in _KINDS if kind != _MACHINES or machines is None]
        for (kind, key), entity in _entities(world, whole, machines or ()).items():
            data = pickle.dumps(entity, protocol=5)
            digest = blake2b(data).digest()
            if self._written[kind].get(key) != digest:
                digests[kind, key] = digest
                rows.append((kind, key, data))
        hosts = {service: dict(cluster.attestation.hosts) for service, cluster in world.clusters.items()}
        rows += [(_HOSTS, key, pickle.dumps(host, protocol=5)) for key, host in _other_hosts(hosts, self._hosts)]
        gone = [(kind, key) for kind in whole for key in self._written[kind].keys() - getattr(world, kind).keys()]
        unregistered = [(_HOSTS, key) for key in _missing_hosts(self._hosts, hosts)]
        # Only what the file has is noted as written: a disk that is full for a moment must not cost a change.
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO entity VALUES (?, ?, ?)", rows)
            self._connection.executemany("DELETE FROM entity WHERE kind = ? AND key = ?", gone + unregistered)
            facts = {"schema": str(SCHEMA), "world_time": now.isoformat(), "real_time": datetime.now(UTC).isoformat()}
            self._connection.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?)", facts.items())
        for (kind, key), digest in digests.items():
            self._written[kind][key] = digest
        self._hosts = hosts
        for kind, key in gone:
            del self._written[kind][key]
        return len(rows)

    def world_time(self, real_now: datetime) -> datetime:
        """Return the world's time: that of the last save, and the real time since then."""
        world, real = self._fact("world_time"), self._fact("real_time")
        if world is None or real is None:
            return real_now
        return datetime.fromisoformat(world) + (real_now - datetime.fromisoformat(real))

    def _fact(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])


def _entities(world: World, whole: Iterable[str], machines: Iterable[str]) -> dict[tuple[str, str], object]:
    """Return all of some kinds and some machines, as they are written: clusters without the hosts that they know."""
    entities = {
        (kind, key): _without_hosts(entity) if isinstance(entity, HgsCluster) else entity
        for kind in whole
        for key, entity in getattr(world, kind).items()
    }
    for name in machines:
        if name in world.machines:
            entities[_MACHINES, name] = world.machines[name]
    return entities


def _without_hosts(cluster: HgsCluster) -> HgsCluster:
    return replace(cluster, attestation=replace(cluster.attestation, hosts={}))


def _other_hosts(hosts: _Hosts, written: _Hosts) -> Iterator[tuple[str, TpmHost]]:
    """Yield the hosts that are not as they were written, by key; a cluster replaces a host that changes."""
    for service, registered in hosts.items():
        before = written.get(service, {})
        for name, host in registered.items():
            if before.get(name) is not host:
                yield f"{service}/{name}", host


def _missing_hosts(written: _Hosts, hosts: _Hosts) -> Iterator[str]:
    """Yield the keys of hosts that were written and are not registered any more."""
    for service, registered in written.items():
        for name in registered.keys() - hosts.get(service, {}).keys():
            yield f"{service}/{name}"


class _Reader(pickle.Unpickler):
    """Reads the classes of the model and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if module == model.__name__ or (module, name) in _PLAIN:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a world")
