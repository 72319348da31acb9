# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of PowerShell's providers: files, the registry, certificate stores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import files, shipped_files

from .registry import CmdletError, NotEmulatedError

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound

_HIVES: Final = {"hkey_local_machine": "hklm", "hkey_current_user": "hkcu"}
_PROVIDER: Final = re.compile(
    r"(?:microsoft\.powershell\.(?:core|security)\\)?(filesystem|registry|certificate)::", re.IGNORECASE
)
_THUMBPRINT: Final = re.compile(r"[0-9a-f]{40}")
_FOLDERS: Final = frozenset(
    {
        "c:",
        r"c:\program files",
        r"c:\programdata",
        r"c:\users",
        r"c:\users\administrator",
        r"c:\users\administrator\appdata\local\temp",
        r"c:\windows",
        r"c:\windows\schemas\codeintegrity\examplepolicies",
        r"c:\windows\system32",
        r"c:\windows\system32\codeintegrity",
        r"c:\windows\temp",
    }
)
"""Folders that every Windows has."""


@dataclass(frozen=True)
class FilePath:
    """A file or folder. `key` is written as in `Machine.files`; `text` as it was given."""

    key: str
    text: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.text.rstrip("\\").rpartition("\\")[2]

    @property
    def parent(self) -> str:
        """Key of the folder it is in."""
        return self.key.rpartition("\\")[0]


@dataclass(frozen=True)
class RegistryPath:
    """A key of the registry, written as in `Machine.registry`."""

    key: str
    text: str


@dataclass(frozen=True)
class CertificatePath:
    """A certificate store, or a certificate in it."""

    store: str
    thumbprint: str
    text: str


ItemPath = FilePath | RegistryPath | CertificatePath


def given(p: Bound) -> list[str]:
    """Return the paths a cmdlet was given, as -Path or -LiteralPath."""
    for name in ("Filter", "Include", "Exclude", "Credential", "UseTransaction", "Stream"):
        if name in p:
            raise NotEmulatedError(f"the lab does not emulate -{name} of the item cmdlets")
    paths = p.texts("LiteralPath") or p.texts("Path")
    if "LiteralPath" not in p and any(set(path) & set("*?[") for path in paths):
        raise NotEmulatedError(f"the lab does not emulate wildcards in paths: {', '.join(paths)}")
    return paths


def parse(path: str) -> ItemPath:
    """Return what a path stands for. Raises CmdletError for a drive that is not there."""
    text = _PROVIDER.sub("", path).replace("/", "\\")
    drive, _, rest = text.partition("\\")
    lower = drive.lower().rstrip(":")
    if lower in _HIVES or lower in _HIVES.values():
        hive = _HIVES.get(lower, lower)
        return RegistryPath(f"{hive}:\\{rest.lower()}".rstrip("\\"), path)
    if lower == "cert":
        parts = rest.lower().strip("\\").split("\\")
        thumbprint = parts.pop() if _THUMBPRINT.fullmatch(parts[-1]) else ""
        return CertificatePath("\\".join(parts), thumbprint, path)
    if lower == "c":
        return FilePath(text.lower().rstrip("\\"), text)
    raise CmdletError(
        f"Cannot find drive. A drive with the name '{drive.rstrip(':')}' does not exist.",
        "DriveNotFound,Microsoft.PowerShell.Commands.ItemCommand",
        "ObjectNotFound",
        "System.Management.Automation.DriveNotFoundException",
    )


def is_folder(machine: Machine, path: FilePath) -> bool:
    """Whether a path is a folder: one that Windows has, one that was made, or one with files in it."""
    below = path.key + "\\"
    known = (*_FOLDERS, *machine.folders, *machine.files, *machine.disks)
    return path.key in _FOLDERS | machine.folders or any(item.startswith(below) for item in known)


def is_file(machine: Machine, path: FilePath) -> bool:
    """Whether a path is a file; a virtual hard disk is one."""
    return any(
        path.key in found for found in (machine.files, machine.disks, _programs(machine), shipped_files.content())
    )


def content(machine: Machine, path: FilePath) -> bytes:
    """Return the content of a file; FileNotFoundError where it is none."""
    if path.key in machine.disks:
        return machine.disks[path.key].volume
    programs = _programs(machine)
    if path.key in programs:
        return programs[path.key]
    try:
        return files.read(machine, path.text)
    except files.BadPathError:
        raise FileNotFoundError(path.text) from None


def _programs(machine: Machine) -> dict[str, bytes]:
    return {path.lower(): data for path, data in machine.installed_software.items()}


def not_found(path: ItemPath, command: str) -> CmdletError:
    """Return the error for a path that is not there; `command` is the class of the cmdlet."""
    return CmdletError(
        f"Cannot find path '{path.text}' because it does not exist.",
        f"PathNotFound,Microsoft.PowerShell.Commands.{command}",
        "ObjectNotFound",
        "System.Management.Automation.ItemNotFoundException",
    )
