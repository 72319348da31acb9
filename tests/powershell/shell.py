# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds PowerShell 7 and runs module files in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ROOT: Final = Path(__file__).resolve().parents[2]
INVOKE_CMDLETS: Final = ROOT / "plugins" / "modules" / "invoke_cmdlets.ps1"
MISSING: Final = "PowerShell 7 is needed: set PWSH to its path, or have pwsh on PATH"

LanguageMode = Literal["FullLanguage", "ConstrainedLanguage"]


def find_pwsh() -> Path | None:
    """Return the path of PowerShell 7, or None: $PWSH, then PATH, then a folder of tools beside the clone."""
    named = os.environ.get("PWSH") or shutil.which("pwsh")
    beside = ROOT.parent / "shared" / "tools" / "pwsh" / "pwsh"
    if named:
        return Path(named)
    return beside if beside.exists() else None


@dataclass(frozen=True)
class Run:
    """What a module file left: its standard output, the errors it did not catch, and $LASTEXITCODE."""

    stdout: str
    stderr: tuple[str, ...]
    rc: int | None


class Shell:
    """A PowerShell process that runs one module file after another, each in a runspace of its own."""

    def __init__(self, pwsh: Path, temporary: Path, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [pwsh, "-NoProfile", "-NonInteractive", "-File", Path(__file__).with_name("host.ps1")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), **(environment or {})},
        )

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.communicate()

    def run(
        self,
        arguments: Mapping[str, object],
        *,
        script: Path = INVOKE_CMDLETS,
        language_mode: LanguageMode = "FullLanguage",
        modules: Sequence[Path] = (),
    ) -> Run:
        """Run a module file with these arguments."""
        assert self._process.stdin
        assert self._process.stdout
        request = {
            "script": str(script),
            "arguments": arguments,
            "language_mode": language_mode,
            "modules": [str(path) for path in modules],
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"PowerShell ended with {self._process.wait()}")
        answer = json.loads(line)
        return Run(answer["stdout"], tuple(answer["stderr"]), answer["rc"])

    def invoke(
        self,
        calls: Sequence[Mapping[str, object]],
        *,
        language_mode: LanguageMode = "FullLanguage",
        modules: Sequence[Path] = (),
        check_mode: bool = False,
    ) -> dict[str, Any]:
        """Run calls through invoke_cmdlets.ps1 and return its answer."""
        run = self.run(
            {"calls": calls, "_ansible_check_mode": check_mode}, language_mode=language_mode, modules=modules
        )
        if run.stderr:
            raise RuntimeError("; ".join(run.stderr))
        answer: dict[str, Any] = json.loads(run.stdout)
        return answer
