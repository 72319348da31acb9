# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .growth import is_straight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .growth import PerHost, Step
    from .host_side import HostSide
    from .load import Load
    from .night import Night
    from .report import ReportCost

_MIB = 1024 * 1024


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = (
        "  ".join(text.ljust(width) if not column else text.rjust(width) for column, (text, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in (head, *rows))
    )
    return "\n".join(line.rstrip() for line in lines)


def per_host(found: Mapping[str, PerHost]) -> str:
    """Return what cells cost per host."""
    head = ("per host", "executions", "wall ms", "CPU ms", "lab CPU ms", "wall / no-op", "CPU / no-op")
    rows = [
        (
            name,
            f"{item.executions:.2f}",
            f"{item.wall:.1f}",
            f"{item.cpu:.1f}",
            f"{item.lab_cpu:.1f}",
            f"{item.wall_ratio:.2f}",
            f"{item.cpu_ratio:.2f}",
        )
        for name, item in found.items()
    ]
    return table(head, rows)


def growth(found: Mapping[str, Sequence[Step]]) -> str:
    """Return what one more host costs."""
    head = ("one more host", "hosts", "wall ms", "CPU ms", "wall / no-op", "CPU / no-op", "")
    rows = [
        (
            name,
            f"{step.fewer} to {step.more}",
            f"{step.wall:.1f}",
            f"{step.cpu:.1f}",
            f"{step.wall_ratio:.2f}",
            f"{step.cpu_ratio:.2f}",
            "" if step is not steps[-1] else "straight" if is_straight(steps) else "RISES",
        )
        for name, steps in found.items()
        for step in steps
    ]
    return table(head, rows)


def payloads(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return bytes per execution."""
    rows = [
        (name, f"{item['up'] / 1000:.1f}", f"{item['down'] / 1000:.1f}", f"{item['connections']:.0f}")
        for name, item in found.items()
    ]
    return table(("per execution", "KB up", "KB down", "connections"), rows)


def load(found: Load) -> str:
    """Return what the load run cost."""
    rows = [
        ("hosts", str(found.hosts)),
        ("wall", f"{found.wall:.0f} s"),
        ("controller CPU", f"{found.cpu:.0f} s"),
        ("lab CPU", f"{found.lab_cpu:.0f} s"),
        ("executions", str(found.executions)),
        ("executions at HGS", str(found.executions_at_hgs)),
        (f"ansible-playbook, {found.ansible_processes} processes", f"{found.ansible_memory / _MIB:.0f} MiB"),
        ("lab", f"{found.lab_memory / _MIB:.0f} MiB"),
        ("start of the lab", f"{found.lab_started:.1f} s"),
    ]
    return table(("enroll and attest", ""), rows)


def night(found: Night) -> str:
    """Return what the drift check of a whole fabric saw, and its memory."""
    rows = [
        ("machines", str(found.machines)),
        ("virtual machines", str(found.virtual_machines)),
        ("findings", str(found.findings)),
        (f"ansible-playbook, {found.ansible_processes} processes", f"{found.ansible_memory / _MIB:.0f} MiB"),
    ]
    return table(("the drift check", ""), rows)


def host_side(found: HostSide) -> str:
    """Return what modules cost on the host."""
    rows = [(name, f"{found.wall[name]:.0f}", f"{found.cpu[name]:.0f}") for name in found.wall]
    rows.append(("invoke_cmdlets / Ansible.Basic", f"{found.wall_ratio:.2f}", f"{found.cpu_ratio:.2f}"))
    return table(("on the host, PowerShell 7", "wall ms", "CPU ms"), rows)


def report(found: ReportCost) -> str:
    """Return what the report costs."""
    rows = [(name, f"{size / 1_000_000:.2f}") for name, size in found.sizes.items()]
    title = f"{found.hosts} hosts, {found.virtual_machines} virtual machines: {found.seconds:.1f} s"
    return table((title, "MB"), rows)
