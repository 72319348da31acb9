# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guarded fabric is for: a stranger, a thief, changed firmware, and what the nightly check says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import Lab
    from .playbooks import Playbooks

ROGUE = "rogue01"


class StoryError(Exception):
    """Something worked that must not work."""


def _refused(what: str, code: int) -> None:
    if code == 0:
        raise StoryError(f"{what} should have been refused")


def _stranger(lab: Lab, playbooks: Playbooks) -> None:
    print(lab.tell("add-rogue", ROGUE), end="", flush=True)
    strangers = ("--extra-vars", "guarded_hosts=strangers", "--extra-vars", f"reference_hosts={ROGUE}")
    # Its own administrator makes it look like any other host: same features, a code integrity policy, the right URLs.
    exchange = ("--extra-vars", f"exchange_directory={playbooks.work / 'rogue-exchange'}")
    if playbooks.run("prepare_hosts.yml", *strangers, *exchange):
        raise StoryError("the rogue host could not be prepared")
    _refused("a host that nobody registered", playbooks.run("attest.yml", *strangers))


def _thief(lab: Lab, playbooks: Playbooks) -> None:
    machine = lab.status()["virtual_machines"][0]["name"]
    print(lab.tell("copy-vm", machine, "--to", ROGUE), end="", flush=True)
    stolen = ("--extra-vars", "guarded_hosts=strangers", "--extra-vars", f'{{"shielded_vm_names": ["{machine}"]}}')
    _refused("shielding a stolen machine again", playbooks.run("shield.yml", *stolen))
    print(f"\nThe thief starts it by hand: Start-VM -Name {machine}", flush=True)
    _refused("starting a stolen machine", playbooks.call("strangers", "Start-VM", {"Name": [machine]}))
    print("\nand reads its disk:", flush=True)
    print(lab.tell("read-disk", machine, "--on", ROGUE), end="", flush=True)


def _firmware(lab: Lab, playbooks: Playbooks) -> None:
    host = max(item["name"] for item in lab.status()["hosts"] if item["name"] != ROGUE)
    print(lab.tell("tamper-firmware", host), end="", flush=True)
    _refused("attesting with other firmware", playbooks.run("attest.yml", "--limit", host))


def tell(lab: Lab, playbooks: Playbooks, heading: Callable[[str], None]) -> None:
    """Tell the story. Raises StoryError where something works that must not."""
    heading("3  A host that nobody registered asks for keys")
    _stranger(lab, playbooks)
    heading("4  A thief copies a shielded virtual machine to it")
    _thief(lab, playbooks)
    heading("5  The firmware of a guarded host changes")
    _firmware(lab, playbooks)
    heading("6  The morning after: what the nightly check finds")
    _refused("a fabric with a host that does not attest", playbooks.run("drift.yml"))
    print(f"\nThe report, for a browser: {playbooks.work / 'drift' / 'latest' / 'report.html'}", flush=True)
