# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the reference of every problem that the collection can report, from the code that reports them.

docs/errors.md lists them; docs/errors/ has a page for each id.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils import attestation_status
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import FindingKind
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind, Owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "errors.md"
PAGES = ROOT / "docs" / "errors"
SOURCES = ROOT / "plugins" / "plugin_utils"
PACKAGE = "ansible_collections.guarded.fabric.plugins.plugin_utils"

_MAKERS = {"Kind", "FindingKind"}

_NOTICE = """\
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Written by scripts/generate_error_reference.py: change the code that reports a problem, not this file. -->
"""
_HEAD = f"""\
{_NOTICE}# Problems, whose they are, and what to do

A module that fails names its problems in `problems`, each with an id from below. The ids are stable: runbooks and
playbooks may refer to them. *Whose* says which trust domain can solve it; the controller is the machine that runs
Ansible.
"""


@dataclass(frozen=True)
class Area:
    """What a file of the code (its path below the repository) is about, and the kinds of problem that it defines."""

    title: str
    source: str
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
    return Area(title, path.relative_to(ROOT).as_posix(), tuple(known[name] for name in ids))


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
            f"| [{kind.id}](errors/{kind.id}.md) | {kind.owner.value} | ... {kind.title} | {kind.next_step} |\n"
            for kind in area.kinds
        )
    return "".join(parts)


_OWNERS = {
    Owner.GUARDIAN: "the guardian: who runs HGS",
    Owner.FABRIC: "the fabric: who runs the Hyper-V hosts",
    Owner.TENANT: "the tenant: who owns the virtual machines",
    Owner.CONTROLLER: "the controller: who runs Ansible",
}


# What a substatus says of a host that attested (GF-ATT), its evidence shows beforehand (GF-EVD).
_SHOWN_BY = {
    "GF-ATT-101": ("GF-EVD-101",),
    "GF-ATT-102": tuple(f"GF-EVD-{number}" for number in range(101, 113)),
    "GF-ATT-103": ("GF-EVD-108", "GF-EVD-111"),
    "GF-ATT-104": ("GF-EVD-201", "GF-EVD-211", "GF-EVD-212", "GF-EVD-215", "GF-EVD-216", "GF-EVD-217"),
    "GF-ATT-105": ("GF-EVD-126", "GF-EVD-214"),
    "GF-ATT-106": ("GF-EVD-109", "GF-EVD-126"),
    "GF-ATT-107": ("GF-EVD-126",),
    "GF-ATT-108": ("GF-EVD-126",),
    "GF-ATT-109": ("GF-EVD-126",),
    "GF-ATT-110": ("GF-EVD-126",),
    "GF-ATT-111": ("GF-EVD-126",),
    "GF-ATT-112": ("GF-EVD-126",),
    "GF-ATT-113": ("GF-EVD-126",),
    "GF-ATT-114": ("GF-EVD-003",),
    "GF-ATT-115": ("GF-EVD-004", "GF-EVD-005", "GF-EVD-006"),
    "GF-ATT-006": ("GF-EVD-302", "GF-EVD-303", "GF-EVD-311"),
}


def pages() -> dict[str, str]:
    """Return the page of each id."""
    return {kind.id: _page(area, kind) for area in areas() for kind in area.kinds}


def _page(area: Area, kind: Kind) -> str:
    parts = [f"{_NOTICE}# {kind.id}: {kind.title}\n", f"{area.title}.\n", f"- **Whose:** {_OWNERS[kind.owner]}"]
    if isinstance(kind, FindingKind):
        parts.append(f"- **How bad:** {kind.severity.word}")
        parts.append(f"- **Usual cause:** {kind.cause}")
    parts.append(f"- **What to do:** {kind.next_step}")
    said = list(_said_by_windows(kind))
    if said:
        parts += ["\n## How Windows and HGS say it\n", *(f"- {line}" for line in said)]
    parts += _related("What evidence shows it before", _SHOWN_BY.get(kind.id, ()))
    parts += _related("How it ends at HGS", [name for name, shown in _SHOWN_BY.items() if kind.id in shown])
    parts.append(f"\nReported by [{area.source}](../../{area.source}). [All problems](../errors.md)\n")
    return "\n".join(parts)


def _related(head: str, names: Sequence[str]) -> list[str]:
    links = ", ".join(f"[{name}]({name}.md)" for name in names)
    return [f"\n## {head}\n\n{links}"] if links else []


def _said_by_windows(kind: Kind) -> Iterator[str]:
    """Say as what attestation status, substatus and event of HGS an operator meets a problem."""
    for what, words in (("AttestationStatus", attestation_status.STATUS), ("substatus", attestation_status.SUBSTATUS)):
        yield from (f"{what} `{word}` on the host" for word, known in words.items() if known is kind)
    events = [str(number) for number, known in attestation_status.EVENTS.items() if known is kind]
    if events:
        yield f"event {' or '.join(events)} of Microsoft-Windows-HostGuardianService-Attestation on an HGS node"


def main() -> None:
    """Write the list and the pages; a page whose id is gone goes."""
    TARGET.write_text(render(), encoding="utf-8")
    PAGES.mkdir(exist_ok=True)
    written = pages()
    for path in PAGES.glob("*.md"):
        if path.stem not in written:
            path.unlink()
    for name, text in written.items():
        (PAGES / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
