# SPDX-License-Identifier: GPL-3.0-or-later

.DEFAULT_GOAL := help
.PHONY: help setup test demo bench lab lint types unit fuzz derived changelog lock clean

# Nothing of a run is left in, or read from, the user's own ~/.ansible.
export ANSIBLE_HOME := $(CURDIR)/.build/ansible-home
# __pycache__ of the same tree under two names (the clone, .build/ansible_collections/guarded/fabric) would mix.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.build/pycache

help:  ## what there is to make
	@sed -nE 's/^([a-z]+):.*  ## (.*)$$/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 8

setup:  ## make this clone ready (Python 3.11 to 3.13, git; packages from PyPI)
	@bash scripts/setup.sh

test: setup  ## everything that is checked
	@.venv/bin/python scripts/check.py

lint: setup  ## ruff only
	@.venv/bin/ruff check && .venv/bin/ruff format --check

types: setup  ## mypy only
	@.venv/bin/python scripts/check.py types

unit: setup  ## unit tests only
	@.venv/bin/pytest -q -n 2

fuzz: setup  ## give each parser 100,000 mutated inputs (COUNT=..., TARGETS="tcg_log sipa")
	@PYTHONPATH=.build .venv/bin/python -m ansible_collections.guarded.fabric.tests.fuzz $(if $(COUNT),--count $(COUNT)) $(TARGETS)

demo: setup  ## roll out a whole guarded fabric on the embedded lab
	@PYTHONPATH=.build .venv/bin/python -m ansible_collections.guarded.fabric.demo

bench: setup  ## measure what the collection costs, with 1,000 lab hosts or BENCH_HOSTS=50
	@PYTHONPATH=.build .venv/bin/python -m ansible_collections.guarded.fabric.bench

lab: setup  ## start the embedded lab and keep it up to play with
	@PYTHONPATH=.build .venv/bin/python -m ansible_collections.guarded.fabric.demo --keep

derived: setup  ## write what follows from other files: README tables, action group, docs/errors.md
	@.venv/bin/python scripts/derived.py
	@.venv/bin/python scripts/generate_error_reference.py

changelog: setup  ## take fragments and new modules into the release notes of galaxy.yml's version
	@.venv/bin/python scripts/release_notes.py

lock: setup  ## resolve requirements-*.in anew
	@bash scripts/lock.sh

clean:  ## remove all that the above made
	rm -rf .build .venv
