# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The metadata of a Host Guardian Service: what a tenant needs to trust the fabric it guards ([MS-KPS] 3.1.5.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import GUARDIAN_METADATA
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Capture, Captured
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import ArtifactKind
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

URL = "http://localhost/KeyProtection/service/metadata/2014-07/metadata.xml"
"""The node's own: it needs no name resolution, and nobody between it and the node could answer in its place."""

_BYTE_ORDER_MARKS = ("\ufeff", "\u00ef\u00bb\u00bf")
"""As UTF-8 text begins, read as UTF-8 and as ISO 8859-1, which Windows PowerShell assumes."""

NOTHING_SERVED = Kind(
    "GF-META-001",
    Owner.GUARDIAN,
    "serves no guardian metadata",
    "see that the Key Protection Service has its signing and encryption certificates on this node",
)


def _targets(config: Item) -> Sequence[tuple[ArtifactKind, str]]:
    return ((GUARDIAN_METADATA, str(config["name"])),)


def _observe(_config: Item) -> Sequence[Call]:
    return (Call("Invoke-WebRequest", {"Uri": URL, "UseBasicParsing": True}, id="metadata", select=("Content",)),)


def _read(results: Results, config: Item) -> Sequence[Captured]:
    served = results.first("metadata").get("Content")
    text = served if isinstance(served, str) else ""
    for mark in _BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    content = served if isinstance(served, bytes) else text.encode()
    if not content:
        raise FabricError(Problem(NOTHING_SERVED, "this node", URL))
    return (Captured(GUARDIAN_METADATA, str(config["name"]), content),)


CAPTURE = Capture(
    name="guardian_metadata",
    owner=Owner.GUARDIAN,
    options=(Option("name", Role.INPUT, required=True),),
    targets=_targets,
    observe=_observe,
    read=_read,
)
