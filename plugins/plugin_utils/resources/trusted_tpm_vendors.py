# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificates of TPM vendors that an HGS node trusts, whole, so that others can check a TPM against them.

They are public. Most nodes have some hundred of them, from the vendor bundle that Microsoft signs.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Inspection, Question
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.trusted_tpm_certificates import STORE_MISSING
from ansible_collections.guarded.fabric.plugins.plugin_utils.tpm_vendors import INTERMEDIATE, ROOT, STORES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

_NO_STORE = "PathNotFound"


def _observe(_options: Item) -> Sequence[Call]:
    return tuple(
        Call("Get-ChildItem", {"LiteralPath": [path]}, id=store, select=("Subject", "RawData"), accept=(_NO_STORE,))
        for store, path in STORES.items()
    )


def _certificates(results: Results, store: str) -> list[str]:
    found = [item["RawData"] for item in results.objects(store) if isinstance(item.get("RawData"), bytes)]
    return [base64.b64encode(content).decode() for content in found if isinstance(content, bytes)]


def _tell(results: Results, question: Question) -> Mapping[str, object]:
    missing = [path for store, path in STORES.items() if results.error(store) is not None]
    if missing:
        raise FabricError(Problem(STORE_MISSING, question.machine, missing[0]))
    return {
        "vendors": {"roots": _certificates(results, ROOT), "intermediates": _certificates(results, INTERMEDIATE)},
        "subjects": sorted({subject for store in STORES for subject in results.names(store, "Subject")}),
    }


INSPECTION = Inspection(
    name="trusted_tpm_vendors",
    owner=Owner.GUARDIAN,
    options=(),
    observe=_observe,
    tell=_tell,
)
