# SPDX-License-Identifier: GPL-3.0-or-later
"""The cmdlets the lab knows, one file per Windows module."""
