# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every check of the project and say how each ended and what it took: `make test`.

`check.py` runs all of them, `check.py types lint` those. Every check runs even if an earlier one failed; pytest comes
last, so that its closing line is near the end. Exit status 1 if any failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv" / "bin"
OURS = {"ANSIBLE_HOME"}  # set by the Makefile
PACKAGE = "ansible_collections.guarded.fabric"


@dataclass(frozen=True)
class Check:
    """One command and what it checks; the command's exit status is the verdict."""

    name: str
    purpose: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a check ended: its exit status, and its wall time in seconds."""

    check: Check
    status: int
    seconds: float


def packages() -> tuple[str, ...]:
    """Return the folders of Python to type-check, as mypy's arguments."""
    folders = ("plugins", "lab", "demo", "scripts", "tests")
    return tuple(f"--package={PACKAGE}.{folder}" for folder in folders if any((ROOT / folder).rglob("*.py")))


CHECKS = (
    Check("lint", "ruff: every rule but those that pyproject.toml argues away", ("ruff", "check")),
    Check("format", "ruff: one way to lay out Python", ("ruff", "format", "--check")),
    Check("types", "mypy --strict: the plugins, the lab, the tests and these scripts", ("mypy", *packages())),
    Check("yaml", "yamllint: YAML", ("yamllint", "--strict", ".")),
    Check("licences", "reuse: a licence and a copyright for every file", ("reuse", "lint", "--lines")),
    Check("changelog", "antsibull-changelog: fragments and the release history", ("antsibull-changelog", "lint")),
    Check("ansible-lint", "ansible-lint: its production profile", ("ansible-lint", "-q")),
    Check(
        "sanity",
        "ansible-test sanity: what of it needs neither containers nor Windows",
        ("python", "scripts/sanity.py"),
    ),
    Check(
        "unit",
        "pytest: the parts, the published cmdlet syntax, the collection as Galaxy gets it",
        ("pytest", "-q", "-n", "2", "tests/unit", "tests/contracts", "tests/packaging"),
    ),
    Check(
        "integration",
        "pytest: stock ansible-playbook against the lab",
        ("pytest", "-q", "-n", "4", "--dist", "loadfile", "tests/integration"),
    ),
)


def run(check: Check) -> Outcome:
    """Run one check, its output passed through under a heading."""
    print(f"\n== {check.name}: {check.purpose}", flush=True)
    start = time.monotonic()
    status = subprocess.run(
        [TOOLS / check.command[0], *check.command[1:]], cwd=ROOT, env=environment(), check=False
    ).returncode
    outcome = Outcome(check, status, time.monotonic() - start)
    print(f"== {verdict(outcome)}", flush=True)
    return outcome


def environment() -> dict[str, str]:
    """Return the environment of the checks: the tools of .venv first, none of the user's Ansible settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_") or name in OURS}
    return {**kept, "PATH": f"{TOOLS}{os.pathsep}{kept['PATH']}"}


def verdict(outcome: Outcome) -> str:
    """Return one line: which check, how it ended, how long it took."""
    word = "passed" if outcome.status == 0 else f"FAILED ({outcome.status})"
    return f"{outcome.check.name} {word} in {outcome.seconds:.1f} s"


def main(names: list[str]) -> int:
    """Run the checks named, all where none is; return the exit status."""
    known = {check.name for check in CHECKS}
    if unknown := set(names) - known:
        print(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    outcomes = [run(check) for check in CHECKS if not names or check.name in names]
    failed = [outcome for outcome in outcomes if outcome.status]
    print(f"\n{len(outcomes)} checks in {sum(outcome.seconds for outcome in outcomes):.0f} s")
    for outcome in failed:
        print(verdict(outcome))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
