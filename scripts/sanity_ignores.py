# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/sanity/ignore-*.txt have to say: the plugins that `ansible-test sanity --test import` cannot import.

It imports every plugin in an environment without the collection's own requirements. What needs lxml or cryptography,
itself or through another plugin, cannot be imported there; nothing else is ignored.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, tracked_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = ROOT / "tests" / "sanity"
PACKAGE = "ansible_collections.guarded.fabric."
ABSENT = frozenset({"cryptography", "lxml"})
# The Pythons that each ansible-core tests controller code with.
PYTHONS = {
    "2.16": ("3.10", "3.11", "3.12"),
    "2.17": ("3.10", "3.11", "3.12"),
    "2.18": ("3.11", "3.12", "3.13"),
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.12", "3.13", "3.14"),
    "2.22": ("3.13", "3.14", "3.15"),
}


def module_name(file: Path) -> str:
    """Return the dotted name of a file of the repository, below the collection."""
    return ".".join(file.with_suffix("").parts)


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run on import: not those of functions, nor those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (statement for branch in node.orelse for statement in (branch, *statements(branch)))
        elif isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from statements(node)


def imports(file: Path) -> frozenset[str]:
    """Return the dotted names that importing `file` imports; names of the collection without its prefix."""
    package = module_name(file).split(".")[:-1]
    found: set[str] = set()
    for statement in statements(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) + 1 - statement.level] if statement.level else []
            base = ".".join([*above, *([statement.module] if statement.module else [])])
            # `from package import module` as well as `from module import thing`.
            found |= {base, *(f"{base}.{alias.name}" for alias in statement.names)}
    return frozenset(name.removeprefix(PACKAGE) for name in found)


def cannot_be_imported(needs: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return those of the modules that need what is absent, directly or through one another."""
    lost = frozenset(name for name, names in needs.items() if ABSENT & {needed.split(".")[0] for needed in names})
    while more := frozenset(name for name, names in needs.items() if names & lost) - lost:
        lost |= more
    return lost


def ignored_files() -> list[Path]:
    """Return the plugins to ignore."""
    plugins = [file for file in tracked_files() if file.parts[0] == "plugins" and file.suffix == ".py"]
    lost = cannot_be_imported({module_name(file): imports(file) for file in plugins})
    return [file for file in plugins if module_name(file) in lost]


def contents() -> dict[Path, str]:
    """Return what each ignore file has to say."""
    files = ignored_files()
    return {
        FOLDER / f"ignore-{core}.txt": "".join(
            f"{file.as_posix()} import-{python}!skip  # needs requirements.txt\n"
            for file in files
            for python in pythons
        )
        for core, pythons in PYTHONS.items()
    }
