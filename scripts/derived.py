# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what follows from the modules, roles and playbooks that are there: `make derived`.

A new module is then its own files and nothing else: the rows of the README's tables and the action group in
meta/runtime.yml are written from them, between a line `begin NAME` and a line `end NAME`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, tracked_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RUNNER = "invoke_cmdlets"
"""The module that the others run on a host; users do not call it, so no action group has it."""


def parsed(path: Path) -> object:
    """Return the data of a YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def field(data: object, *keys: str) -> str:
    """Return the text at `keys` in nested mappings. Raises KeyError naming the key that is missing."""
    for key in keys:
        if not isinstance(data, dict):
            raise KeyError(key)
        data = data[key]
    return str(data)


def module_files() -> list[Path]:
    """Return the modules' documentation files."""
    return [file for file in tracked_files() if file.match("plugins/modules/*.yml")]


def module_rows() -> list[tuple[str, str, str]]:
    """Return name, file and description of each module."""
    return [
        (file.stem, file.as_posix(), field(parsed(file), "DOCUMENTATION", "short_description"))
        for file in module_files()
    ]


def filter_rows() -> list[tuple[str, str, str]]:
    """Return name, file and description of each filter."""
    return [
        (file.stem, file.as_posix(), field(parsed(file), "DOCUMENTATION", "short_description"))
        for file in tracked_files()
        if file.match("plugins/filter/*.yml")
    ]


def role_rows() -> list[tuple[str, str, str]]:
    """Return name, file and description of each role."""
    specs = [file for file in tracked_files() if file.match("roles/*/meta/argument_specs.yml")]
    return [
        (
            file.parts[1],
            f"roles/{file.parts[1]}/README.md",
            field(parsed(file), "argument_specs", "main", "short_description"),
        )
        for file in specs
    ]


def playbook_rows() -> list[tuple[str, str, str]]:
    """Return name, file and description of each playbook."""
    return [
        (file.stem, file.as_posix(), playbook_description((ROOT / file).read_text(encoding="utf-8")))
        for file in tracked_files()
        if file.match("playbooks/*.yml") and len(file.parts) == len(("playbooks", "name.yml"))
    ]


def playbook_description(text: str) -> str:
    """Return the first sentence of a playbook's comment below the licence, or else the name of its first play."""
    said = re.match(r"(?:---\n)?# SPDX[^\n]*\n((?:#[^\n]*\n)*)", text)
    words = " ".join(line.lstrip("# ") for line in said[1].splitlines()).strip() if said else ""
    return words.split(". ")[0] if words else str(yaml.safe_load(text)[0]["name"])


def table(head: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a Markdown table of names, each a link to its file, and descriptions."""
    lines = (f"| [`{name}`]({file}) | {text.rstrip('.')} |" for name, file, text in rows)
    return "\n".join([f"| {head} | |", "| --- | --- |", *lines])


def action_group() -> str:
    """Return the members of the action group, as YAML."""
    return "\n".join(f"    - {file.stem}" for file in module_files() if file.stem != RUNNER)


def replaced(text: str, name: str, body: str) -> str:
    """Return `text` with `body` between its lines `begin name` and `end name`; ValueError where they are missing."""
    pattern = re.compile(rf"(^[^\n]*\bbegin {name}\b[^\n]*\n).*?(^[^\n]*\bend {name}\b)", re.MULTILINE | re.DOTALL)
    if not pattern.search(text):
        message = f"lines `begin {name}` and `end {name}`"
        raise ValueError(message)
    return pattern.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text, count=1)


def contents() -> dict[Path, str]:
    """Return what each derived file has to say."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = {"modules": module_rows(), "filters": filter_rows(), "roles": role_rows(), "playbooks": playbook_rows()}
    for name, rows in tables.items():
        readme = replaced(readme, name, table(name.removesuffix("s"), rows))
    runtime = (ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8")
    return {
        ROOT / "README.md": readme,
        ROOT / "meta" / "runtime.yml": replaced(runtime, "members", action_group()),
    }


if __name__ == "__main__":
    for path, text in contents().items():
        path.write_text(text, encoding="utf-8")
