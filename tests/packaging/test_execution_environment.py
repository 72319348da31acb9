# SPDX-License-Identifier: GPL-3.0-or-later
"""The image for AWX, as far as ansible-builder says something of it without building it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def builder(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ansible_builder", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_ansible_builder_makes_a_context_of_the_definition(tmp_path: Path) -> None:
    shutil.copy(ROOT / "execution-environment.yml", tmp_path)
    (tmp_path / "guarded-fabric-0.1.0.tar.gz").write_bytes(b"")
    context = tmp_path / "context"
    said = builder(
        "create", "--file", str(tmp_path / "execution-environment.yml"), "--context", str(context), "-v", "3"
    )
    assert "WARNING" not in said.upper()
    assert (context / "_build" / "collections" / "guarded-fabric-0.1.0.tar.gz").is_file()
    (file,) = context.glob("*file")  # named after Podman or Docker, whichever there is
    steps = file.read_text(encoding="utf-8")
    assert "RUN ansible-galaxy collection install" in steps
    # The archive is there before what it needs is looked for.
    assert steps.index("COPY _build/collections /build/collections") < steps.index("introspect.py introspect")


def test_ansible_builder_finds_what_the_collection_needs(tmp_path: Path) -> None:
    collection = tmp_path / "ansible_collections" / "guarded" / "fabric"
    (collection / "meta").mkdir(parents=True)
    for name in ("galaxy.yml", "meta/execution-environment.yml", "meta/ee-requirements.txt", "meta/ee-bindep.txt"):
        shutil.copy(ROOT / name, collection / name)
    found = yaml.safe_load(builder("introspect", str(tmp_path)).split("---", 1)[1])
    python = " ".join(found["python"])
    system = " ".join(found["system"])
    assert [name for name in ("pywinrm", "pypsrp", "cryptography", "jmespath", "lxml") if name not in python] == []
    assert [name for name in ("git", "openssh", "krb5") if name not in system] == []
