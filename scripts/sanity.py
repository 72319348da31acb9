# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests of `ansible-test sanity` that need neither containers nor Windows, on the files that git knows.

ansible-test wants the tree as a real directory ansible_collections/guarded/fabric in a git repository, and downloads a
script that brings pip into its own environments: a copy below .build gives it the one, `seed_pip` the other.
"""

from __future__ import annotations

import os
import subprocess
import sys

from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, copy_to

HOME = ROOT / ".build" / "sanity"
TREE = HOME / "ansible_collections" / "guarded" / "fabric"
# Not among them: validate-modules and pslint need a PowerShell on PATH, shellcheck a shellcheck; pylint takes longer
# than all of these and finds what ruff and mypy find; yamllint runs by itself, with this project's own settings.
TESTS = (
    "action-plugin-docs",
    "ansible-doc",
    "changelog",
    "compile",
    "empty-init",
    "ignores",
    "import",
    "line-endings",
    "no-assert",
    "no-get-exception",
    "no-illegal-filenames",
    "no-smart-quotes",
    "pep8",
    "replace-urlopen",
    "runtime-metadata",
    "shebang",
    "symlinks",
    "use-argspec-type-path",
    "use-compat-six",
)


def seed_pip() -> None:
    """Give ansible-test's pip bootstrap the pip that Python carries, under the file name it looks for."""
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "get_pip_24_2.py").write_text("import ensurepip\n\nensurepip.bootstrap()\n", encoding="utf-8")


def main() -> int:
    """Return ansible-test's exit status."""
    copy_to(TREE)
    subprocess.run(["git", "init", "--quiet", str(TREE)], check=True)
    subprocess.run(["git", "-C", str(TREE), "add", "--all"], check=True)
    seed_pip()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    chosen = [argument for test in TESTS for argument in ("--test", test)]
    command = ["ansible-test", "sanity", "--local", "--python", python, *chosen]
    return subprocess.run(command, cwd=TREE, env={**os.environ, "HOME": str(HOME)}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
