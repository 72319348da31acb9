# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes the parsers: `make fuzz`, or with `COUNT=1000 TARGETS="tcg_log sipa"`."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from .campaign import run
from .targets import TARGETS


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each parser")
    parser.add_argument("--seed", type=int, default=1, help="another number tries other inputs")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(item.name for item in TARGETS))
    options = parser.parse_args()
    chosen = [target for target in TARGETS if not options.targets or target.name in options.targets]
    wrong = 0
    with ProcessPoolExecutor(options.processes) as pool:
        for done in as_completed([pool.submit(run, target, options.count, options.seed) for target in chosen]):
            report = done.result()
            sys.stdout.write(f"{report}\n")
            for path, error in report.failures.items():
                sys.stdout.write(f"  {path}: {error}\n")
            sys.stdout.flush()
            wrong += len(report.failures)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
