# SPDX-License-Identifier: GPL-3.0-or-later
"""The item cmdlets of Microsoft.PowerShell.Management, for files, the registry and certificate stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import certificate_stores, file_times, registry_values

from . import item_paths
from .certificate_object import certificate_object
from .item_paths import CertificatePath, FilePath, ItemPath, RegistryPath
from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound, Session

MODULE: Final = "Microsoft.PowerShell.Management"


@cmdlet(MODULE, "Test-Path")
def test_path(session: Session, p: Bound) -> object:
    """Say for each path whether there is something."""
    wanted = p.text("PathType", "Any")
    return [_is_there(session.machine, item_paths.parse(path), wanted) for path in item_paths.given(p)]


def _is_there(machine: Machine, path: ItemPath, wanted: str) -> bool:
    if isinstance(path, FilePath):
        is_file, is_folder = item_paths.is_file(machine, path), item_paths.is_folder(machine, path)
        return {"Leaf": is_file, "Container": is_folder}.get(wanted, is_file or is_folder)
    leaf = isinstance(path, CertificatePath) and bool(path.thumbprint)
    return _exists(machine, path) and wanted in {"Any", "Leaf" if leaf else "Container"}


def _exists(machine: Machine, path: ItemPath) -> bool:
    match path:
        case FilePath():
            return item_paths.is_file(machine, path) or item_paths.is_folder(machine, path)
        case RegistryPath():
            return registry_values.values(machine, path.key) is not None
        case CertificatePath(store, thumbprint):
            if thumbprint:
                return certificate_stores.find(machine, store, thumbprint) is not None
            return certificate_stores.exists(machine, store)


@cmdlet(MODULE, "Get-Item")
def get_item(session: Session, p: Bound) -> object:
    """Return the item at each path."""
    return [_item(session.machine, path, "GetItemCommand") for path in _existing(session, p, "GetItemCommand")]


@cmdlet(MODULE, "Get-ChildItem")
def get_child_item(session: Session, p: Bound) -> object:
    """Return what is in a folder, a registry key or a certificate store."""
    if p.flag("Recurse") or "Depth" in p:
        raise NotEmulatedError("the lab does not emulate Get-ChildItem -Recurse")
    return [
        child for path in _existing(session, p, "GetChildItemCommand") for child in _children(session.machine, path)
    ]


def _children(machine: Machine, path: ItemPath) -> list[PSObject]:
    match path:
        case CertificatePath(store, ""):
            return [certificate_object(item) for item in machine.stores.get(store, [])]
        case FilePath() if item_paths.is_folder(machine, path):
            below = path.key + "\\"
            names = {
                key.removeprefix(below).partition("\\")[0]
                for key in (*machine.files, *machine.disks)
                if key.startswith(below)
            }
            return [
                _item(machine, FilePath(below + name, below + name), "GetChildItemCommand") for name in sorted(names)
            ]
        case RegistryPath(key):
            below = key + "\\"
            names = {
                known.removeprefix(below).partition("\\")[0] for known in machine.registry if known.startswith(below)
            }
            return [
                _item(machine, RegistryPath(below + name, below + name), "GetChildItemCommand")
                for name in sorted(names)
            ]
        case _:
            return [_item(machine, path, "GetChildItemCommand")]


def _existing(session: Session, p: Bound, command: str) -> list[ItemPath]:
    paths = [item_paths.parse(path) for path in item_paths.given(p)]
    for path in paths:
        if not _exists(session.machine, path):
            raise item_paths.not_found(path, command)
    return paths


def _item(machine: Machine, path: ItemPath, command: str) -> PSObject:
    match path:
        case FilePath():
            folder = not item_paths.is_file(machine, path)
            properties: dict[str, object] = {
                "Name": path.name,
                "FullName": path.text,
                "DirectoryName": path.text.rpartition("\\")[0],
                "Extension": "." + path.name.rpartition(".")[2] if "." in path.name else "",
                "PSIsContainer": folder,
                "Exists": True,
            }
            if folder:
                return PSObject("System.IO.DirectoryInfo", properties)
            written = file_times.written(machine, path.key)
            length = len(item_paths.content(machine, path))
            return PSObject("System.IO.FileInfo", {**properties, "Length": length, "LastWriteTime": written})
        case RegistryPath():
            name = path.text.rpartition("\\")[2]
            return PSObject("Microsoft.Win32.RegistryKey", {"Name": path.text, "PSChildName": name})
        case CertificatePath(store, thumbprint):
            found = certificate_stores.find(machine, store, thumbprint)
            if found is not None:
                return certificate_object(found)
            if thumbprint:
                raise item_paths.not_found(path, command)
            name = store.rpartition("\\")[2]
            return PSObject("System.Security.Cryptography.X509Certificates.X509Store", {"Name": name})


@cmdlet(MODULE, "Get-ItemProperty")
def get_item_property(session: Session, p: Bound) -> object:
    """Return the values of a registry key, or what Get-Item returns of a file."""
    wanted = p.texts("Name")
    return [_properties(session.machine, path, wanted) for path in _existing(session, p, "GetItemPropertyCommand")]


def _properties(machine: Machine, path: ItemPath, wanted: list[str]) -> PSObject:
    if not isinstance(path, RegistryPath):
        return _item(machine, path, "GetItemPropertyCommand")
    values = registry_values.values(machine, path.key) or {}
    known = {name.lower(): name for name in values}
    for name in wanted:
        if name.lower() not in known and name != "*":
            raise CmdletError(
                f"Property {name} does not exist at path {path.text}.",
                "System.Management.Automation.PSArgumentException,Microsoft.PowerShell.Commands.GetItemPropertyCommand",
                "InvalidArgument",
                "System.Management.Automation.PSArgumentException",
            )
    names = [known[name.lower()] for name in wanted if name != "*"] if wanted and "*" not in wanted else list(values)
    return PSObject("System.Management.Automation.PSCustomObject", {name: values[name] for name in names})


@cmdlet(MODULE, "Set-ItemProperty")
def set_item_property(session: Session, p: Bound) -> object:
    """Set a value of a registry key that is there."""
    if "Name" not in p:
        raise NotEmulatedError("the lab emulates Set-ItemProperty -Name -Value only")
    for path in _existing(session, p, "SetItemPropertyCommand"):
        registry_values.write(session.machine, _registry(path).key, p.text("Name"), p.get("Value"))
    return None


@cmdlet(MODULE, "New-ItemProperty")
def new_item_property(session: Session, p: Bound) -> object:
    """Add a value to a registry key; with -Force it may be there already."""
    for path in _existing(session, p, "NewItemPropertyCommand"):
        values = registry_values.values(session.machine, _registry(path).key) or {}
        if not p.flag("Force") and p.text("Name").lower() in {name.lower() for name in values}:
            raise CmdletError(
                "The property already exists.",
                "System.IO.IOException,Microsoft.PowerShell.Commands.NewItemPropertyCommand",
                "WriteError",
                "System.IO.IOException",
            )
        registry_values.write(session.machine, _registry(path).key, p.text("Name"), p.get("Value"))
    return None


def _registry(path: ItemPath) -> RegistryPath:
    if isinstance(path, RegistryPath):
        return path
    raise NotEmulatedError(f"the lab has properties that can be set in the registry only, not of {path.text}")


@cmdlet(MODULE, "New-Item")
def new_item(session: Session, p: Bound) -> object:
    """Make a file, a folder or a registry key."""
    if "Name" in p:
        raise NotEmulatedError("the lab emulates New-Item -Path only")
    return [_make(session.machine, item_paths.parse(path), p) for path in p.texts("Path")]


def _make(machine: Machine, path: ItemPath, p: Bound) -> PSObject:
    if _exists(machine, path) and not p.flag("Force"):
        raise CmdletError(
            f"An item with the specified name {path.text} already exists.",
            "NewItemIOError,Microsoft.PowerShell.Commands.NewItemCommand",
            "WriteError",
            "System.IO.IOException",
        )
    match path:
        case FilePath() if p.text("ItemType").lower() in {"directory", "container"}:
            machine.folders.add(path.key)
        case FilePath():
            _check_parent(machine, path, "NewItemCommand")
            machine.files[path.key] = p.text("Value").encode()
        case RegistryPath():
            registry_values.create(machine, path.key)
        case CertificatePath():
            raise NotEmulatedError("the lab makes no certificate stores")
    return _item(machine, path, "NewItemCommand")


def _check_parent(machine: Machine, path: FilePath, command: str) -> None:
    if not item_paths.is_folder(machine, FilePath(path.parent, path.parent)):
        raise CmdletError(
            f"Could not find a part of the path '{path.text}'.",
            f"System.IO.DirectoryNotFoundException,Microsoft.PowerShell.Commands.{command}",
            "NotSpecified",
            "System.IO.DirectoryNotFoundException",
        )


@cmdlet(MODULE, "Remove-Item")
def remove_item(session: Session, p: Bound) -> object:
    """Remove what is at each path; a folder with all that is in it, which Windows would ask about, needs -Recurse."""
    for path in _existing(session, p, "RemoveItemCommand"):
        _remove(session.machine, path, recurse=p.flag("Recurse"))
    return None


def _remove(machine: Machine, path: ItemPath, *, recurse: bool) -> None:
    match path:
        case CertificatePath(store, thumbprint):
            found = certificate_stores.find(machine, store, thumbprint)
            if found is None:
                raise NotEmulatedError("the lab removes certificates, not their stores")
            certificate_stores.remove(machine, store, found)
        case RegistryPath(key):
            registry_values.remove(machine, key)
        case FilePath(key):
            below = [name for name in machine.files if name.startswith(key + "\\")]
            if below and not recurse:
                raise NotEmulatedError(f"{path.text} is not empty: Windows would ask, and nobody is there to answer")
            for name in (key, *below):
                machine.files.pop(name, None)
            machine.disks.pop(key, None)
            machine.folders.discard(key)


@cmdlet(MODULE, "Copy-Item")
def copy_item(session: Session, p: Bound) -> object:
    """Copy a file to another path, or into a folder."""
    if p.flag("Recurse") or "ToSession" in p or "FromSession" in p:
        raise NotEmulatedError("the lab copies single files on one computer only")
    machine = session.machine
    target = item_paths.parse(p.text("Destination"))
    for path in _existing(session, p, "CopyItemCommand"):
        if not isinstance(path, FilePath) or not isinstance(target, FilePath) or not item_paths.is_file(machine, path):
            raise NotEmulatedError(f"the lab copies files only: {path.text}")
        into = FilePath(f"{target.key}\\{path.name.lower()}", f"{target.text}\\{path.name}")
        final = into if item_paths.is_folder(machine, target) else target
        _check_parent(machine, final, "CopyItemCommand")
        machine.files[final.key] = item_paths.content(machine, path)
        # A copy is as old as its source.
        file_times.stamp(machine, final.key, file_times.written(machine, path.key))
    return None


@cmdlet(MODULE, "Get-Content")
def get_content(session: Session, p: Bound) -> object:
    """Return a file's content: bytes with -Encoding Byte, else text, in lines or with -Raw as one."""
    result: list[object] = []
    for path in _existing(session, p, "GetContentCommand"):
        if not isinstance(path, FilePath) or not item_paths.is_file(session.machine, path):
            raise item_paths.not_found(path, "GetContentCommand")
        data = item_paths.content(session.machine, path)
        if p.text("Encoding").lower() == "byte":
            result.append(data)
        else:
            text = data.decode("utf-8-sig", errors="replace")
            result.extend([text] if p.flag("Raw") else text.splitlines())
    return result


@cmdlet(MODULE, "Set-Content")
def set_content(session: Session, p: Bound) -> object:
    """Write bytes or lines of text to a file."""
    value = p.get("Value")
    items = value if isinstance(value, list) else [value]
    for text in item_paths.given(p):
        path = item_paths.parse(text)
        if not isinstance(path, FilePath):
            raise NotEmulatedError("the lab writes content to files only")
        _check_parent(session.machine, path, "SetContentCommand")
        session.machine.files[path.key] = b"".join(_encoded(item) for item in items)
        file_times.stamp(session.machine, path.key, session.clock.now())
    return None


def _encoded(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    return bytes([item]) if isinstance(item, int) else f"{item}\r\n".encode()
