# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.plugins.filter.drift import batched_machines, merged_machines

SAW: dict[str, object] = {"inspections": {}}
BLIND = [None, {"failed": True, "msg": "no"}, {"unreachable": True, "failed": False}]


def machine(name: str, result: object, part: str = "host") -> dict[str, object]:
    return {"name": name, "part": part, "result": result}


def test_a_batch_shows_each_of_its_machines() -> None:
    look = {**SAW, "ansible_loop_var": "who", "who": "b"}
    looks = {"results": [look], "failed": True, "msg": "One or more items failed"}
    readers: list[dict[str, object]] = [{"looks": looks, "batch": ["b"]}, {"batch": ["d"]}]
    shown = batched_machines({"host": ["b", "d"], "tenant": ["e"]}, readers, "looks", "batch")
    assert shown == [machine("b", look), machine("d", None), machine("e", None, "tenant")]


def test_a_batch_that_shows_nothing_says_so_of_each_of_its_machines() -> None:
    lost = {"failed": True, "msg": "the loop is undefined"}
    readers = [{"looks": lost, "batch": ["a", "b"]}]
    assert batched_machines({"host": ["b", "a"]}, readers, "looks", "batch") == [machine("b", lost), machine("a", lost)]


def test_machines_of_all_slices_are_there_in_their_order() -> None:
    slices = [{"machines": [machine("b", SAW), machine("a", None)]}, {"machines": [machine("a", SAW, "tenant")]}]
    assert merged_machines(slices) == [machine("b", SAW), machine("a", None), machine("a", SAW, "tenant")]


@pytest.mark.parametrize("blind", BLIND)
def test_what_one_slice_saw_is_known(blind: object) -> None:
    for order in ((blind, SAW), (SAW, blind)):
        slices = [{"machines": [machine("a", result)]} for result in order]
        assert merged_machines(slices) == [machine("a", SAW)]
