# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exchange directory as a git repository: fetched before a job, published after it.

Where a job's disk is thrown away, files go from one trust domain to another by a repository. Two jobs may publish at
once: what they changed is joined where it is not the same files, and refused where it is. Nothing is ever overwritten.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .exchange import LOCK, SIDECAR_SUFFIX
from .problems import FabricError, Kind, Owner, Problem

UNREACHABLE = Kind(
    "GF-GIT-001",
    Owner.CONTROLLER,
    "does not answer git as it should",
    "check the URL, the deploy key, whether it may write, and the host keys of the server",
)
CONFLICT = Kind(
    "GF-GIT-002",
    Owner.CONTROLLER,
    "was changed meanwhile in the same files by somebody else, so that nothing was published",
    "run the job again: it begins with what they published, and makes its own files anew",
)
LOST_RACES = Kind(
    "GF-GIT-003",
    Owner.CONTROLLER,
    "was changed by others each time that this was to be published",
    "run the job again when fewer run at once",
)
NOT_PULLED = Kind(
    "GF-GIT-004",
    Owner.CONTROLLER,
    "is no clone of the exchange repository",
    "run the playbook exchange_pull before; give it an empty or missing directory",
)
ATTEMPTS = 5
_SECONDS = 300
_AUTHOR = ("-c", "user.name=guarded.fabric", "-c", "user.email=guarded.fabric@localhost.invalid")


@dataclass(frozen=True)
class Clone:
    """A clone of `branch` of a repository, in `path`."""

    path: Path
    repository: str
    branch: str

    def pull(self) -> bool:
        """Make it what the repository has; return whether that changed it. Raises FabricError."""
        if not (self.path / ".git").is_dir():
            return self._begin()
        self._require_same()
        before = self._head()
        if self._fetch():
            # Not reset: what a job before has left unpublished is not to be lost.
            self._rebase()
        return self._head() != before

    def push(self, message: str) -> bool:
        """Publish what changed; return whether anything did. Raises FabricError."""
        if not (self.path / ".git").is_dir():
            raise FabricError(Problem(NOT_PULLED, str(self.path)))
        self._require_same()
        self._git("add", "--all")
        if self._fails("diff", "--cached", "--quiet"):
            self._git(*_AUTHOR, "commit", "--quiet", "--message", message)
        for _attempt in range(ATTEMPTS):
            there = self._fetch()
            if there:
                self._rebase()
            if self._head() == (self._commit("FETCH_HEAD") if there else ""):
                return False
            if not self._fails("push", "--quiet", self.repository, f"HEAD:refs/heads/{self.branch}"):
                return True
            if not self._moved(there):
                raise FabricError(Problem(UNREACHABLE, self.repository, "it takes no push"))
        raise FabricError(Problem(LOST_RACES, self.repository))

    def changes(self) -> bool:
        """Whether there is something to publish."""
        if not (self.path / ".git").is_dir():
            raise FabricError(Problem(NOT_PULLED, str(self.path)))
        return bool(self._git("status", "--porcelain")) or (
            bool(self._head()) and (not self._fetch() or self._head() != self._commit("FETCH_HEAD"))
        )

    def _begin(self) -> bool:
        if self.path.is_dir() and any(self.path.iterdir()):
            raise FabricError(Problem(NOT_PULLED, str(self.path)))
        self.path.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--initial-branch", self.branch)
        self._git("remote", "add", "origin", self.repository)
        # The files that writers lock hold nothing.
        (self.path / ".git" / "info" / "exclude").write_text(f"{LOCK}\n", encoding="utf-8")
        if self._fetch():
            self._git("reset", "--quiet", "--hard", "FETCH_HEAD")
        return True

    def _require_same(self) -> None:
        if self._git("remote", "get-url", "origin").strip() != self.repository:
            raise FabricError(Problem(NOT_PULLED, str(self.path), "it is one of another repository"))

    def _fetch(self) -> bool:
        """Fetch the branch; return whether there is one, as a new repository has none."""
        listed = self._git("ls-remote", self.repository, f"refs/heads/{self.branch}")
        if not listed.strip():
            return False
        self._git("fetch", "--quiet", self.repository, f"refs/heads/{self.branch}")
        return True

    def _rebase(self) -> None:
        if not self._head():
            self._git("reset", "--quiet", "--hard", "FETCH_HEAD")
            return
        # A file that both wrote is never joined line by line: half of each would be an artifact that nobody made.
        ours, theirs = self._files("FETCH_HEAD...HEAD"), self._files("HEAD...FETCH_HEAD")
        same = sorted(ours & theirs)
        if same or self._fails(*_AUTHOR, "rebase", "--quiet", "--autostash", "FETCH_HEAD"):
            self._fails("rebase", "--abort")
            raise FabricError(Problem(CONFLICT, self.repository, ", ".join(same)))

    def _files(self, between: str) -> set[str]:
        if self._fails("merge-base", "HEAD", "FETCH_HEAD"):
            return set()
        # An artifact and its sidecar belong together, so that either stands for both.
        return {name.removesuffix(SIDECAR_SUFFIX) for name in self._git("diff", "--name-only", between).splitlines()}

    def _moved(self, was_there: bool) -> bool:  # noqa: FBT001 - what _fetch said
        before = self._commit("FETCH_HEAD") if was_there else ""
        return (self._commit("FETCH_HEAD") if self._fetch() else "") != before

    def _head(self) -> str:
        return "" if self._fails("rev-parse", "--verify", "--quiet", "HEAD") else self._commit("HEAD")

    def _commit(self, name: str) -> str:
        return self._git("rev-parse", name).strip()

    def _git(self, *arguments: str) -> str:
        done = self._run(arguments)
        if done.returncode:
            raise FabricError(Problem(UNREACHABLE, self.repository, done.stderr.strip()))
        return done.stdout

    def _fails(self, *arguments: str) -> bool:
        return self._run(arguments).returncode != 0

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(self.path), *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FabricError(Problem(UNREACHABLE, self.repository, str(error))) from error
