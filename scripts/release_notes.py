# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the release notes of the version in galaxy.yml: its fragments, and the plugins added in it.

antsibull-changelog copies the folder it works in, to ask ansible-doc about it, and so it is given one without
environments and running labs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, copy_to

TREE = ROOT / ".build" / "release-notes" / "ansible_collections" / "guarded" / "fabric"
WRITTEN = ("CHANGELOG.rst", "changelogs/changelog.yaml")


def main() -> int:
    """Return the exit status of antsibull-changelog."""
    copy_to(TREE)
    tools = Path(sys.executable).parent
    status = subprocess.run(
        ["antsibull-changelog", "release", "--update-existing", "--reload-plugins"],
        cwd=TREE,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        check=False,
    ).returncode
    if status == 0:
        for name in WRITTEN:
            shutil.copy2(TREE / name, ROOT / name)
        for fragment in (ROOT / "changelogs" / "fragments").glob("*.yml"):
            fragment.unlink()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
