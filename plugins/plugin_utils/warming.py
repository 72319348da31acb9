# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every worker process would do again, done once in the process that they are forked from.

Ansible forks a worker for each task on each host. What a worker compiles or imports for the first time is lost with it.
docs/performance.md says what each of these costs.
"""

from __future__ import annotations

import importlib
from contextlib import suppress

from ansible.plugins.loader import filter_loader, test_loader

FIRST_USED_BY_WORKERS = (
    "encodings.utf_16_le",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
)
"""Modules that sending a PowerShell module needs. Not every version of ansible-core has those of its own."""


FIRST_TEMPLATED_BY_WORKERS = (
    (filter_loader, "guarded.fabric.named_items"),
    (filter_loader, "ansible.builtin.combine"),
    (test_loader, "ansible.builtin.changed"),
)
"""One of each kind that templates use: with the first, Ansible loads all files of its collection."""


def warm() -> None:
    """Import and load them, and compile the patterns with which ansible-core searches PowerShell: `re` keeps those.

    What ansible-core no longer has, or has in another place, is left out: it only saves time.
    """
    for loader, name in FIRST_TEMPLATED_BY_WORKERS:
        with suppress(Exception):  # whatever is wrong with a plugin is said where it is used
            loader.get(name)
    for name in FIRST_USED_BY_WORKERS:
        with suppress(ImportError):
            importlib.import_module(name)
    with suppress(ImportError, AttributeError, TypeError):
        importlib.import_module("ansible.executor.powershell.module_manifest").PSModuleDepFinder()
