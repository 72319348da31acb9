# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a resource is: a table of options, and the few functions that only it can know.

A resource describes one kind of thing of a guarded fabric. `observe` says which cmdlets read it, `read` turns their
output into state, `change` says which cmdlets lead from one state of an item to another. All three are pure;
planning, check mode, diff and rendering follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from .calls import Call, Results, Step
from .exchange import ArtifactKind
from .problems import Owner, Problem

Item = Mapping[str, object]
"""An item of `config`, or of the state before or after: option name to value."""

State = Mapping[str, Item]
"""Items by key, in the order of the fabric's answer."""

SINGLE = ""
"""The key of the one item of a resource that has only one."""


class Role(Enum):
    """What an option is for."""

    KEY = "key"
    """Names the item."""
    STATE = "state"
    """Is read from the fabric and compared."""
    INPUT = "input"
    """Is needed to get there and cannot be read back: a password, a file."""
    DERIVED = "derived"
    """Is compared, and follows from the inputs: nobody is asked for it, `Resource.prepare` fills it in."""
    COMPUTED = "computed"
    """Is decided by the fabric and only reported."""


@dataclass(frozen=True)
class Option:
    """A row of a resource's table, in the terms of Ansible's argument spec.

    `artifact` makes a path option stand for a file of the exchange directory, which is loaded and checked before
    anything is planned; `approval` refuses one that nobody approved. `same` compares the value before with the one
    wanted where plain equality is too strict (Windows ignores case in names).

    `longest` is the number of characters that a text may have; a secret may have any. `literal` says that some cmdlet
    it goes to matches it as a pattern, so that wildcard characters are refused (texts.py).
    """

    name: str
    role: Role = Role.STATE
    type: str = "str"
    required: bool = False
    default: object = None
    choices: tuple[str, ...] = ()
    elements: str | None = None
    suboptions: tuple[Option, ...] = ()
    secret: bool = False
    artifact: ArtifactKind | None = None
    approval: bool = False
    file: bool = False
    longest: int = 255
    literal: bool = False
    same: Callable[[object, object], bool] | None = None


@dataclass(frozen=True)
class Reading:
    """What a resource made of its observation.

    `state` is what is there. `settling` says why it is not final yet (a service that is still starting); the engine
    observes again until it is empty or time is up. `missing` names what has to be installed or done first; a run fails
    on it, a check mode run goes on as if nothing were there, since an earlier task of the same play may bring it.
    `obstacles` are like what `Resource.require` says, by key of an item, where it follows from what was read.
    """

    state: State
    settling: str = ""
    missing: Problem | None = None
    obstacles: Mapping[str, Sequence[Problem]] = field(default_factory=dict)


def no_problems(_before: Item | None, _after: Item | None) -> Sequence[Problem]:
    """Object to nothing: the default of `Resource.refuse`, `Resource.require` and `Resource.explain`."""
    return ()


def as_given(config: Sequence[Item]) -> Sequence[Item]:
    """Take config as it is: the default of `Resource.prepare`."""
    return config


def removable(_item: Item) -> bool:
    """Hold on to no item: the default of `Resource.keeps`."""
    return False


ALL_STATES = ("merged", "replaced", "overridden", "deleted", "gathered", "rendered")


@dataclass(frozen=True)
class Resource:
    """One kind of thing.

    name: the module's name. owner: the trust domain whose machine it runs on.
    prepare(config): completed by what follows from it. Raises FabricError for what is wrong with it by itself.
    observe(config): reading calls, each with an id. read(results, config): what they say.
    change(before, after): steps from one to the other; before None creates, after None removes; `after` has inputs too.
    refuse(before, after): why this change must not be tried.
    require(before, after): what has to be so first. A run fails on it; a check mode run only warns, since an earlier
    task of the same play may see to it.
    explain(before, after): why a change that was carried out did not lead there, where the resource can tell.
    keeps(item): whether `overridden` leaves it alone though it is not declared.
    single: there is one such thing on a machine and `config` is a mapping instead of a list.
    """

    name: str
    owner: Owner
    options: tuple[Option, ...]
    observe: Callable[[Sequence[Item]], Sequence[Call]]
    read: Callable[[Results, Sequence[Item]], Reading]
    change: Callable[[Item | None, Item | None], Sequence[Step]]
    prepare: Callable[[Sequence[Item]], Sequence[Item]] = as_given
    refuse: Callable[[Item | None, Item | None], Sequence[Problem]] = no_problems
    require: Callable[[Item | None, Item | None], Sequence[Problem]] = no_problems
    explain: Callable[[Item | None, Item | None], Sequence[Problem]] = no_problems
    keeps: Callable[[Item], bool] = removable
    single: bool = False
    states: tuple[str, ...] = ALL_STATES

    @property
    def key(self) -> str:
        """Name of the option that names an item; empty for a single one."""
        return next((option.name for option in self.options if option.role is Role.KEY), SINGLE)

    def key_of(self, item: Item) -> str:
        """Return the key of an item, in the form that two spellings of one name share: Windows ignores case."""
        return str(item[self.key]).casefold() if self.key else SINGLE
