# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between two artifacts of a kind, in words: where it is measured, old and new, the usual cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .artifact_kinds import CODE_INTEGRITY_POLICY, TPM_BASELINE
from .evidence import boot_logs, evidence
from .findings import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .findings import Finding


def _of_baselines(old: bytes, new: bytes) -> Sequence[str]:
    """Say what HGS compares and differs; then what else was measured otherwise, since it tells the cause."""
    found = _found(old, new)
    compared = [finding for finding in found if finding.kind in boot_logs.DIFFERENCES.values()]
    beside = [finding for finding in found if finding.kind in boot_logs.CHANGES.values()] if compared else []
    return [*map(_words, compared), *(f"not compared by HGS: {_words(finding)}" for finding in beside)]


def _of_policies(old: bytes, new: bytes) -> Sequence[str]:
    return [_words(finding) for finding in _found(old, new)]


def _found(old: bytes, new: bytes) -> Sequence[Finding]:
    return evidence.differences(evidence.read(old), evidence.read(new), "")


def _words(finding: Finding) -> str:
    place = f" ({finding.option})" if finding.option else ""
    values = f"{shown(finding.expected)} -> {shown(finding.actual)}"
    return f"{finding.kind.id} {finding.item}{place}: {values} (usual cause: {finding.kind.cause})"


BY_FOLDER: Mapping[str, Callable[[bytes, bytes], Sequence[str]]] = {
    TPM_BASELINE.folder: _of_baselines,
    CODE_INTEGRITY_POLICY.folder: _of_policies,
}
"""By the folder of the kind; takes the contents of the old artifact and of the new one. Both were read before, so that
neither is damaged."""
