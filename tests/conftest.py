# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

# Beside the other caches, so that none of them gets into what `ansible-galaxy collection build` packs.
set_hypothesis_home_dir(Path(__file__).resolve().parents[1] / ".build" / "hypothesis")

# A deadline for an example would measure how busy the machine is.
settings.register_profile("default without deadline", deadline=None)
settings.load_profile("default without deadline")
