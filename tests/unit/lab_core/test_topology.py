# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.guarded.fabric.lab import inventory, topology
from ansible_collections.guarded.fabric.lab.topology import TopologyError

from .playground import PASSWORDS, Playground

SMALLEST = "machines: [{kind: hgs, name: hgs01}]"


@pytest.mark.parametrize("name", ["default", "small"])
def test_the_built_in_ones_can_be_read_and_written(name: str) -> None:
    known = topology.parse(topology.source(name), name)
    assert topology.parse(topology.text(known), "again") == known
    assert len(known.names()) == known.size() < len(known.addresses())


def test_the_default_is_a_whole_fabric() -> None:
    known = topology.parse(topology.source("default"), "default")
    counted = {
        kind: sum(group.count for group in known.machines if group.kind == kind) for kind in ("hgs", "host", "dns")
    }
    assert counted == {"hgs": 3, "host": 6, "dns": 1}
    assert len({group.hardware for group in known.machines if group.kind == "host"}) == 2
    assert sum(group.count for group in known.virtual_machines) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "mapping"),
        ("machines: [", "expected"),
        ("{}", "machines is needed"),
        ("machines: [{kind: hgs}]", r"machines\[0\]: name is needed"),
        ("machines: [{kind: router, name: r}]", "'router' is none of"),
        ("machines: [{kind: hgs, name: h, colour: red}]", "'colour' is not known"),
        ("machines: [{kind: hgs, name: h, count: two}]", "count: 'two' is no int"),
        ("machines: [{kind: hgs, name: h, count: 2}]", "two machines would be called 'h'"),
        ("machines: [{kind: hgs, name: 'h{x}'}]", "name 'h{x}'"),
        ("machines: [{kind: hgs, name: UPPER}]", "no computer name"),
        ("machines: [{kind: hgs, name: a-name-that-is-too-long}]", "no computer name"),
        ("machines: [{kind: host, name: h, hardware: X}]", "no hardware is called 'X'"),
        ("machines: [{kind: guest, name: g}]", "guests come with"),
        ("machines: [{kind: dns, name: d, cluster: hv}]", "only hosts are nodes"),
        (SMALLEST + "\nvirtual_machines: [{count: 1}]", "need a host"),
        (SMALLEST + "\nnetwork: 'fd00::/64'", "Expected 4 octets"),
        (SMALLEST + "\nnetwork: 127.0.0.0/28", "too small"),
        (SMALLEST + "\nnetwork: nonsense", "network"),
        (SMALLEST + "\ntime_scale: 0", "positive"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        topology.parse(text, "mine.yml")


@pytest.mark.parametrize("name", ["nothing", "../topologies/small", "/etc/passwd"])
def test_only_built_in_ones_are_found_by_name(name: str) -> None:
    with pytest.raises(TopologyError, match="neither a file nor"):
        topology.source(name)


def test_a_lab_moves_to_another_network() -> None:
    moved = topology.with_network(topology.parse(SMALLEST, "x"), "127.99.0.0/16")
    assert moved.addresses()[0].startswith("127.99.0.")


def test_a_class_keeps_its_reference_host_whatever_order_machines_are_loaded_in(lab: Playground) -> None:
    from .conftest import TOPOLOGY  # noqa: PLC0415 - the world of the fixture is made from it

    lab.world.machines = dict(reversed(lab.world.machines.items()))
    content = inventory.inventory(lab.world, TOPOLOGY, inventory.Trust(Path("/lab/ca.pem"), ()), "winrm")
    assert set(content["all"]["children"]["reference_hosts"]["hosts"]) == {"hosta01", "hostb01"}


def test_the_inventory_keeps_trust_domains_apart(lab: Playground, tmp_path: Path) -> None:
    from .conftest import TOPOLOGY  # noqa: PLC0415 - the world of the fixture is made from it

    lab.world.machines["mallory"] = lab.machine("hosta01")
    trust = inventory.Trust(Path("/lab/ca.pem"), (Path("/lab/tpm.cer"),))
    content = inventory.inventory(lab.world, TOPOLOGY, trust, "psrp")
    groups = content["all"]["children"]
    assert set(groups["hgs"]["hosts"]) == {"hgs01", "hgs02", "hgs03"}
    assert set(groups["reference_hosts"]["hosts"]) == {"hosta01", "hostb01"}
    assert content["all"]["vars"]["ansible_psrp_ca_cert"] == "/lab/ca.pem"
    path = inventory.write(tmp_path, content, PASSWORDS)
    assert not any(password in path.read_text(encoding="utf-8") for password in vars(PASSWORDS).values())
    for group, password in (
        ("hgs", PASSWORDS.guardian),
        ("guarded_hosts", PASSWORDS.fabric),
        ("tenant", PASSWORDS.tenant),
    ):
        file = tmp_path / "group_vars" / group / "password.yml"
        assert yaml.safe_load(file.read_text(encoding="utf-8")) == {"ansible_password": password}
        assert file.stat().st_mode & 0o777 == 0o600
