# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Problems that an operator can look up: what is wrong, whose side it is on, what to do next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Owner(Enum):
    """The three trust domains of a guarded fabric, and the controller that runs Ansible."""

    GUARDIAN = "guardian"
    FABRIC = "fabric"
    TENANT = "tenant"
    CONTROLLER = "controller"


@dataclass(frozen=True)
class Kind:
    """A kind of problem. Its id is stable: playbooks and runbooks may refer to it."""

    id: str
    owner: Owner
    title: str
    next_step: str


@dataclass(frozen=True)
class Problem:
    """A problem that a thing has."""

    kind: Kind
    thing: str
    detail: str = ""

    def __str__(self) -> str:
        """Say it in one sentence a person can act on."""
        detail = f" ({self.detail})" if self.detail else ""
        kind = self.kind
        return f"{kind.id} [{kind.owner.value}] {self.thing}: {kind.title}{detail}. Next: {kind.next_step}"


class FabricError(Exception):
    """One or more problems that stop the work before, or in the middle of, a change."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def reworded(self, change: Callable[[str], str]) -> FabricError:
        """Return the same with `change` made to whatever is not the collection's own words."""
        return FabricError(*self.reworded_problems(change))

    def reworded_problems(self, change: Callable[[str], str]) -> Iterator[Problem]:
        """Return its problems with `change` made to them."""
        return (replace(item, thing=change(item.thing), detail=change(item.detail)) for item in self.problems)
