# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from ansible.executor.powershell.module_manifest import PSModuleDepFinder
from ansible_collections.guarded.fabric.plugins.plugin_utils import warming

if TYPE_CHECKING:
    import pytest


def compiled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what is compiled from now on, as it comes."""
    patterns: list[object] = []
    compiler = sys.modules["re._compiler"]
    original = compiler.compile

    def compile_and_tell(pattern: object, flags: int = 0) -> object:
        patterns.append(pattern)
        return original(pattern, flags)

    monkeypatch.setattr(compiler, "compile", compile_and_tell)
    return patterns


def test_a_worker_finds_the_patterns_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = compiled(monkeypatch)
    re.purge()
    PSModuleDepFinder()
    assert patterns
    re.purge()
    warming.warm()
    patterns.clear()
    PSModuleDepFinder()
    assert patterns == []


def test_a_worker_finds_the_modules_imported() -> None:
    warming.warm()
    assert "encodings.utf_16_le" in sys.modules


def test_an_ansible_core_without_any_of_it_is_none_the_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", gone)
    warming.warm()


TEMPLATING = """
import sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
init_plugin_loader()
from ansible_collections.guarded.fabric.plugins.plugin_utils import warming
warming.warm()
known = set(sys.modules)
templar = Templar(loader=DataLoader(), variables={})
used = templar.environment.filters, templar.environment.tests
used[0]["guarded.fabric.named_items"], used[0]["combine"], used[1]["changed"]
print(*sorted(set(sys.modules) - known))
"""


def test_a_worker_finds_the_plugins_of_templates_loaded() -> None:
    """In a process of its own: the first to use a filter loads all files of its collection, for good."""
    done = subprocess.run([sys.executable, "-c", TEMPLATING], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
