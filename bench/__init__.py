# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs, measured on the embedded lab: docs/performance.md says what came of it."""
