# SPDX-License-Identifier: GPL-3.0-or-later
"""How a process on an emulated machine ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessResult:
    """Exit code and output; the output is UTF-8, as Ansible asks for code page 65001."""

    rc: int
    stdout: bytes = b""
    stderr: bytes = b""
