# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What servers are ready for, as tables that a person reads; and which of them are not ready for a mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fabric_summary import table
from .findings import shown
from .requirement import Mode, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


_MODES = {Mode.TPM: "TPM", Mode.HOST_KEY: "host key"}
_NOT_ASKED = "could not be asked"


def verdict(answer: Mapping[str, Any] | None, mode: Mode) -> Verdict:
    """Return what a host is ready for; a host that did not answer is unknown and never fine."""
    return Verdict.UNKNOWN if not answer else Verdict(answer["modes"][mode.value])


def summary(answers: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Return the lines of the tables: hosts with what they are ready for, then what is missing with its remedy."""
    hosts = [
        [
            name,
            _NOT_ASKED if not answer else shown(answer["facts"].get("caption")),
            *(verdict(answer, mode).value for mode in Mode),
        ]
        for name, answer in sorted(answers.items())
    ]
    lines = table("Readiness", ["host", "Windows", *(f"{name} mode" for name in _MODES.values())], hosts)
    missing = [(name, item) for name, answer in sorted(answers.items()) if answer for item in answer["findings"]]
    if not missing:
        return lines
    rows = [
        [
            name,
            item["id"],
            item["means"],
            ", ".join(_MODES[Mode(mode)] for mode in sorted(item["modes"], reverse=True)),
            f"{item['title']} ({item['property']})" if item["property"] else item["title"],
            shown(item["actual"]),
        ]
        for name, item in missing
    ]
    lines += table("Missing", ["host", "id", "means", "for", "the host ...", "found"], rows)
    remedies = {item["id"]: [item["id"], item["owner"], item["remedy"]] for _name, item in missing}
    return lines + table("Remedies", ["id", "whose", "remedy"], [remedies[name] for name in sorted(remedies)])


def not_ready(answers: Mapping[str, Mapping[str, Any] | None], mode: Mode) -> list[str]:
    """Return the hosts that cannot be guarded hosts of a mode, even after the rollout has prepared them."""
    fine = (Verdict.READY, Verdict.PREPARABLE)
    return [name for name, answer in sorted(answers.items()) if verdict(answer, mode) not in fine]
