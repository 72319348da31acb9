# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of parameters as they arrive: references, secrets, bytes and files become what a cmdlet is given."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .cmdlets.registry import CmdletError, Credential, SecureString
from .output_values import MISSING, part
from .world import file_times, files
from .world.model import Machine

_SUFFIX: Final = re.compile(r"(\.[A-Za-z0-9]{1,16})?")


class InvalidCallError(CmdletError):
    """The call itself is wrong; this is never an acceptable answer."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            "InvalidCall,Stop-Call",
            "InvalidArgument",
            "Microsoft.PowerShell.Commands.WriteErrorException",
        )


@dataclass
class Batch:
    """Results of the calls so far by id, and the temporary files made for them."""

    machine: Machine
    now: datetime
    results: dict[str, object] = field(default_factory=dict)
    temporary: list[str] = field(default_factory=list)
    folder: str = field(default_factory=lambda: rf"C:\Windows\Temp\guarded-fabric-{uuid.uuid4()}")

    def value(self, given: object) -> object:
        """Return what a cmdlet is given for a value of a call. Raises InvalidCallError."""
        if isinstance(given, Mapping):
            return self._mapping(given)
        if isinstance(given, list):
            return [self.value(item) for item in given]
        return given

    def _mapping(self, given: Mapping[str, object]) -> object:
        if len(given) == 1:
            ((tag, content),) = given.items()
            match tag:
                case "$ref":
                    return self._reference(str(content))
                case "$secret":
                    return SecureString(str(content))
                case "$credential" if isinstance(content, Mapping):
                    return Credential(str(content.get("username", "")), SecureString(str(content.get("password", ""))))
                case "$bytes":
                    return _bytes(content)
                case "$file" if isinstance(content, Mapping):
                    return self._file(_bytes(content.get("content")), str(content.get("suffix") or ""))
        return {name: self.value(item) for name, item in given.items()}

    def _reference(self, reference: str) -> object:
        name, *path = reference.split(".")
        if name not in self.results:
            raise InvalidCallError(f"no earlier call has the id '{name}'")
        found = part(self.results[name], path)
        if found is MISSING:
            raise InvalidCallError(f"the result of an earlier call has no '{reference}'")
        return found

    def _file(self, content: bytes, suffix: str) -> str:
        if not _SUFFIX.fullmatch(suffix):
            raise InvalidCallError(f"'{suffix}' is no file name suffix")
        path = rf"{self.folder}\{uuid.uuid4()}{suffix}"
        files.write(self.machine, path, content)
        file_times.stamp(self.machine, path, self.now)
        self.temporary.append(path)
        return path

    def close(self) -> None:
        """Remove the temporary files."""
        for path in self.temporary:
            self.machine.files.pop(files.key(path), None)
            self.machine.file_times.pop(files.key(path), None)
        self.temporary.clear()


def _bytes(content: object) -> bytes:
    try:
        return base64.b64decode(str(content), validate=True)
    except ValueError as error:
        raise InvalidCallError("bytes are not base64 text") from error
