# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m ansible_collections.guarded.fabric.lab`."""

import sys

from .command_line import main

sys.exit(main())
