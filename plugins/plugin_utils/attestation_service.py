# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the resources of the attestation service share: knowing that there is none on this server yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .problems import Kind, Owner, Problem

if TYPE_CHECKING:
    from .calls import Results

NOT_ANSWERING = Kind(
    "GF-ATS-001",
    Owner.GUARDIAN,
    "does not answer",
    "set up HGS on this server first (module guarded.fabric.hgs_server), and run this as its administrator",
)


def missing(results: Results, call: str) -> Problem | None:
    """Return why a reading cmdlet of the service gave nothing.

    The ids of its errors are not published, so any error of it counts; its message is what the operator needs.
    """
    error = results.error(call)
    return None if error is None else Problem(NOT_ANSWERING, "the attestation service", error.message)
