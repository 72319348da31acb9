#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes a clone ready to run: virtual environments from PyPI, the tree under the name Ansible imports it by,
# and the collections it uses. Nothing outside of .venv and .build is written. Quick when nothing changed; run it as
# often as you like.
# PYTHON=/path/to/python3.11 chooses the interpreter; PYTHON_NEXT that of the second environment (PYTHON_NEXT=none: no second one).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

die() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# Whether interpreter $1 runs and is at least 3.$2 and at most 3.$3.
runs_python() {
  "$1" -c "import sys; raise SystemExit(not (3, $2) <= sys.version_info[:2] <= (3, $3))" >/dev/null 2>&1
}

# The first of the interpreters $3... between 3.$1 and 3.$2; nothing if there is none.
first_python() {
  local low=$1 high=$2 candidate
  shift 2
  for candidate; do
    if runs_python "$candidate" "$low" "$high"; then printf '%s\n' "$candidate"; return; fi
  done
}

# A virtual environment $1 of interpreter $2 with what lock file $3 names. A stamp inside says what it was made from, so that
# the next run has nothing to do; a clone that moved or a lock that changed makes it anew.
environment() {
  local venv=$1 python=$2 lock=$3 made_from
  made_from="$root/$venv $("$python" -c 'import sys; print(sys.version)') $(git hash-object "$lock" scripts/setup.sh | tr '\n' ' ')"
  if [ "$(cat "$venv/made-from" 2>/dev/null)" = "$made_from" ]; then return; fi
  printf 'setup: %s: %s with %s\n' "$venv" "$("$python" --version)" "$lock"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input --no-compile --requirement "$lock"
  # Puts .build/ansible_collections on sys.path, where both `import ansible_collections.guarded.fabric` and Ansible look.
  printf '%s\n' "$root/.build" >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/collections.pth"
  printf '%s\n' "$made_from" >"$venv/made-from"
}

for tool in git make; do
  command -v "$tool" >/dev/null || die "$tool is missing. On Debian: apt-get install $tool"
done
python=$(first_python 11 13 ${PYTHON:+"$PYTHON"} python3.11 python3 python3.12 python3.13 /usr/bin/python3)
[ -n "$python" ] || die "Python 3.11, 3.12 or 3.13 is missing (ansible-core 2.19 runs on no other)." \
  "On Debian: apt-get install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3.11 ..."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  die "$(command -v "$python") cannot make virtual environments. On Debian: apt-get install python3-venv"

mkdir -p .build/ansible_collections/guarded
# Two terminals may start at once; the second waits for the first and then finds nothing to do.
if command -v flock >/dev/null; then exec 9>.build/setup.lock; flock 9; fi

environment .venv "$python" requirements-dev.txt
ln -sfn ../../.. .build/ansible_collections/guarded/fabric
.venv/bin/python scripts/unpack_collection.py .build/ansible_collections ansible.windows awx.awx

if [ "${PYTHON_NEXT:-}" != none ]; then
  next=$(first_python 12 14 ${PYTHON_NEXT:+"$PYTHON_NEXT"} python3.14 python3.13 python3.12 \
    /usr/local/bin/python3.1[2-4] "$HOME"/.pyenv/versions/3.1[2-4]*/bin/python3)
fi
if [ -n "${next:-}" ]; then
  environment .build/venv-2.21 "$next" requirements-core-2.21.txt
else
  rm -rf .build/venv-2.21
  echo 'setup: no Python 3.12 or newer: what runs on ansible-core 2.21 is skipped'
fi
