# SPDX-License-Identifier: GPL-3.0-or-later
"""An embedded lab: a guarded fabric's Windows machines, played by a Python program behind the real WinRM wire."""
