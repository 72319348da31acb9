# SPDX-License-Identifier: GPL-3.0-or-later
"""Of every call that the collection makes, made wrong in one place, both judges must say the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.cmdlets.contracts import contract
from ansible_collections.guarded.fabric.tests.powershell.generate_stubs import write_module
from ansible_collections.guarded.fabric.tests.powershell.judges import as_calls, lab_says, powershell_says
from ansible_collections.guarded.fabric.tests.powershell.mutations import mutations
from ansible_collections.guarded.fabric.tests.powershell.product_calls import product_calls, stub_name

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.tests.powershell.mutations import Mutation
    from ansible_collections.guarded.fabric.tests.powershell.shell import Shell


def is_mistaken(mutation: Mutation) -> bool:
    """Whether nothing can make the call right: an optional parameter may be left out, and some values convert."""
    if mutation.mistake in {"misspelt", "sets mixed"}:
        return True
    sets = contract(mutation.attempt.cmdlet, "2022").sets
    places = [item.places[mutation.parameter] for item in sets if mutation.parameter in item.places]
    return mutation.mistake == "dropped" and len(places) == len(sets) and all(place.mandatory for place in places)


def test_both_judges_say_the_same_of_every_mistake(shell: Shell, tmp_path: Path) -> None:
    product = product_calls("2022")
    module = write_module(tmp_path, "Published", product.stubs)
    found = list(mutations(product.attempts, "2022"))
    calls = [{**call, "cmdlet": stub_name(str(call["cmdlet"]))} for call in as_calls([item.attempt for item in found])]
    answer = shell.invoke([{"id": "object", "cmdlet": "Get-Command"}, *calls], modules=[module])
    judged = [
        (mutation, lab_says(mutation.attempt, "2022"), powershell_says(entry))
        for mutation, entry in zip(found, answer["results"][1:], strict=True)
    ]

    assert [(str(mutation), ours, theirs) for mutation, ours, theirs in judged if ours != theirs] == []
    assert [str(mutation) for mutation, ours, _ in judged if is_mistaken(mutation) and not ours.error] == []
    refused = Counter(mutation.mistake for mutation, ours, _ in judged if ours.error)
    taken = Counter(mutation.mistake for mutation, ours, _ in judged if not ours.error)
    assert refused.keys() >= {"dropped", "misspelt", "another type", "sets mixed"}
    assert taken.keys() >= {"none", "dropped", "another type"}
    assert {mutation.attempt.cmdlet for mutation in found} == {str(call["cmdlet"]) for call in product.calls}
