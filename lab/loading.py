# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes every cmdlet and HTTP route of the lab known: a file that is in the package counts, and no list names it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from . import cmdlets, service

if TYPE_CHECKING:
    from types import ModuleType


def load_everything() -> None:
    """Import the modules that register cmdlets, CIM classes and routes."""
    for package in (cmdlets, service):
        _load(package)


def _load(package: ModuleType) -> None:
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)
