# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets Ansible find the documentation, exchange_repository.yml; the action plugin does the work."""

from __future__ import annotations
