# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll out a whole guarded fabric on the embedded lab, roll it out again, and show what it is good for.

Everything goes through stock `ansible-playbook` and the playbooks of this collection. The lab stands in for the Windows
machines; it is stopped at the end, however that comes, unless --keep asks for it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from . import fabric, story
from .lab import BUILD, ROOT, Lab
from .playbooks import Playbooks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORK = BUILD / "demo"


class DemoError(Exception):
    """Something did not go as it has to."""


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{'=' * 100}\n{text}\n{'=' * 100}", flush=True)


def _timed(what: str, step: Callable[[], int], expected: int = 0) -> None:
    started = time.monotonic()
    code = step()
    if code != expected:
        raise DemoError(f"{what} ended with exit code {code}")
    print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)


def rollout(playbooks: Playbooks) -> None:
    """Roll the fabric out twice; the second time must change nothing."""
    heading("1  Roll out: HGS cluster, guarded hosts, tenant, shielded virtual machines")
    _timed("The rollout", lambda: playbooks.run("site.yml"))
    heading("2  The same again: nothing is to change")
    _timed("The second run", lambda: playbooks.run("site.yml"))
    if playbooks.changed():
        raise DemoError("the second run changed something")
    print("The second run changed nothing.", flush=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Roll out a guarded fabric on the embedded lab.")
    parser.add_argument("--topology", default="default", help="of the lab: default, small, or a file")
    parser.add_argument("--connection", choices=("winrm", "psrp"), default="winrm", help="Ansible's connection")
    parser.add_argument("--keep", action="store_true", help="start the lab and keep it, without rolling anything out")
    return parser.parse_args(arguments)


def _keep(lab: Lab, playbooks: Playbooks) -> None:
    print(f"\nThe lab is up. In another terminal:\n\n  {playbooks.command('site.yml')}\n  {lab.command('status')}\n")
    print("Ctrl-C stops it.", flush=True)
    signal.pause()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    options = _arguments(arguments)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    os.chdir(ROOT)
    # A terminated demonstration cleans up just as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab(WORK / "lab")
    try:
        heading(
            "0  Start the lab: Windows machines played by a program, behind the real WinRM protocol. It guards nothing."
        )
        lab.start(options.topology, options.connection)
        decisions = fabric.write(WORK / "inventory", WORK / "exchange", fabric.machines(lab.status()))
        playbooks = Playbooks([lab.inventory, decisions], WORK)
        if options.keep:
            _keep(lab, playbooks)
            return 0
        rollout(playbooks)
        story.tell(lab, playbooks, heading)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (DemoError, story.StoryError, subprocess.CalledProcessError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    finally:
        lab.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
