# SPDX-License-Identifier: GPL-3.0-or-later
"""A resource of a made-up kind, and a host that has it: what the engine does, without what Windows is like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict, TypeVar, Unpack

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    Call,
    Restart,
    Results,
    Secret,
    Step,
    Value,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import (
    Answer,
    Execute,
    Need,
    Reboot,
    Report,
    Request,
    Sleep,
    reconcile,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Option, Reading, Resource, Role

T = TypeVar("T")

STUCK = Kind("GF-TST-001", Owner.FABRIC, "is stuck", "push it")
NO_POWER = Kind("GF-TST-002", Owner.FABRIC, "has no power", "plug it in")
GLUED = Kind("GF-TST-003", Owner.TENANT, "is glued", "leave it")


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call("Get-Switch", id="switches", select=("Name", "On", "Colour", "Waits", "Wear"), accept=("NoBox",)),
        Call("Get-Box", id="box", select=("Warming", "Power")),
    )


def _read(results: Results, _config: Sequence[Item]) -> Reading:
    if results.error("switches") is not None:
        return Reading({}, missing=Problem(NO_POWER, ""))
    state = {
        str(item["Name"]).casefold(): {
            "name": str(item["Name"]),
            "on": bool(item["On"]),
            "colour": str(item["Colour"]),
            "waits": bool(item["Waits"]),
            "wear": int(str(item["Wear"])),
            "powered": bool(results.first("box")["Power"]),
        }
        for item in results.objects("switches")
    }
    return Reading(state, settling="warming up" if results.first("box")["Warming"] else "")


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    if after is None:
        assert before is not None
        return (changing("Remove-Switch", {"Name": str(before["name"])}),)
    if before is not None and before["waits"]:
        return (Restart("a switch waits for it"),)
    values: dict[str, Value] = {"Name": str(after["name"]), "On": bool(after["on"])}
    if "colour" in after:
        values["Colour"] = str(after["colour"])
    key = after.get("key")
    if isinstance(key, Secret):
        values["Key"] = key
    return (changing("Set-Switch", values),)


def _refuse(before: Item | None, _after: Item | None) -> Sequence[Problem]:
    return (Problem(GLUED, str(before["name"])),) if before is not None and before["colour"] == "glue" else ()


def _require(before: Item | None, after: Item | None) -> Sequence[Problem]:
    powered = before is None or before["powered"]
    return () if powered or after is None else (Problem(NO_POWER, str(after["name"])),)


SWITCHES = Resource(
    name="switches",
    owner=Owner.FABRIC,
    options=(
        Option("name", Role.KEY, required=True),
        Option("on", type="bool", default=False),
        Option("colour", longest=1_000_000),
        Option("key", Role.INPUT, secret=True),
        Option("wear", Role.COMPUTED, type="int"),
    ),
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    require=_require,
    keeps=lambda item: item["colour"] == "built in",
)


class RunOptions(TypedDict, total=False):
    """What a task may ask for beside config."""

    state: str
    reboot: bool
    settle_seconds: float


class Options(RunOptions, total=False):
    """The same, and how the task is run."""

    check_mode: bool


@dataclass
class Switch:
    name: str
    on: bool = False
    colour: str = "white"
    waits: bool = False
    wear: int = 0


@dataclass
class Box:
    """The host.

    `slow`: what is set waits for a restart; `deaf`: what is set stays as it was; `lost`: no restart comes to an end.
    """

    switches: dict[str, Switch] = field(default_factory=dict)
    warming: int = 0
    power: bool = True
    missing: bool = False
    slow: bool = False
    deaf: bool = False
    lost: bool = False
    failing: Mapping[str, str] = field(default_factory=dict)
    tamper: Callable[[dict[str, object]], dict[str, object]] = lambda answer: answer
    executions: list[Execute] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    reboots: list[str] = field(default_factory=list)
    slept: float = 0.0

    def run(self, config: Sequence[Item], resource: Resource = SWITCHES, **options: Unpack[Options]) -> Report:
        """Carry out a task."""
        request = Request(state="merged", config=config, thing="box-1", reboot=True)
        return self.drive(reconcile(resource, replace(request, **options)))

    def drive(self, work: Generator[Need, Answer, T]) -> T:
        """Do what is needed until the work is finished."""
        answer: Answer | None = None
        while True:
            try:
                need = next(work) if answer is None else work.send(answer)
            except StopIteration as finished:
                report: T = finished.value
                return report
            answer = self._do(need)

    def _do(self, need: Need) -> Answer:
        match need:
            case Execute():
                self.executions.append(need)
                return self.tamper(self._execute(need))
            case Reboot():
                self.reboots.append(need.reason)
                for switch in self.switches.values():
                    switch.waits = self.deaf and switch.waits
                self.slow = self.slow and self.deaf
            case Sleep():
                self.slept += need.seconds
        return {}

    def _execute(self, need: Execute) -> dict[str, object]:
        results: list[dict[str, object]] = []
        for call in need.calls:
            self.calls[call.cmdlet] += 1
            error = self.failing.get(call.cmdlet) or ("NoBox" if self.missing and call.cmdlet == "Get-Switch" else None)
            if error is not None:
                accepted = error in call.accept
                described = {"id": error, "category": "NotSpecified", "message": f"{call.cmdlet} did not like it"}
                results.append({"id": call.id, "error": described, "accepted": accepted})
                if not accepted:
                    return {"results": results, "failed": True, "msg": "it failed"}
                continue
            results.append({"id": call.id, "output": self._output(call), "warnings": self._warnings(call)})
        return {"results": results, "changed": False}

    def _warnings(self, call: Call) -> list[str]:
        return ["careful"] if call.changes else []

    def _output(self, call: Call) -> list[object]:
        match call.cmdlet:
            case "Get-Switch":
                found = [
                    {"Name": item.name, "On": item.on, "Colour": item.colour, "Waits": item.waits, "Wear": item.wear}
                    for item in self.switches.values()
                ]
                return [{name: item[name] for name in call.select} for item in found]
            case "Get-Box":
                self.warming -= 1
                return [{"Warming": self.warming >= 0, "Power": self.power}]
            case "Set-Switch" if not self.deaf:
                name = str(call.parameters["Name"])
                switch = self.switches.setdefault(name.casefold(), Switch(name))
                if self.slow:
                    switch.waits = True
                    return []
                switch.on = bool(call.parameters.get("On", switch.on))
                switch.colour = str(call.parameters.get("Colour", switch.colour))
                switch.wear += 1
            case "Remove-Switch":
                del self.switches[str(call.parameters["Name"]).casefold()]
        return []


def box(*switches: Switch, **more: object) -> Box:
    """Make a host with these switches."""
    made = Box({item.name.casefold(): item for item in switches})
    for name, value in more.items():
        setattr(made, name, value)
    return made
