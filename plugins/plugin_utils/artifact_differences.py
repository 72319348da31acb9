# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between two artifacts of a kind, in words: where it is measured, old and new, the usual cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    si_policy_binary,
    si_policy_comparison,
    tcg_log,
    tpm_baseline,
)

from .artifact_kinds import CODE_INTEGRITY_POLICY, TPM_BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def _of_baselines(old: bytes, new: bytes) -> Sequence[str]:
    baselines = (tpm_baseline.baseline(tcg_log.parse(content)) for content in (old, new))
    return [
        f"{difference.element} (PCR {difference.pcr}, {difference.event}): {difference.old} -> {difference.new}"
        f" (usual cause: {difference.usual_cause})"
        for difference in tpm_baseline.differences(*baselines)
    ]


def _of_policies(old: bytes, new: bytes) -> Sequence[str]:
    policies = (si_policy_binary.read(content) for content in (old, new))
    return [str(difference) for difference in si_policy_comparison.differences(*policies)]


BY_FOLDER: Mapping[str, Callable[[bytes, bytes], Sequence[str]]] = {
    TPM_BASELINE.folder: _of_baselines,
    CODE_INTEGRITY_POLICY.folder: _of_policies,
}
"""By the folder of the kind; takes the contents of the old artifact and of the new one. Both were read before, so that
neither is damaged."""
