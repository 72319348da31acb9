# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/errors.md, the reference of every problem that a module can report, from the code that reports them."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "errors.md"
SOURCES = ROOT / "plugins" / "plugin_utils"
PACKAGE = "ansible_collections.guarded.fabric.plugins.plugin_utils"

_MAKERS = {"Kind", "FindingKind"}

_HEAD = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Written by scripts/generate_error_reference.py: change the code that reports a problem, not this file. -->
# Problems, whose they are, and what to do

A module that fails names its problems in `problems`, each with an id from below. The ids are stable: runbooks and
playbooks may refer to them. *Whose* says which trust domain can solve it; the controller is the machine that runs
Ansible.
"""


@dataclass(frozen=True)
class Area:
    """What a file of the code is about, and the kinds of problem that it defines."""

    title: str
    kinds: tuple[Kind, ...]


def areas() -> list[Area]:
    """Return every file that defines kinds of problem. Raises ValueError where two of them share an id."""
    found = [area for path in sorted(SOURCES.rglob("*.py")) if (area := _area(path)) is not None]
    ids = [kind.id for area in found for kind in area.kinds]
    repeated = {name for name in ids if ids.count(name) > 1}
    if repeated:
        message = f"given to two kinds of problem: {', '.join(sorted(repeated))}"
        raise ValueError(message)
    return sorted(found, key=lambda area: area.kinds[0].id)


def _area(path: Path) -> Area | None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ids = sorted(_defined(tree))
    if not ids:
        return None
    module = importlib.import_module(".".join((PACKAGE, *path.relative_to(SOURCES).with_suffix("").parts)))
    known = {kind.id: kind for kind in _kinds(vars(module))}
    title = (ast.get_docstring(tree) or "").splitlines()[0].rstrip(".")
    return Area(title, tuple(known[name] for name in ids))


def _defined(tree: ast.Module) -> Iterator[str]:
    """Go through the ids of the kinds that a file makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS:
            first = node.args[0]
            # Some are made of another kind, which is defined elsewhere.
            if isinstance(first, ast.Constant):
                yield str(first.value)


def _kinds(values: dict[str, object]) -> Iterator[Kind]:
    for value in values.values():
        for item in value.values() if isinstance(value, dict) else (value,):
            if isinstance(item, Kind):
                yield item


def render() -> str:
    """Return the text of the reference."""
    parts = [_HEAD]
    for area in areas():
        parts.append(f"\n## {area.title}\n\n| id | whose | problem | next step |\n| --- | --- | --- | --- |\n")
        parts.extend(
            f"| {kind.id} | {kind.owner.value} | ... {kind.title} | {kind.next_step} |\n" for kind in area.kinds
        )
    return "".join(parts)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
