# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP endpoints of the Host Guardian Service."""
