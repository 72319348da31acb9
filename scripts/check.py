# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every check of the project and say how each ended and what it took: `make test`.

`check.py` runs all of them, `check.py types lint` those. What reads the files goes two at a time, and is shown when it
ends; what runs the program comes after, one by one, as it uses every core itself. Every check runs even if an earlier
one failed. Exit status 1 if any failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    folders = ("plugins", "lab", "demo", "bench", "scripts", "tests")
    return tuple(f"--package={PACKAGE}.{folder}" for folder in folders if any((ROOT / folder).rglob("*.py")))


# The longest first.
READING = (
    Check(
        "sanity",
        "ansible-test sanity: what of it needs neither containers nor Windows",
        ("python", "scripts/sanity.py"),
    ),
    Check("ansible-lint", "ansible-lint: its production profile", ("ansible-lint", "-q")),
    Check("types", "mypy --strict: the plugins, the lab and all that surrounds them", ("mypy", *packages())),
    Check("licences", "reuse: a licence and a copyright for every file", ("reuse", "lint", "--lines")),
    Check("yaml", "yamllint: YAML", ("yamllint", "--strict", ".")),
    Check("changelog", "antsibull-changelog: fragments and the release history", ("antsibull-changelog", "lint")),
    Check("lint", "ruff: every rule but those that pyproject.toml argues away", ("ruff", "check")),
    Check("format", "ruff: one way to lay out Python", ("ruff", "format", "--check")),
)
RUNNING = (
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


def heading(check: Check) -> str:
    """Return the line above a check's output."""
    return f"\n== {check.name}: {check.purpose}"


def execute(check: Check, output: int | None) -> tuple[Outcome, str]:
    """Run one check, its output going where subprocess is told; return also what it said, if that is a pipe."""
    start = time.monotonic()
    done = subprocess.run(
        [TOOLS / check.command[0], *check.command[1:]],
        cwd=ROOT,
        env=environment(),
        check=False,
        text=True,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    return Outcome(check, done.returncode, time.monotonic() - start), done.stdout or ""


def side_by_side(checks: Sequence[Check]) -> Iterator[Outcome]:
    """Run checks two at a time; show each when it ends."""
    with ThreadPoolExecutor(2) as pool:
        for ended in as_completed(pool.submit(execute, check, subprocess.PIPE) for check in checks):
            outcome, said = ended.result()
            print(f"{heading(outcome.check)}\n{said}== {verdict(outcome)}", flush=True)
            yield outcome


def one_by_one(checks: Sequence[Check]) -> Iterator[Outcome]:
    """Run checks in order, their output passed through."""
    for check in checks:
        print(heading(check), flush=True)
        outcome, _ = execute(check, None)
        print(f"== {verdict(outcome)}", flush=True)
        yield outcome


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
    known = {check.name for check in (*READING, *RUNNING)}
    if unknown := set(names) - known:
        print(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    chosen = set(names) or known
    start = time.monotonic()
    outcomes = [
        *side_by_side([check for check in READING if check.name in chosen]),
        *one_by_one([check for check in RUNNING if check.name in chosen]),
    ]
    failed = [outcome for outcome in outcomes if outcome.status]
    print(f"\n{len(outcomes)} checks in {time.monotonic() - start:.0f} s")
    for outcome in failed:
        print(verdict(outcome))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
