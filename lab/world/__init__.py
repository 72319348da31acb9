# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is in the lab and how it behaves."""
