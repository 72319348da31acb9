# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.tests.unit.engine.conftest import pfx_files
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import lab

from .living import TOPOLOGY, Fabric, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File

__all__ = ["pfx_files"]


@pytest.fixture(scope="session")
def declared() -> Iterator[Callable[[Path], dict[str, Any]]]:
    """Return what evaluates an adopted folder as Ansible does."""
    command = [sys.executable, str(Path(__file__).parent / "declared.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(folder: Path) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(str(folder)) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield ask
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="session")
def half_built(pfx_files: dict[str, File], tmp_path_factory: pytest.TempPathFactory) -> Fabric:
    """Build what all fabrics have in common, once: HGS, and hosts that are ready to be registered."""
    keys = [tpm.new_rsa_key() for _ in range(6)]
    return prepared(lab(TOPOLOGY, keys), tmp_path_factory.mktemp("exchange"), pfx_files)
