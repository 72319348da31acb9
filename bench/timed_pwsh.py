# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for PowerShell: runs it, and writes what it cost to a file. $BENCH_PWSH names it, $BENCH_TIMES the file."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Run PowerShell with these arguments; return its exit code."""
    start = time.monotonic()
    pid = os.spawnv(os.P_NOWAIT, os.environ["BENCH_PWSH"], [os.environ["BENCH_PWSH"], *sys.argv[1:]])  # noqa: S606
    _pid, status, used = os.wait4(pid, 0)
    spent = {"wall": time.monotonic() - start, "cpu": used.ru_utime + used.ru_stime}
    with open(os.environ["BENCH_TIMES"], "a", encoding="utf-8") as file:  # noqa: PTH123 - one line, nothing imported
        file.write(json.dumps(spent) + "\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
