# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever text a user sets, it is refused before any change, or exactly that text arrives: nothing is interpreted.

The options come from the tables of all resources, so that a new one is met by being there; only what else an item needs
to be a whole one is written down here.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.guarded.fabric.plugins.plugin_utils import resources
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import CALL_FAILED, UNREADABLE
from ansible_collections.guarded.fabric.plugins.plugin_utils.plan import argument_spec
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Resource, Role

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
    from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Execute
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option

    from .rollout import Operator, Stages

MARK: Final = "Qz7kW4vX"
"""Is part of every text, so that its traces are found wherever they are; no random key of the lab has it."""

TEXTS: Final = {
    "subexpression": f"$({MARK})",
    "backticks": f"`{MARK}`n",
    "quotes": f"'{MARK}\";'",
    "curly quotes": f"\u2019{MARK}\u201d",
    "statement": f"x; Remove-Item {MARK} | Out-Null #",
    "template": "{{ " + MARK + " }}",
    "reference": f"$ref.{MARK}",
    "variable": f"$env:{MARK}",
    "percent": f"%{MARK}%",
    "line break": f"{MARK}\nRestart-Computer",
    "carriage return": f"{MARK}\r",
    "NUL": f"{MARK}\0x",
    "separator": f"{MARK}\u2028x",
    "reordering": f"{MARK}\u202ex",
    "surrogate": f"{MARK}\ud800",
    "Unicode": f"Käse\u4e2d\U0001f512{MARK}",
    "composed": f"e\u0301{MARK}",
    "all": f"*{MARK}*",
    "one": f"?{MARK}?",
    "class": f"[a-z]{MARK}",
    "long": MARK * 38,
    "path": f"..\\..\\{MARK}",
    "device": f"\\\\.\\pipe\\{MARK}",
    "option": f"-{MARK}",
    "spaces": f"  {MARK}  ",
    "XML": f"</x>&{MARK};<!--",
    "CLIXML": f"_x000A_{MARK}",
    "JSON": f'","{MARK}":"',
}


@dataclass(frozen=True)
class Whole:
    """Where a resource is tried: a machine, how far the rollout is, and an item that is whole but for one text."""

    machine: str
    stage: str
    item: Mapping[str, object] = field(default_factory=dict)


_URLS: Final = {"attestation_url": "http://h.lab/Attestation", "key_protection_url": "http://h.lab/KeyProtection"}
_FALLBACK: Final = {
    "fallback_attestation_urls": ["http://f.lab/Attestation"],
    "fallback_key_protection_urls": ["http://f.lab/KeyProtection"],
}
_NODE: Final = {
    "domain": "new.lab",
    "service": "new",
    "mode": "Tpm",
    "safe_mode_password": "Safe-Mode-1",
    "signing_certificate_password": "Pfx-1",
    "encryption_certificate_password": "Pfx-1",
}
_JOIN: Final = {"join_address": "10.0.0.1", "domain_username": "new\\Administrator", "domain_password": "Guardian-1"}

WHOLE: Final[Mapping[str, Sequence[Whole]]] = {
    "attestation_evidence": (Whole("host01", "prepare_hosts", {"name": "host01", "skip_validation": True}),),
    "attestation_hosts": (Whole("hgs01", "register", {"name": "host01"}),),
    "attestation_policies": (Whole("hgs01", "register", {"name": "Hgs_NoDumps", "enabled": False}),),
    "bitlocker_volumes": (Whole("vm01", "shield", {"mount_point": "C:"}),),
    "dns_client": (Whole("hgs02", "nothing", {"server_addresses": ["10.0.0.1"]}),),
    "dns_conditional_forwarders": (Whole("dns01", "nothing", {"name": "new.lab", "master_servers": ["10.0.0.1"]}),),
    "guardian_metadata": (Whole("hgs01", "build_hgs", {"name": "fabric"}),),
    "guardians": (Whole("tenant01", "nothing", {"name": "New", "generate": True}),),
    "hgs_client": (Whole("host01", "register", {**_URLS, **_FALLBACK}),),
    "hgs_server": (Whole("hgs01", "nothing", _NODE), Whole("hgs01", "nothing", {**_NODE, **_JOIN})),
    "key_protectors": (
        Whole(
            "tenant01", "protect", {"names": ["vm"], "owner": "Owner", "guardians": [], "allow_untrusted_root": True}
        ),
    ),
    "shielded_vms": (Whole("host01", "protect", {"name": "vm01", "power": "running"}),),
    "trusted_tpm_certificates": (Whole("hgs01", "build_hgs"),),
    "windows_features": (Whole("host01", "nothing", {"name": "BitLocker"}),),
}
DEFAULT: Final = (Whole("host01", "protect"),)
"""Of a resource that says nothing here, every text is tried on an item of that text alone."""


def _things() -> dict[str, Resource | Capture]:
    found = {}
    for module in pkgutil.iter_modules(resources.__path__, f"{resources.__name__}."):
        for thing in vars(importlib.import_module(module.name)).values():
            if isinstance(thing, Resource | Capture):
                found[thing.name] = thing
    return found


THINGS: Final = _things()


def _places(options: Sequence[Option], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Option]]:
    """Go through the options, at any depth, that take a text of the user's own."""
    for option in options:
        if option.role in (Role.DERIVED, Role.COMPUTED):
            continue
        if option.suboptions:
            yield from _places(option.suboptions, (*before, option.name))
        elif option.choices:
            continue
        elif "str" in (option.type, option.elements) or option.type == "path":
            yield (*before, option.name), option


PLACES: Final = [(name, path, option) for name, thing in THINGS.items() for path, option in _places(thing.options)]


def _with(item: Mapping[str, object], path: tuple[str, ...], option: Option, text: str) -> dict[str, object]:
    changed = deepcopy(dict(item))
    inner: dict[str, object] = changed
    for name in path[:-1]:
        inner = inner.setdefault(name, {})  # type: ignore[assignment]
    inner[path[-1]] = [text] if option.type == "list" else text
    return changed


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value


def _sent(executions: Sequence[Execute]) -> list[str]:
    """Return every text that went to the machine and has the mark in it."""
    return [text for need in executions for text in _leaves(need.arguments) if MARK in text]


def _attempt(operator: Operator, thing: Resource | Capture, where: Whole, item: Item, folder: Path) -> None:
    if isinstance(thing, Capture):
        operator.lab.capture(where.machine, thing, item, str(folder))
    else:
        operator.lab.run(where.machine, thing, operator.load(thing, [item]))


@pytest.mark.parametrize("place", PLACES, ids=[f"{name}-{'.'.join(path)}" for name, path, _ in PLACES])
def test_a_text_is_refused_before_any_change_or_arrives_as_it_is(
    place: tuple[str, tuple[str, ...], Option], stages: Stages, tmp_path: Path, pfx_files: dict[str, File]
) -> None:
    name, path, option = place
    thing = THINGS[name]
    for where in WHOLE.get(name, DEFAULT):
        certificates = {f"{use}_certificate": file for use, file in pfx_files.items()} if name == "hgs_server" else {}
        for text in TEXTS.values():
            operator = stages.after(where.stage)
            changes = operator.lab.reader.statistics.changes.total()
            item = {**certificates, **_with(where.item, path, option, text)}
            try:
                _attempt(operator, thing, where, item, tmp_path)
                refusal = None
            except FabricError as error:
                refusal = error
            sent = _sent(operator.lab.log.executions)
            assert set(sent) <= {text}, (text, sent)
            changed = operator.lab.reader.statistics.changes.total() != changes
            if refusal is None:
                assert text in sent or MARK not in repr(operator.lab.world)
                continue
            assert not changed, str(refusal)
            assert not {problem.kind for problem in refusal.problems} & {CALL_FAILED, UNREADABLE}, str(refusal)
            assert MARK not in repr(operator.lab.world)


PATTERNS: Final = ("*", "**", "?*", "[a-z]*", "h*", "`*", "host0?", "[!x]*", "Hgs_*", "*.lab", "C*")


@pytest.mark.parametrize("name", sorted(name for name, thing in THINGS.items() if isinstance(thing, Resource)))
def test_a_pattern_finds_nothing_but_a_thing_of_that_very_name(name: str, stages: Stages) -> None:
    """Neither to be removed nor to be changed: none of the lab's things has such a name."""
    thing = THINGS[name]
    assert isinstance(thing, Resource)
    where = WHOLE.get(name, DEFAULT)[0]
    for pattern in PATTERNS if thing.key else ():
        for state in {"deleted", "merged"} & set(thing.states):
            operator = stages.after("shield")
            before = operator.lab.run(where.machine, thing, [], state="gathered").before
            changes = operator.lab.reader.statistics.changes.total()
            item = {thing.key: pattern} if state == "deleted" else {**where.item, thing.key: pattern}
            with suppress(FabricError):
                report = operator.lab.run(where.machine, thing, [item], state=state)
                assert not report.changed or state == "merged"
            after = operator.lab.run(where.machine, thing, [], state="gathered").before
            assert [old for old in before if old not in after] == []
            assert [new for new in after if new not in before and new[thing.key] != pattern] == []
            assert state == "merged" or operator.lab.reader.statistics.changes.total() == changes


@pytest.mark.parametrize("name", sorted(THINGS))
def test_of_a_few_texts_no_other_is_taken(name: str) -> None:
    for option in THINGS[name].options:
        if option.choices and option.role not in (Role.DERIVED, Role.COMPUTED):
            for text in TEXTS.values():
                given = {option.name: [text] if option.type == "list" else text}
                result = ArgumentSpecValidator(argument_spec([option])).validate(given)
                assert result.error_messages, (option.name, text)


def test_every_text_has_the_mark() -> None:
    assert all(MARK in text for text in TEXTS.values())
    assert {json.loads(json.dumps(text)) for text in TEXTS.values()} == set(TEXTS.values())
