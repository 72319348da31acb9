# SPDX-License-Identifier: GPL-3.0-or-later
"""A PowerShell 7 process for the tests, or a word that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import contracts
from ansible_collections.guarded.fabric.tests.powershell.generate_stubs import write_module
from ansible_collections.guarded.fabric.tests.powershell.shell import MISSING, LanguageMode, Shell, find_pwsh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Those of Windows PowerShell itself are not among them: their stubs would stand in for what PowerShell 7 really has.
STUBBED = (
    "ADDSDeployment",
    "BitLocker",
    "ConfigCI",
    "FailoverClusters",
    "HgsAttestation",
    "HgsClient",
    "HgsDiagnostics",
    "HgsKeyProtection",
    "HgsServer",
    "Hyper-V",
    "PlatformIdentifier",
    "SecureBoot",
    "ServerManager",
    "TrustedPlatformModule",
)


@pytest.fixture(scope="session")
def pwsh() -> Path:
    """Path of PowerShell 7."""
    found = find_pwsh()
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.fixture(scope="session")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that PowerShell takes for the system's temporary one."""
    return tmp_path_factory.mktemp("temp")


@pytest.fixture(scope="session")
def shell(pwsh: Path, temporary: Path) -> Iterator[Shell]:
    """PowerShell 7, running."""
    with Shell(pwsh, temporary) as running:
        yield running


@pytest.fixture(params=["FullLanguage", "ConstrainedLanguage"])
def language_mode(request: pytest.FixtureRequest) -> LanguageMode:
    """Each language mode in turn."""
    return cast("LanguageMode", request.param)


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Modules with the published syntax of Windows Server 2022."""
    folder = tmp_path_factory.mktemp("stubs")
    known = list(contracts("2022"))
    return [write_module(folder, module, [item for item in known if item.module == module]) for module in STUBBED]
