# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: a whole guarded fabric on the embedded lab, and what it is good for."""
