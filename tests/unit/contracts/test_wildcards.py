# SPDX-License-Identifier: GPL-3.0-or-later
"""No text of a user reaches a parameter that would find more than one thing by it, unless its wildcards are refused."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.contracts import contract
from ansible_collections.guarded.fabric.plugins.plugin_utils import resources
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Resource, Role
from ansible_collections.guarded.fabric.tests.contracts.enumeration import Enumeration, enumerations
from ansible_collections.guarded.fabric.tests.contracts.wildcards import listed, takes_wildcards

_USER = "a "
"""What the enumeration's texts of users begin with; the option's name follows."""


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _options(name: str) -> dict[str, Option]:
    module = importlib.import_module(f"{resources.__name__}.{name}")
    things = [thing for thing in vars(module).values() if isinstance(thing, Resource | Capture)]
    return {
        option.name: option
        for thing in things
        for option in thing.options
        if option.role not in (Role.DERIVED, Role.COMPUTED)
    }


def _reaching(enumeration: Enumeration) -> set[tuple[str, str, str]]:
    """Return cmdlet, parameter and option wherever a user's text reaches a parameter that takes wildcards."""
    found = set()
    for made in enumeration.made:
        for call in made.calls:
            parameters = call["parameters"]
            assert isinstance(parameters, Mapping)
            for parameter, value in parameters.items():
                if takes_wildcards(str(call["cmdlet"]), parameter):
                    texts = [text for text in _leaves(value) if text.startswith(_USER)]
                    found |= {(str(call["cmdlet"]), parameter, text.removeprefix(_USER)) for text in texts}
    return found


ENUMERATIONS: Sequence[Enumeration] = list(enumerations())


@pytest.mark.parametrize("enumeration", ENUMERATIONS, ids=lambda enumeration: str(enumeration.name))
def test_a_text_that_a_cmdlet_would_match_is_refused_with_wildcards(enumeration: Enumeration) -> None:
    options = _options(enumeration.name)
    reaching = _reaching(enumeration)
    assert {item for item in reaching if item[2] in options and not options[item[2]].literal} == set()


def test_there_are_such_texts() -> None:
    """Else the test above would have nothing to find."""
    found = {item for enumeration in ENUMERATIONS for item in _reaching(enumeration)}
    assert ("Start-VM", "Name", "name") in found
    assert ("Set-DnsClientServerAddress", "InterfaceAlias", "interface_alias") in found


def test_every_parameter_that_is_listed_exists() -> None:
    for section in ("published", "described"):
        for name, parameters in listed()[section].items():
            assert parameters, name
            known = contract(name, "2022").parameters if name != "Get-VMGpuPartitionAdapter" else {}
            assert not known or set(parameters) & set(known), name
