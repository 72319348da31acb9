#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Resolves requirements-*.in into their lock files: every package pinned, for the oldest Python each environment may have.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=.build/venv-lock
[ -x $tool/bin/uv ] || { .venv/bin/python -m venv $tool && $tool/bin/python -m pip install --quiet uv; }

# Resolves $1.in for Python $2 into $1.txt.
lock() {
  {
    head -n 1 "$1.in"
    printf '#\n# Resolved from %s.in for Python %s; `make lock` writes it anew.\n' "$1" "$2"
    $tool/bin/uv pip compile --quiet --no-header --no-emit-index-url --no-emit-find-links --upgrade --python-version "$2" "$1.in"
  } >".build/$1.txt"
  mv ".build/$1.txt" "$1.txt"
}

lock requirements-dev 3.11
lock requirements-core-2.21 3.12
