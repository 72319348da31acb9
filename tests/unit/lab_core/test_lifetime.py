# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import winrm
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_networks = count(1)


def _network() -> str:
    """Return a network of its own for each test, also where several runs of the tests share a machine."""
    process = os.getpid()
    return f"127.{100 + process % 100}.{(process // 100 * 16 + next(_networks)) % 250}.0/26"


TOPOLOGY = """
network: NETWORK
winrm_port: 25986
http_port: 25980
time_scale: 200
machines:
  - {kind: hgs, name: hgs01}
  - {kind: host, name: host01}
virtual_machines:
  - {name: vm01, count: 1}
"""


class Lab:
    """A lab in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network = _network()
        self.write(TOPOLOGY)
        self.state = directory / "state"

    def write(self, topology: str) -> None:
        """Write the topology file."""
        (self.directory / "mine.yml").write_text(topology.replace("NETWORK", self.network), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ansible_collections.guarded.fabric.lab", "--state", str(self.state), *arguments]

    def tell(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), check=False, capture_output=True, text=True, timeout=120)

    def up(self) -> None:
        done = self.tell("up", "--detach", "--topology", str(self.directory / "mine.yml"))
        assert done.returncode == 0, done.stderr

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.tell("status", "--json").stdout)
        return status

    @property
    def process(self) -> int:
        return int((self.state / "lock").read_text(encoding="utf-8"))

    def variables(self, machine: str, group: str) -> dict[str, str]:
        hosts = yaml.safe_load((self.state / "inventory" / "hosts.yml").read_text(encoding="utf-8"))
        password = self.state / "inventory" / "group_vars" / group / "password.yml"
        found: dict[str, str] = {
            **hosts["all"]["vars"],
            **hosts["all"]["children"][group]["hosts"][machine],
            **yaml.safe_load(password.read_text(encoding="utf-8")),
        }
        return found

    def wait_for(self, machine: str, group: str) -> None:
        """Wait until a machine that is new answers: the lab looks a few times a second who has to listen."""
        variables = self.variables(machine, group)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((variables["ansible_host"], int(variables["ansible_port"]))).close()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def run(self, machine: str, group: str, command: str) -> str:
        """Run a command over WinRM with the variables of the inventory."""
        variables = self.variables(machine, group)
        session = winrm.Session(
            f"https://{variables['ansible_host']}:{variables['ansible_port']}/wsman",
            auth=(variables["ansible_user"], variables["ansible_password"]),
            transport=variables["ansible_winrm_transport"],
            ca_trust_path=variables["ansible_winrm_ca_trust_path"],
        )
        output: bytes = session.run_cmd(command).std_out
        return output.decode().strip()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.tell("down")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _listens(address: str, port: int = 25986) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def test_one_life_from_up_to_down(lab: Lab) -> None:
    lab.up()
    process = lab.process
    host, node = (lab.variables(*names)["ansible_host"] for names in (("host01", "guarded_hosts"), ("hgs01", "hgs")))

    assert lab.run("host01", "guarded_hosts", "whoami") == r"host01\administrator"
    assert lab.run("vm01", "guests", "hostname") == "vm01"
    assert [item["service"] for item in lab.status()["nodes"]] == [None]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{node}:25980/attestation/getinfo")

    for arguments in (("up",), ("up", "--detach"), ("reset",)):
        refused = lab.tell(*arguments)
        assert refused.returncode == 1
        assert f"process {process}" in refused.stderr

    assert _listens(host)
    lab.tell("kill", "host01")
    _until(lambda: not _listens(host))
    lab.tell("revive", "host01")
    _until(lambda: _listens(host))

    assert lab.tell("down").returncode == 0
    _until(lambda: not _is_alive(process))
    assert not _listens(host)
    assert lab.tell("status").stderr == "lab: no lab runs here\n"


def test_a_killed_one_is_taken_over_with_all_it_knew(lab: Lab) -> None:
    lab.up()
    lab.tell("kill", "host01")
    process = lab.process
    os.kill(process, signal.SIGKILL)
    _until(lambda: lab.tell("status").returncode == 1)
    lab.up()
    assert lab.process != process
    (host,) = lab.status()["hosts"]
    assert host["power"] == "dead"
    assert not _listens(lab.variables("host01", "guarded_hosts")["ansible_host"])
    assert lab.run("hgs01", "hgs", "hostname") == "hgs01"


def test_an_interrupt_ends_it_in_order(lab: Lab) -> None:
    lab.up()
    process = lab.process
    os.kill(process, signal.SIGINT)
    _until(lambda: not _is_alive(process))
    assert not (lab.state / "control").exists()


def test_a_lab_whose_directory_is_removed_ends(lab: Lab) -> None:
    lab.up()
    process = lab.process
    shutil.rmtree(lab.state)
    _until(lambda: not _is_alive(process))


def test_a_lab_changes_by_its_story_and_by_a_reset(lab: Lab) -> None:
    hardware = "hardware: [{name: X, vendor: Contoso, firmware: '1', tpm_vendor: Lab Silicon}]\n"
    lab.write(TOPOLOGY.replace("name: host01}", "name: host01, hardware: X}") + hardware)
    lab.up()
    before = lab.status()["world_time"]
    assert lab.tell("move-clock", "1000").returncode == 0
    assert lab.status()["world_time"] > before
    assert lab.tell("add-rogue", "mallory").returncode == 0
    lab.wait_for("mallory", "strangers")
    assert lab.run("mallory", "strangers", "hostname") == "mallory"
    assert lab.tell("add-rogue", "mallory").returncode == 1
    assert lab.tell("down").returncode == 0

    lab.write(TOPOLOGY.replace("host01", "host99"))
    refused = lab.tell("up", "--detach", "--topology", str(lab.directory / "mine.yml"))
    assert refused.returncode == 1
    assert "reset" in refused.stderr
    assert lab.tell("reset").returncode == 0
    lab.up()
    assert [host["name"] for host in lab.status()["hosts"]] == ["host99"]


def test_an_address_that_is_taken_is_named(lab: Lab) -> None:
    first = str(ipaddress.ip_network(lab.network)[11])
    with socket.socket() as other:
        other.bind((first, 25986))
        other.listen()
        done = lab.tell("up", "--detach", "--topology", str(lab.directory / "mine.yml"))
    assert done.returncode == 1
    assert f"{first}:25986" in done.stderr


@pytest.mark.parametrize("detach", [("--detach",), ()])
def test_others_can_reach_a_lab_only_where_that_is_said(lab: Lab, detach: tuple[str, ...]) -> None:
    lab.network = "192.0.2.0/24"  # RFC 5737: for documentation, and so no address of this computer
    lab.write(TOPOLOGY)
    up = ("up", *detach, "--topology", str(lab.directory / "mine.yml"))
    refused = lab.tell(*up)
    assert refused.returncode == 1
    assert "others can reach 192.0.2.0/24" in refused.stderr
    assert "--listen-beyond-loopback" in refused.stderr
    allowed = lab.tell(*up, "--listen-beyond-loopback")
    assert allowed.returncode == 1
    assert "hgs01: 192.0.2.11:25986" in allowed.stderr
    assert "annot assign requested address" in allowed.stderr
    again = lab.tell("up", *detach)
    assert "others can reach 192.0.2.0/24" in again.stderr


def test_too_few_open_files_are_said_before_anything_listens(lab: Lab) -> None:
    command = f"ulimit -n 120 && exec {shlex.join(lab.command('up', '--topology', str(lab.directory / 'mine.yml')))}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "3 machines need 204 open files, and this user may have 120 (`ulimit -Hn`)" in done.stderr
