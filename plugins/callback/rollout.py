# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stdout callback that shows a long rollout as phases: what runs now, what changed, what each phase cost."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible_collections.guarded.fabric.plugins.plugin_utils.connection_problems import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENTATION = r"""
name: rollout
type: stdout
short_description: Show a rollout as phases with their cost
version_added: 0.1.0
description:
  - Prints a line for each task that says on how many hosts it changed something, and a table at the end that says how
    long each play took. A play is a phase of the rollout.
  - Problems of this collection's modules are shown with their id, owner and next step, one under the other. So is the
    problem of a machine that cannot be reached, whatever the connection said of it.
requirements:
  - Set it as stdout callback in configuration.
options:
  summary:
    description: File that gets the numbers of the whole run as JSON, for programs that start it.
    type: path
    env:
      - name: GUARDED_FABRIC_ROLLOUT_SUMMARY
    ini:
      - section: callback_rollout
        key: summary
"""


QUIET = frozenset(
    prefix + name
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
    for name in ("include_tasks", "include_role", "import_tasks", "import_role", "validate_argument_spec")
)
"""Actions that are not shown where they go well: what they lead to shows itself."""


@dataclass
class Phase:
    """A play: seconds it took, and what it did."""

    name: str
    started: float
    seconds: float = 0.0
    tasks: int = 0
    results: int = 0
    changed: int = 0
    failed: int = 0


@dataclass
class Step:
    """A task that runs now: the hosts by how it went for them."""

    name: str
    started: float
    ok: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    delegated: bool = False
    """Whether its loops run over machines, which count then instead of the hosts that the loops are of."""


def step_line(step: Step, seconds: float) -> str:
    """Return a finished task as one line."""
    parts = []
    if step.changed:
        parts.append(f"changed on {_hosts(step.changed)}")
    if step.ok:
        parts.append(f"nothing to do on {_hosts(step.ok)}" if step.changed else f"ok on {_hosts(step.ok)}")
    if step.failed:
        parts.append(f"FAILED on {_hosts(step.failed)}")
    return f"  {step.name}: {', '.join(parts)} ({seconds:.1f} s)"


def _hosts(names: list[str]) -> str:
    # A loop may have been delegated to the same machine several times.
    machines = sorted(set(names))
    return ", ".join(machines) if len(machines) <= 3 else f"{len(machines)} machines"  # noqa: PLR2004 - what fits a line


def phase_table(phases: list[Phase]) -> list[str]:
    """Return the phases as a table: seconds, tasks, results that changed something."""
    shown = [phase for phase in phases if phase.results]
    width = max([len("phase"), *(len(phase.name) for phase in shown)])
    lines = [f"{'phase':<{width}}  seconds  tasks  changed"]
    lines += [f"{p.name:<{width}}  {p.seconds:7.1f}  {p.tasks:5}  {p.changed:7}" for p in shown]
    total = sum(phase.seconds for phase in phases)
    lines.append(f"{'all':<{width}}  {total:7.1f}  {sum(p.tasks for p in shown):5}  {sum(p.changed for p in shown):7}")
    return lines


def summary(phases: list[Phase]) -> dict[str, object]:
    """Return the numbers of a run: results that changed something or failed, and seconds by phase."""
    return {
        "changed": sum(phase.changed for phase in phases),
        "failed": sum(phase.failed for phase in phases),
        "seconds": {phase.name: round(phase.seconds, 3) for phase in phases if phase.results},
    }


def failure_lines(host: str, result: Mapping[str, Any]) -> list[str]:
    """Return why a task failed on a host; problems with ids one by one."""
    problems = result.get("problems")
    if not isinstance(problems, list) or not problems:
        return [f"    {host}: {result.get('msg', 'no message')}"]
    lines = []
    for problem in problems:
        detail = f" ({problem['detail']})" if problem.get("detail") else ""
        lines.append(f"    {problem['id']} [{problem['owner']}] {problem['thing']}: {problem['what']}{detail}")
        lines.append(f"      next: {problem['next_step']}")
    return lines


def unreachable_lines(host: str, result: Mapping[str, Any]) -> list[str]:
    """Return why a host cannot be reached, in this collection's words before the connection's own."""
    problems = result.get("problems") or [{"detail": result.get("msg", "")}]
    message = str(problems[0].get("detail", ""))
    kind = kind_of(message)
    return [
        f"    {kind.id} [{kind.owner.value}] {host}: {kind.title} ({' '.join(message.split())})",
        f"      next: {kind.next_step}",
    ]


def _host_of(result: Any) -> str:  # noqa: ANN401
    return str(result._host.get_name())  # noqa: SLF001


def _delegated(result: Any) -> str:  # noqa: ANN401
    """Return the name of the machine that a task was delegated to; empty where it was not."""
    return str(result._task_fields.get("delegate_to") or "")  # noqa: SLF001


def _color(purpose: str) -> str:
    """Return the colour that the user's settings give to a purpose, such as ERROR."""
    return str(getattr(constants, f"COLOR_{purpose}"))


class CallbackModule(CallbackBase):
    """Shows phases."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "guarded.fabric.rollout"

    def __init__(self) -> None:
        super().__init__()
        self._phases: list[Phase] = []
        self._step: Step | None = None

    def v2_playbook_on_play_start(self, play: Any) -> None:  # noqa: ANN401 - Ansible's own type
        """Begin a phase."""
        self._finish_step()
        self._finish_phase()
        self._phases.append(Phase(play.get_name().strip(), time.monotonic()))
        self._display.display(f"\n{self._phases[-1].name}", color=_color("HIGHLIGHT"))

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ANN401, ARG002, FBT001
        """Begin a step."""
        self._finish_step()
        self._step = Step(task.get_name().strip(), time.monotonic())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:  # noqa: ANN401
        """Begin a step of a handler."""
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_runner_on_ok(self, result: Any) -> None:  # noqa: ANN401
        """Count a host on which the task went well."""
        if result._task.action in QUIET or self._counted_items:  # noqa: SLF001 - the callback API hands results over so
            return
        self._count_success(result, _host_of(result))
        if result._task.action in constants._ACTION_DEBUG:  # noqa: SLF001
            self._show_message(result._result.get("msg"))  # noqa: SLF001

    def v2_runner_item_on_ok(self, result: Any) -> None:  # noqa: ANN401
        """Count a machine that a loop was delegated to."""
        if self._step is not None and (machine := _delegated(result)):
            self._step.delegated = True
            self._count_success(result, machine)

    def v2_runner_item_on_failed(self, result: Any) -> None:  # noqa: ANN401
        """Show why a task failed on a machine that a loop was delegated to, or why that cannot be reached."""
        if self._step is not None and (machine := _delegated(result)):
            self._step.delegated = True
            ignored = "unreachable" if result._result.get("unreachable") else "errors"  # noqa: SLF001
            lines = unreachable_lines if ignored == "unreachable" else failure_lines
            self._failed(
                machine,
                lines(machine, result._result),  # noqa: SLF001
                ignored=bool(result._task_fields.get(f"ignore_{ignored}")),  # noqa: SLF001
            )

    @property
    def _counted_items(self) -> bool:
        """Whether the machines of a loop were counted one by one; its own result says nothing more."""
        return self._step is not None and self._step.delegated

    def _count_success(self, result: Any, host: str) -> None:  # noqa: ANN401
        changed = bool(result._result.get("changed"))  # noqa: SLF001
        if self._step is not None:
            (self._step.changed if changed else self._step.ok).append(host)
        if self._phases:
            self._phases[-1].results += 1
            self._phases[-1].changed += changed

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002
        """Show why a task failed."""
        if not self._counted_items:
            host = _host_of(result)
            self._failed(host, failure_lines(host, result._result), ignored=ignore_errors)  # noqa: SLF001

    def _failed(self, host: str, lines: list[str], *, ignored: bool) -> None:
        if self._step is not None:
            self._step.failed.append(host)
        if self._phases:
            self._phases[-1].results += 1
            self._phases[-1].failed += not ignored
        for line in lines:
            self._display.display(line, color=_color("ERROR"))

    def v2_runner_on_unreachable(self, result: Any) -> None:  # noqa: ANN401
        """Show why a host cannot be reached."""
        if not self._counted_items:
            host = _host_of(result)
            self._failed(host, unreachable_lines(host, result._result), ignored=False)  # noqa: SLF001

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ANN401
        """Show what each phase cost, and which hosts failed."""
        self._finish_step()
        self._finish_phase()
        self._display.display("")
        for line in phase_table(self._phases):
            self._display.display(line)
        self._write_summary()
        failed = sorted({*stats.failures, *stats.dark})
        if failed:
            self._display.display(f"failed: {', '.join(failed)}", color=_color("ERROR"))

    def _write_summary(self) -> None:
        path = CallbackBase.get_option(self, "summary")
        if path:
            Path(path).write_text(json.dumps(summary(self._phases)), encoding="utf-8")

    def _show_message(self, message: object) -> None:
        for line in message if isinstance(message, list) else [message]:
            self._display.display(f"  {line}".rstrip())

    def _finish_step(self) -> None:
        step, self._step = self._step, None
        if step is None or not (step.ok or step.changed or step.failed):
            return
        if self._phases:
            self._phases[-1].tasks += 1
        color = _color("CHANGED" if step.changed else "OK")
        self._display.display(step_line(step, time.monotonic() - step.started), color=color)

    def _finish_phase(self) -> None:
        if self._phases and not self._phases[-1].seconds:
            self._phases[-1].seconds = time.monotonic() - self._phases[-1].started
