# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that read and compare what attestation and shielding go by: boot logs, policies, certificates, protectors."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ansible.errors import AnsibleFilterError
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence import evidence
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import as_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence.evidence import Evidence

Source: TypeAlias = "str | Mapping[str, Any]"
_MAXIMUM_SIZE = 64 * 1024 * 1024


def evidence_facts(source: Source) -> dict[str, object]:
    """Return what evidence says."""
    return evidence.facts(_read(source))


def evidence_problems(source: Source, machine: str = "") -> list[dict[str, object]]:
    """Return what speaks against using evidence, as findings."""
    return [as_data(finding) for finding in evidence.problems(_read(source), machine)]


def evidence_differences(source: Source, other: Source, machine: str = "") -> list[dict[str, object]]:
    """Return as findings how evidence differs from other evidence of its kind, which came before it."""
    try:
        found = evidence.differences(_read(other), _read(source), machine)
    except FormatError as error:
        raise AnsibleFilterError(f"cannot compare {_named(other)} and {_named(source)}: {error}") from error
    return [as_data(finding) for finding in found]


def _read(source: Source) -> Evidence:
    try:
        return evidence.read(_content(source))
    except FormatError as error:
        raise AnsibleFilterError(f"{_named(source)}: {error}") from error


def _content(source: object) -> bytes:
    """Return the bytes of what is given: a path on the controller, or a result of ansible.builtin.slurp."""
    if isinstance(source, Mapping):
        return _decoded(source)
    if not isinstance(source, str):
        raise AnsibleFilterError("a path or a result of ansible.builtin.slurp is needed")
    try:
        path = Path(source).expanduser()
        if path.stat().st_size > _MAXIMUM_SIZE:
            raise AnsibleFilterError(f"{source} is larger than {_MAXIMUM_SIZE} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise AnsibleFilterError(f"cannot read {source}: {error}") from error


def _decoded(slurped: Mapping[str, Any]) -> bytes:
    content = slurped.get("content")
    if not isinstance(content, str) or slurped.get("encoding", "base64") != "base64":
        raise AnsibleFilterError("a result of ansible.builtin.slurp is needed: `content`, in base64")
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:  # binascii.Error is one, and a text beyond ASCII is another
        raise AnsibleFilterError(f"content is not base64: {error}") from error


def _named(source: Source) -> str:
    return source if isinstance(source, str) else str(source.get("source", "the content"))


class FilterModule:
    """The collection's filters of evidence."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return them by name."""
        return {
            "evidence_facts": evidence_facts,
            "evidence_problems": evidence_problems,
            "evidence_differences": evidence_differences,
        }
