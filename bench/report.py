# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drift check's report costs for a fabric of a size: seconds and bytes of each file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.guarded.fabric.plugins.plugin_utils.report import folder

from .example_run import example
from .fabric import MACHINES_PER_HOST


@dataclass(frozen=True)
class ReportCost:
    """Seconds to render all files of a run, and the bytes of each by name."""

    hosts: int
    virtual_machines: int
    seconds: float
    sizes: Mapping[str, int]


def measure(hosts: int) -> ReportCost:
    """Render the report of a fabric of so many hosts."""
    run = example(hosts, hosts * MACHINES_PER_HOST)
    started = time.perf_counter()
    files = folder.files(run)
    seconds = time.perf_counter() - started
    sizes = {name: len(content) for name, content in files.items()}
    return ReportCost(hosts, hosts * MACHINES_PER_HOST, seconds, sizes)
