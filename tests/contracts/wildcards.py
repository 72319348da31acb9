# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parameters find all that match a pattern, where a user means one thing by its name."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from ansible_collections.guarded.fabric.lab.cmdlets.contracts import FOLDER, contract

FILE: Final = FOLDER / "_wildcards.json"


@cache
def listed() -> Any:  # noqa: ANN401 - JSON
    """Return the whole list."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def takes_wildcards(cmdlet: str, parameter: str) -> bool:
    """Whether a parameter is published, described, or seen to take a pattern."""
    found = (
        listed()["published"].get(cmdlet, ()),
        listed()["described"].get(cmdlet, ()),
        listed()["cautious"].get(contract(cmdlet, "2022").module, ()),
    )
    return any(parameter in names for names in found)
