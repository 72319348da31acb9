# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.guarded.fabric.tests.unit.engine.conftest import pfx_files, stages

__all__ = ["pfx_files", "stages"]
