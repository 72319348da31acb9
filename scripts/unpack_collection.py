# SPDX-License-Identifier: GPL-3.0-or-later
"""Take collections out of PyPI's `ansible` package.

`unpack_collection.py .build/ansible_collections ansible.windows awx.awx` puts them there, at the versions that the
pinned `ansible` release carries.

Why not `ansible-galaxy collection install`: a clone must set itself up where only PyPI is reachable.
Why not `pip install ansible`: it unpacks a hundred collections, half a gigabyte, for the three megabytes needed.
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


def main(collections: Path, names: list[str]) -> None:
    """Bring collections ("namespace.name") into `collections` but those that are there from the pinned release."""
    missing = [name for name in names if installed_from(collections / place(name)) != ANSIBLE_RELEASE]
    if not missing:
        return
    # Beside its final place: a rename then makes it appear whole or not at all.
    with tempfile.TemporaryDirectory(dir=collections.parent) as scratch:
        wheel = download(ANSIBLE_RELEASE, Path(scratch))
        for name in missing:
            unpack(wheel, f"ansible_collections/{place(name).as_posix()}/", Path(scratch))
            bring(Path(scratch) / "ansible_collections" / place(name), collections / place(name))
            print(f"setup: {name} {version(collections / place(name))} from PyPI's ansible {ANSIBLE_RELEASE}")


def place(name: str) -> Path:
    """Return where a collection lies below a directory of collections."""
    return Path(*name.split("."))


def bring(unpacked: Path, target: Path) -> None:
    """Move what was unpacked to its place."""
    (unpacked / ".unpacked-from").write_text(f"{ANSIBLE_RELEASE}\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    unpacked.rename(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
