# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.plugins.filter.drift import merged_machines

SAW: dict[str, object] = {"inspections": {}}
BLIND = [None, {"failed": True, "msg": "no"}, {"unreachable": True, "failed": False}]


def machine(name: str, result: object, part: str = "host") -> dict[str, object]:
    return {"name": name, "part": part, "result": result}


def test_machines_of_all_slices_are_there_in_their_order() -> None:
    slices = [{"machines": [machine("b", SAW), machine("a", None)]}, {"machines": [machine("a", SAW, "tenant")]}]
    assert merged_machines(slices) == [machine("b", SAW), machine("a", None), machine("a", SAW, "tenant")]


@pytest.mark.parametrize("blind", BLIND)
def test_what_one_slice_saw_is_known(blind: object) -> None:
    for order in ((blind, SAW), (SAW, blind)):
        slices = [{"machines": [machine("a", result)]} for result in order]
        assert merged_machines(slices) == [machine("a", SAW)]
