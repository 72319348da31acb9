# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the engine against a lab in this process: what an action plugin does over a connection, without one."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from ansible_collections.guarded.fabric.lab import loading, topology
from ansible_collections.guarded.fabric.lab.reading import Reader, User
from ansible_collections.guarded.fabric.lab.world import directory, power, restarts
from ansible_collections.guarded.fabric.lab.world.clock import Clock
from ansible_collections.guarded.fabric.lab.world.factory import Passwords, make_world
from ansible_collections.guarded.fabric.lab.world.model import World
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import (
    Capture,
    CaptureReport,
    CaptureRequest,
    capturing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import (
    Execute,
    Reboot,
    Report,
    Request,
    Sleep,
    reconcile,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Inspection, Question, inspecting
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Role

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from ansible_collections.guarded.fabric.lab.world.model import Machine
    from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Answer, Need
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option, Resource

    from .switches import Options, RunOptions

T = TypeVar("T")

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
PASSWORDS = Passwords(guardian="Guardian-1", fabric="Fabric-1", tenant="Tenant-1")
WORLD_SECONDS = 60
"""Of world time in a second that the engine sleeps."""


@dataclass
class Log:
    """What was asked of the driver."""

    executions: list[Execute] = field(default_factory=list)
    reboots: list[str] = field(default_factory=list)
    slept: float = 0.0


@dataclass
class Lab:
    """A world, its clock, and what reads batches in it."""

    world: World
    clock: Clock
    reader: Reader
    log: Log = field(default_factory=Log)
    user: User = field(default_factory=lambda: User("Administrator"))

    def copy(self) -> Lab:
        """Return a lab of its own that is as this one is now."""
        world, clock = deepcopy(self.world), Clock(self.clock.now(), monotonic=lambda: 0.0)
        return Lab(world, clock, Reader(world, clock))

    def machine(self, name: str) -> Machine:
        return self.world.machines[name]

    def drive(self, machine: Machine, work: Generator[Need, Answer, T], *, check_mode: bool = False) -> T:
        """Do what the engine needs until it is finished."""
        self.log = Log()
        answer: Answer | None = None
        while True:
            try:
                need = next(work) if answer is None else work.send(answer)
            except StopIteration as finished:
                report: T = finished.value
                return report
            answer = self.answer(machine, need, check_mode=check_mode)

    def answer(self, machine: Machine, need: Need, *, check_mode: bool) -> Answer:
        """Do what the engine needs once."""
        match need:
            case Execute():
                self.log.executions.append(need)
                account = directory.account(self.world, machine, "Administrator")
                assert account is not None
                # As on the wire: nothing but JSON gets through.
                arguments = json.loads(json.dumps(need.arguments))
                result = self.reader.run(machine, self.user, arguments, check_mode=check_mode)
                answer: Answer = json.loads(json.dumps(result))
                return answer
            case Reboot():
                self.log.reboots.append(need.reason)
                restarts.restart(self.world, machine, self.clock.now())
                self.clock.move(power.RESTART.total_seconds() + 1)
            case Sleep():
                self.log.slept += need.seconds
                self.clock.move(need.seconds * WORLD_SECONDS)
        return {}

    def run(self, machine: str, resource: Resource, config: Sequence[Item], **options: Unpack[Options]) -> Report:
        """Carry out a task."""
        request = Request(state="merged", config=config, thing=machine, reboot=True)
        request = replace(request, **options)
        return self.drive(self.machine(machine), reconcile(resource, request), check_mode=request.check_mode)

    def capture(self, machine: str, capture: Capture, config: Item, exchange: str, **options: bool) -> CaptureReport:
        """Carry out a capture."""
        now = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        request = CaptureRequest(config=config, exchange=exchange, thing=machine, now=now, **options)
        return self.drive(self.machine(machine), capturing(capture, request), check_mode=request.check_mode)

    def inspect(self, machine: str, inspection: Inspection, options: Item) -> Mapping[str, Any]:
        """Carry out an inspection."""
        given = {option.name: options.get(option.name) for option in inspection.options}
        question = Question(given, machine, self.clock.now())
        return self.drive(self.machine(machine), inspecting(inspection, question), check_mode=True)

    def restart(self, machine: str) -> None:
        """Restart a machine and wait until it is back."""
        restarts.restart(self.world, self.machine(machine), self.clock.now())
        self.pass_time(power.RESTART + timedelta(seconds=1))

    def pass_time(self, span: timedelta) -> None:
        self.clock.move(span.total_seconds())


def lab(description: str, keys: Sequence[bytes]) -> Lab:
    """Make a lab of a topology; `keys` are those of its TPMs."""
    loading.load_everything()
    made = iter(keys)
    world = make_world(topology.parse(description, "test"), PASSWORDS, NOW, lambda: next(made))
    clock = Clock(NOW, monotonic=lambda: 0.0)
    clock.move(3600)
    return Lab(world, clock, Reader(world, clock))


def agrees(resource: Resource, predicted: Sequence[Item], actual: Sequence[Item]) -> bool:
    """Whether what is there is what was predicted: in all that was, in Windows' own notion of equality."""
    found = {resource.key_of(item): item for item in actual}
    if set(found) != {resource.key_of(item) for item in predicted}:
        return False
    options = {option.name: option for option in resource.options}
    return all(
        _same(options[name], value, found[resource.key_of(item)].get(name))
        for item in predicted
        for name, value in item.items()
    )


def _same(option: Option, predicted: object, actual: object) -> bool:
    if option.role is Role.KEY:
        return str(predicted).casefold() == str(actual).casefold()
    return option.same(predicted, actual) if option.same else predicted == actual


def beats(lab: Lab, machine: str, resource: Resource, config: Sequence[Item], **options: Unpack[RunOptions]) -> Report:
    """Check, run, and run again: a check changes nothing and predicts, and what was run needs no second time."""
    changes = lab.reader.statistics.changes.total()
    predicted = lab.run(machine, resource, config, check_mode=True, **options)
    assert lab.reader.statistics.changes.total() == changes, "check mode changed something"
    assert len(lab.log.executions) == 1
    report = lab.run(machine, resource, config, **options)
    assert report.changed == predicted.changed
    assert report.before == predicted.before
    assert agrees(resource, predicted.after, report.after), (predicted.after, report.after)
    again = lab.run(machine, resource, config, **options)
    assert not again.changed, again.commands
    assert again.before == again.after
    assert len(lab.log.executions) == 1
    assert not lab.log.reboots
    return report
