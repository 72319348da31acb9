# SPDX-License-Identifier: GPL-3.0-or-later
"""What an adopted folder declares, evaluated by Ansible itself: a process that answers a line of JSON for each folder.

Ansible's loader and the tests import the collection in two ways that do not go together in one process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[3]


def evaluate(folder: Path) -> dict[str, Any]:
    """Return what each machine is declared to be, by group and name."""
    loader = DataLoader()
    asked = loader.load_from_file(str(Path(__file__).with_name("wanted.yml")), trusted_as_template=True)
    inventory = InventoryManager(loader, sources=[str(folder / "fabric.yml")])
    manager = VariableManager(loader, inventory)
    return {
        group: {host.name: _of(loader, manager.get_vars(host=host), question) for host in inventory.get_hosts(group)}
        for group, question in asked.items()
        if group in inventory.groups
    }


def _of(loader: DataLoader, variables: Mapping[str, Any], question: Mapping[str, Any]) -> Any:  # noqa: ANN401
    def read(kind: str) -> dict[str, Any]:
        files = (ROOT / "roles" / role / kind / "main.yml" for role in question["roles"])
        return {
            name: value
            for file in files
            for name, value in loader.load_from_file(str(file), trusted_as_template=True).items()
        }

    # As Ansible has them: defaults below the inventory, a role's own variables above it.
    return Templar(loader, variables={**read("defaults"), **variables, **read("vars")}).template(question["wanted"])


def main() -> None:
    """Answer until the input ends."""
    init_plugin_loader([str(ROOT / ".build")])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(evaluate(Path(json.loads(line))), default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
