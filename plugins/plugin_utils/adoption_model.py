# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What adopting a living fabric works with: what machines showed, and what is written of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .adoption_reading import NOT_READ
from .exchange import Artifact, ArtifactKind
from .problems import Problem

Kept = Mapping[tuple[str, str], Artifact]
"""Artifacts that lie in the exchange directory, by folder of their kind and name."""


@dataclass(frozen=True)
class Template:
    """A text that Ansible is to evaluate. Any other text is written so that it is taken as it is."""

    text: str


@dataclass(frozen=True)
class Shown:
    """A machine of the inventory, its part in the fabric, how it is reached, and what adoption_reading returned."""

    name: str
    part: str
    result: Mapping[str, Any] | None
    connection: Mapping[str, object] = field(default_factory=dict)

    @property
    def unseen_because(self) -> str:
        """Why nothing is known of it; empty where something is."""
        if self.result is None:
            return "no task ran for it"
        is_shown = isinstance(self.result.get("resources"), Mapping)
        return "" if is_shown else str(self.result.get("msg") or "it gave no reason")

    def state(self, resource: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the items that it showed of a resource; None where that is not known."""
        verdict = self._part("resources").get(resource)
        if verdict is None or verdict["unknown"]:
            return None
        before: Sequence[Mapping[str, Any]] = verdict["before"]
        return before

    def single(self, resource: str) -> Mapping[str, Any]:
        """Return the only item of a resource; an empty one where it is not known."""
        return next(iter(self.state(resource) or ()), {})

    def unknown(self) -> list[Problem]:
        """Return what of it could not be read."""
        return [
            *(
                Problem(NOT_READ, f"{name} of {self.name}", f"{why['what']}: {why['detail']}".removesuffix(": "))
                for name, verdict in self._part("resources").items()
                for why in verdict["unknown"]
            ),
            *(
                Problem(NOT_READ, str(item["thing"]), str(item["detail"]))
                for item in (self.result or {}).get("unread", ())
            ),
        ]

    def artifact(self, name: str) -> bytes | None:
        """Return an artifact that it gave."""
        text = self._part("artifacts").get(name)
        return None if text is None else base64.b64decode(text)

    def protector(self, machine: str) -> bytes | None:
        """Return the key protector of one of its virtual machines."""
        text = self._part("protectors").get(machine)
        return None if text is None else base64.b64decode(text)

    def vendors(self, store: str) -> list[bytes]:
        """Return the certificates of TPM vendors in a store."""
        return [base64.b64decode(text) for text in self._part("vendors").get(store, ())]

    def _part(self, name: str) -> Mapping[str, Any]:
        part = (self.result or {}).get(name)
        return part if isinstance(part, Mapping) else {}


@dataclass(frozen=True)
class Found:
    """An artifact to file, `trusted` where the fabric relies on it already and somebody may approve it as such."""

    kind: ArtifactKind
    name: str
    content: bytes = field(repr=False)
    source: str
    trusted: bool = False


@dataclass(frozen=True)
class Adopted:
    """One part of a fabric: variables by machine, artifacts, what is left to say, and why machines were left out."""

    variables: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    artifacts: tuple[Found, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def is_template(text: str) -> bool:
    """Whether Ansible would evaluate a text."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def names_in(kept: Kept, kind: ArtifactKind) -> set[str]:
    """Return the names of the artifacts of a kind."""
    return {name for folder, name in kept if folder == kind.folder}


def print_of(kind: ArtifactKind, content: bytes | None) -> str:
    """Return the fingerprint of an artifact; empty where there is none, or one that is not of its kind."""
    try:
        return "" if content is None else kind.fingerprint(content)
    except ValueError:
        return ""
