# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which findings somebody means, said in JMESPath: `[?owner=='fabric' && starts_with(machine, 'hv')]`.

A query that no finding could ever match - a word misspelt, a field that findings do not have, two conditions that
exclude each other - is an error when it is read, and not a suppression that silently covers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from .findings import Finding, as_data
from .problems import FabricError, Kind, Owner, Problem

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    import jmespath
    from jmespath.exceptions import JMESPathError
    from jmespath.visitor import TreeInterpreter

Node: TypeAlias = Mapping[str, Any]
"""A node of a parsed query: its type, its value and its children."""

_OF_A_KIND = ("id", "severity", "owner", "title", "cause", "remedy")
"""Fields that follow from the kind of a finding; the others may have any value."""

BAD_QUERY = Kind(
    "GF-WAT-002",
    Owner.CONTROLLER,
    "is no query that selects findings",
    "write a JMESPath filter over the fields of a finding, such as [?owner=='fabric' && severity=='info']",
)
MATCHES_NOTHING = Kind(
    "GF-WAT-003",
    Owner.CONTROLLER,
    "can match no finding at all",
    "correct the misspelt id, severity or owner, or the conditions that exclude each other",
)


@dataclass(frozen=True)
class Query:
    """A query that was checked."""

    text: str
    condition: Node

    def matches(self, finding: Finding) -> bool:
        """Tell whether it selects a finding."""
        return _true(_concrete(self.condition, as_data(finding)))


def read(text: str, samples: Sequence[Finding]) -> Query:
    """Read a query; `samples` has a finding of each kind, and of each owner that a kind can have.

    Raises FabricError: GF-WAT-002 for what is no query, GF-WAT-003 where no finding like them can match.
    """
    try:
        tree: Any = jmespath.compile(text).parsed
    except JMESPathError as error:
        raise FabricError(Problem(BAD_QUERY, text, str(error).splitlines()[0])) from error
    left, right, condition = tree["children"] if tree["type"] == "filter_projection" else ({}, {}, {})
    if left.get("type") != "identity" or right.get("type") != "identity":
        raise FabricError(Problem(BAD_QUERY, text, "it is not one filter, [?...]"))
    known = as_data(samples[0])
    unknown = sorted(_fields(condition) - set(known))
    if unknown:
        raise FabricError(Problem(BAD_QUERY, text, f"a finding has no {', '.join(unknown)}, only {', '.join(known)}"))
    try:
        possible = any(_possible(condition, as_data(sample)) is not False for sample in samples)
    except JMESPathError as error:
        raise FabricError(Problem(BAD_QUERY, text, str(error).splitlines()[0])) from error
    if not possible:
        raise FabricError(Problem(MATCHES_NOTHING, text))
    return Query(text, condition)


def _fields(node: Node) -> set[str]:
    """Return the fields of a finding that a condition looks at, leaving out those inside of a field's value."""
    if node["type"] == "field":
        return {str(node["value"])}
    if node["type"] in ("literal", "current"):
        return set()
    inside = node["type"] in (
        "subexpression",
        "index_expression",
        "projection",
        "value_projection",
        "filter_projection",
    )
    children = node["children"][:1] if inside else node["children"]
    return set().union(*(_fields(child) for child in children)) if children else set()


def _concrete(node: Node, data: Mapping[str, object]) -> object:
    interpreter: Any = TreeInterpreter()
    value: object = interpreter.visit(node, data)
    return value


def _true(value: object) -> bool:
    # JMESPath, "Or Expressions": false are null, false, and empty strings, lists and objects; 0 is true.
    return not (value is None or value is False or value in ("", [], {}))


def _possible(node: Node, data: Mapping[str, object]) -> bool | None:
    """Tell whether a condition holds for every finding of a kind, for none of them, or, None, for some perhaps."""
    if _fields(node) <= set(_OF_A_KIND):
        return _true(_concrete(node, data))
    if node["type"] == "not_expression":
        inside = _possible(node["children"][0], data)
        return None if inside is None else not inside
    if node["type"] in ("and_expression", "or_expression"):
        sides = [_possible(child, data) for child in node["children"]]
        decisive = node["type"] == "or_expression"
        return decisive if decisive in sides else None if None in sides else not decisive
    return None
