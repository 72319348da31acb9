# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret of a request is in what leaves the engine, whatever a host does with what it was sent."""

from __future__ import annotations

import base64
import importlib
import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import resources
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File, Secret
from ansible_collections.guarded.fabric.plugins.plugin_utils.disclosure import (
    LONGEST_TEXT,
    MASK,
    disclosure,
    legible,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import FAULT, Execute, Report, Request, reconcile
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.rendering import quote
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import dns_client, hgs_server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .lab_driver import PASSWORDS
from .mutations import places
from .recordings import Recording
from .switches import SWITCHES, Switch, box

Host = Callable[[dict[str, Any], int, str], dict[str, Any]]

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Step
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item
    from ansible_collections.guarded.fabric.tests.unit.resources.rollout import Stages

    from .switches import Options

pytestmark = pytest.mark.usefixtures("opened_once")
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

SECRET = 'Cänary\'s "own" \\ 1aA'
"""With characters that JSON, Python and PowerShell write in another way."""


def tables() -> Iterator[tuple[str, Option]]:
    """Go through the options of all modules, nested ones too."""
    for path in sorted(Path(resources.__path__[0]).glob("[a-z]*.py")):
        module = importlib.import_module(f"{resources.__name__}.{path.stem}")
        for name in ("RESOURCE", "CAPTURE", "INSPECTION"):
            described = getattr(module, name, None)
            if described is not None:
                yield from ((f"{path.stem}: {where}", option) for where, option in flat(described.options))


def flat(options: Sequence[Option]) -> Iterator[tuple[str, Option]]:
    for option in options:
        yield option.name, option
        yield from ((f"{option.name}.{name}", nested) for name, nested in flat(option.suboptions))


def test_these_are_the_secrets_and_each_is_tried_below() -> None:
    assert {where for where, option in tables() if option.secret} == {
        f"hgs_server: {name}"
        for name in (
            "safe_mode_password",
            "domain_password",
            "signing_certificate_password",
            "encryption_certificate_password",
        )
    }


def test_what_is_named_like_a_secret_is_one() -> None:
    telling = ("password", "secret", "token", "passphrase", "private_key", "credential")
    assert [where for where, option in tables() if any(word in where for word in telling) and not option.secret] == []


def ways(secret: str) -> set[str]:
    """Return how a host may write a secret."""
    quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), quote(secret))
    return {secret, *(form[1:-1] for form in quoted)}


def shown(outcome: object) -> str:
    """Return all that a report or an error says."""
    if isinstance(outcome, FabricError):
        commands = getattr(outcome, "commands", ())
        return "\n".join([str(outcome), repr(outcome), repr(outcome.problems), *commands, *map(str, commands)])
    assert isinstance(outcome, Report)
    texts = [text for name, value in asdict(outcome).items() for text in _all_texts(value)]
    return "\n".join([repr(outcome), json.dumps(asdict(outcome)), *texts])


def _all_texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _all_texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _all_texts(item)
    else:
        yield str(value)


def leaked(outcome: object, secrets: Mapping[str, str]) -> list[str]:
    said = shown(outcome)
    return [name for name, secret in secrets.items() if any(way in said for way in ways(secret))]


def failing(answer: dict[str, Any], place: int, echo: str) -> dict[str, Any]:
    """Fail, and say what was not liked."""
    results = answer["results"][: place % len(answer["results"]) + 1]
    error = {"id": f"Invalid {echo},Cmdlet", "category": "InvalidArgument", "message": f"Cannot take '{echo}'."}
    results[-1] = {"id": results[-1]["id"], "error": error, "accepted": False, "warnings": [echo]}
    return {**answer, "results": results, "failed": True, "msg": f"Cmdlet: {echo}"}


def accepted(answer: dict[str, Any], place: int, echo: str) -> dict[str, Any]:
    """Raise an error that is an answer."""
    entry = answer["results"][place % len(answer["results"])]
    error = {"id": "CommandNotFoundException", "category": "ObjectNotFound", "message": f"No {echo} here."}
    entry.update(error=error, accepted=True, output=[])
    return answer


def chatty(answer: dict[str, Any], _place: int, echo: str) -> dict[str, Any]:
    """Warn."""
    for entry in answer["results"]:
        entry["warnings"] = [f"The text {echo} was taken."]
    return {**answer, "warnings": [echo]}


def telling(answer: dict[str, Any], place: int, echo: str) -> dict[str, Any]:
    """Say it in a property, or in an output that has none."""
    texts = [path for path in places(answer["results"]) if path and path[-1] in ("Domain", "DNSRoot", "InstallState")]
    if not texts:
        answer["results"][0]["output"] = [echo]
        return answer
    *way, last = texts[place % len(texts)]
    holder: Any = answer["results"]
    for step in way:
        holder = holder[step]
    holder[last] = f"x{echo}y"
    return answer


def broken(_answer: dict[str, Any], _place: int, echo: str) -> dict[str, Any]:
    """Print something that is no answer."""
    return {"failed": True, "msg": f"MODULE FAILURE {echo}", "module_stdout": echo}


HOSTS: Sequence[Host] = (failing, accepted, chatty, telling, broken)


def secrets_of(item: Item) -> dict[str, str]:
    passwords = {name: str(value) for name, value in item.items() if name.endswith("password")}
    files = {name: base64.b64encode(file.content).decode() for name, file in item.items() if isinstance(file, File)}
    return passwords | files


def recording(item: Item, machine: str, state: str = "merged") -> Recording:
    request = Request(state, [item], machine, reboot=True, settle_seconds=60)
    return Recording(lambda: reconcile(hgs_server.RESOURCE, request))


@pytest.fixture(scope="module")
def recorded(stages: Stages, pfx_files: dict[str, File]) -> Sequence[tuple[Recording, Mapping[str, str]]]:
    """Record a first node, which takes certificates, and one that joins it, which takes a credential."""
    operator = stages.after("nothing")
    first = {
        "domain": "hgs.lab",
        "service": "HGS",
        "safe_mode_password": SECRET,
        **{f"{name}_certificate": file for name, file in pfx_files.items()},
        **{f"{name}_certificate_password": "Pfx-1" for name in pfx_files},
    }
    address = operator.lab.machine("hgs01").address
    further = {
        "domain": "hgs.lab",
        "join_address": address,
        "safe_mode_password": SECRET,
        "domain_username": "hgs\\Administrator",
        "domain_password": PASSWORDS.guardian,
    }
    made = [(recording(first, "hgs01").record(operator.lab, "hgs01"), secrets_of(first))]
    operator.do("hgs02", dns_client.RESOURCE, {"server_addresses": [address]})
    return [*made, (recording(further, "hgs02").record(operator.lab, "hgs02"), secrets_of(further))]


def test_what_was_recorded_holds_every_secret_of_the_tables(
    recorded: Sequence[tuple[Recording, Mapping[str, str]]],
) -> None:
    secret = {option.name for option in hgs_server.RESOURCE.options if option.secret}
    assert secret <= {name for _recording, secrets in recorded for name in secrets}
    for made, secrets in recorded:
        sent = json.dumps([need.arguments for need in made.needs if isinstance(need, Execute)], ensure_ascii=False)
        assert all(json.dumps(value, ensure_ascii=False) in sent for value in secrets.values())
        ended = made.replay(0, made.answers[0])
        assert isinstance(ended.report, Report)
        assert ended.report.changed
        assert leaked(ended.report, secrets) == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_host_that_says_what_it_was_sent_is_not_passed_on(
    recorded: Sequence[tuple[Recording, Mapping[str, str]]], number: int
) -> None:
    made, secrets = recorded[number]
    executions = [place for place, answer in enumerate(made.answers) if answer]

    @MANY
    @given(
        place=st.sampled_from(executions),
        host=st.sampled_from(HOSTS),
        within=st.integers(min_value=0, max_value=20),
        echoes=st.sampled_from([way for secret in secrets.values() for way in sorted(ways(secret))]),
    )
    def check(place: int, host: Host, within: int, echoes: str) -> None:
        replay = made.replay(place, host(deepcopy(dict(made.answers[place])), within, echoes))
        for outcome in (replay.report, replay.error):
            if outcome is not None:
                assert leaked(outcome, secrets) == []

    check()


@pytest.mark.parametrize("options", [{"check_mode": True}, {"state": "rendered"}, {"state": "gathered"}])
def test_what_changes_nothing_shows_no_secret(stages: Stages, pfx_files: dict[str, File], options: Options) -> None:
    item = {
        "domain": "hgs.lab",
        "service": "HGS",
        "safe_mode_password": SECRET,
        **{f"{name}_certificate": file for name, file in pfx_files.items()},
        **{f"{name}_certificate_password": "Pfx-1" for name in pfx_files},
    }
    report = stages.after("nothing").lab.run("hgs01", hgs_server.RESOURCE, [item], **options)
    assert bool(report.commands) is (options.get("state") != "gathered")
    assert leaked(report, secrets_of(item)) == []


def test_a_secret_that_is_wrong_is_not_said(pfx_files: dict[str, File]) -> None:
    item = {"signing_certificate": pfx_files["signing"], "signing_certificate_password": SECRET}
    with pytest.raises(FabricError) as error:
        next(reconcile(hgs_server.RESOURCE, Request("merged", [item], "hgs01")))
    assert leaked(error.value, secrets_of(item)) == []


NESTED = replace(
    SWITCHES,
    options=(
        *SWITCHES.options,
        Option(
            "login",
            Role.INPUT,
            type="dict",
            suboptions=(Option("user"), Option("word", secret=True), Option("words", type="list", secret=True)),
        ),
        Option("logins", Role.INPUT, type="list", elements="dict", suboptions=(Option("word", secret=True),)),
    ),
)


@pytest.mark.parametrize(
    "given_secret",
    [
        {"key": Secret(SECRET)},
        {"key": SECRET},
        {"login": {"user": "ada", "word": SECRET}},
        {"login": {"user": "ada", "words": ["first", SECRET]}},
        {"logins": [{"word": "first"}, {"word": SECRET}]},
    ],
)
def test_a_fault_in_the_middle_shows_no_secret_and_what_was_done(given_secret: Mapping[str, object]) -> None:
    """The text of an error that nobody foresaw, and the values of its trace, may hold anything."""
    calls = iter(range(100))

    def change(before: Item | None, after: Item | None) -> Sequence[Step]:
        if next(calls):
            raise RuntimeError(f"{before} does not become {after}, and {SECRET!r} is to blame")
        return SWITCHES.change(before, after)

    host = box(Switch("a"), deaf=True)
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True, **given_secret}], replace(NESTED, change=change))
    (problem,) = error.value.problems
    assert problem.kind is FAULT
    assert "RuntimeError in test_disclosure.py:" in problem.detail
    assert MASK in problem.detail
    assert leaked(error.value, {"it": SECRET}) == []
    assert "Set-Switch" in str(getattr(error.value, "commands", ""))
    trace = "".join(traceback.format_exception(error.value))
    assert [way for way in ways(SECRET) if way in trace] == []


def test_ansibles_debug_log_has_what_is_sent_and_no_secret() -> None:
    item = {"name": "a", "key": Secret(SECRET)}
    host = box()
    host.run([item])
    arguments = [need.arguments for need in host.executions]
    assert leaked_text(f"done with _execute_module (invoke_cmdlets, {arguments})") == []
    assert SECRET in list(_all_texts(json.loads(json.dumps(arguments))))


def leaked_text(text: str) -> list[str]:
    return [way for way in ways(SECRET) if way in text]


def test_the_longer_of_two_secrets_is_masked_as_a_whole() -> None:
    options = (Option("one", secret=True), Option("other", secret=True))
    said = disclosure(options, [{"one": "Pass-word", "other": "Pass-word-1aA"}])
    assert said.message("Pass-word-1aA and Pass-word") == f"{MASK} and {MASK}"


def test_what_is_too_short_to_be_a_secret_tears_no_holes() -> None:
    options = (Option("one", secret=True), Option("other", secret=True), Option("third", secret=True))
    assert disclosure(options, [{"one": "", "other": "h", "third": None}]).message("host01") == "host01"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, übel\n\tdone", "plain, übel\n\tdone"),
        ("\x1b]0;owned\x07\x1b[2J", "\ufffd]0;owned\ufffd\ufffd[2J"),
        ("user\u202egpj.exe", "user\ufffdgpj.exe"),
        ("\x9b31m\r\x00", "\ufffd31m\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
    ],
)
def test_what_steers_a_terminal_is_not_passed_on(text: str, seen: str) -> None:
    assert legible(text) == seen
    host = box(failing={"Set-Switch": "Broken"}, tamper=lambda answer: _saying(answer, text))
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert text.isprintable() or text == seen or text not in str(error.value)


def _saying(answer: dict[str, Any], text: str) -> dict[str, Any]:
    for entry in answer["results"]:
        if "error" in entry:
            entry["error"]["message"] = text
    return answer


def test_a_message_that_is_no_message_is_cut() -> None:
    assert len(legible("x" * 10**6)) < LONGEST_TEXT + 10
    # Masked before it is cut: a part of a secret would be what is left.
    said = disclosure((Option("one", secret=True),), [{"one": SECRET}])
    assert "nary" not in said.message("x" * (LONGEST_TEXT - 6) + SECRET)
