# SPDX-License-Identifier: GPL-3.0-or-later
"""Take one collection out of PyPI's `ansible` package.

`unpack_collection.py ansible.windows .build/ansible_collections` puts the collection there, at the version that the
pinned `ansible` release carries.

Why not `ansible-galaxy collection install`: a clone must set itself up where only PyPI is reachable.
Why not `pip install ansible`: it unpacks a hundred collections, half a gigabyte, for the two megabytes needed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The `ansible` release for the ansible-core that requirements-dev.txt pins: it requires ansible-core~=2.19.5.
ANSIBLE_RELEASE = "12.3.0"


def installed_from(target: Path) -> str | None:
    """Return the `ansible` release that `target` was unpacked from, None where it was not."""
    try:
        return (target / ".unpacked-from").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def download(release: str, folder: Path) -> Path:
    """Have pip, which knows the user's index and proxies, fetch the wheel into `folder`; return its path."""
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
    fetch = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"ansible=={release}"]
    subprocess.run([*pip, *fetch], check=True)
    return next(folder.glob("ansible-*.whl"))


def unpack(wheel: Path, prefix: str, into: Path) -> None:
    """Extract what lies under `prefix` in `wheel` below `into`."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into, [name for name in archive.namelist() if name.startswith(prefix)])


def version(target: Path) -> str:
    """Return the version in the manifest of the collection at `target`."""
    manifest = json.loads((target / "MANIFEST.json").read_text(encoding="utf-8"))
    return str(manifest["collection_info"]["version"])


def main(name: str, collections: Path) -> None:
    """Bring collection `name` ("namespace.name") into `collections` unless it is there from the pinned release."""
    inside = Path(*name.split("."))
    target = collections / inside
    if installed_from(target) == ANSIBLE_RELEASE:
        return
    shutil.rmtree(target, ignore_errors=True)
    # Beside its final place: a rename then makes it appear whole or not at all.
    with tempfile.TemporaryDirectory(dir=collections.parent) as scratch:
        wheel = download(ANSIBLE_RELEASE, Path(scratch))
        unpack(wheel, f"ansible_collections/{inside.as_posix()}/", Path(scratch))
        unpacked = Path(scratch) / "ansible_collections" / inside
        (unpacked / ".unpacked-from").write_text(f"{ANSIBLE_RELEASE}\n", encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(target)
    print(f"setup: {name} {version(target)} from PyPI's ansible {ANSIBLE_RELEASE}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
