# Kefu in a few verbs. `make` lists them; the first one that needs packages makes .venv, which takes Python 3.11 and no compiler.

PYTHON := $(shell for name in python3.11 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$name && break; done)
RUN := .venv/bin/python
SHELL := /bin/sh
# Compiled code stays beside the packages, or each of our processes would take twice as long to start where the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/bytecode
.DEFAULT_GOAL := help
.PHONY: help run test quick lint model bench faults lock messages clean need-python install install-dev

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: install ## everything on this machine: database, Redis, web, workers, demo companies (KEFU_PORT, KEFU_DATA)
	@exec $(RUN) -m kefu.dev

test: install-dev ## all tests, by two processes (ARGS="-k widget" narrows them, "-n 0" runs them in this one)
	@$(RUN) -m kefu.dev.translations
	@exec $(RUN) -m pytest -n 2 $(ARGS)

quick: install-dev ## the tests that need no browser, no running product and no patience
	@$(RUN) -m kefu.dev.translations
	@exec $(RUN) -m pytest -n 2 -m "not product and not browser and not model and not faults and not slow" $(ARGS)

lint: install-dev ## style, types, missing migrations
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m kefu.dev.with_environment mypy
	@$(RUN) -m kefu.dev.with_environment --database manage.py makemigrations --check --dry-run

model: install ## fetch a local language model, 1.1 GB (ARGS=--small: 0.5 GB); the next `make run` uses it
	@exec $(RUN) -m kefu.dev.model fetch $(ARGS)

bench: install-dev ## what can be measured here, and ARGS=NAME to measure it
	@exec $(RUN) -m tests.bench $(ARGS)

faults: install-dev ## break what can be broken and check that nothing is lost (SEED=7 MINUTES=5; ARGS=--help)
	@exec $(RUN) -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

lock: install-dev ## requirements.txt and tests/requirements.txt from pyproject.toml
	@$(RUN) -m kefu.dev.lock $(ARGS)

messages: install-dev ## collect texts to translate into kefu/locale (needs gettext)
	@$(RUN) -m kefu.dev.with_environment manage.py makemessages -l zh_Hans --no-obsolete --ignore '.venv/*' --ignore 'tests/*'
	@$(RUN) -m kefu.dev.with_environment manage.py makemessages -l zh_Hans -d djangojs --no-obsolete --ignore '.venv/*' --ignore 'tests/*'

clean: ## remove the data of `make run` (a fetched model stays) and all caches
	@test ! -x $(RUN) || $(RUN) -m kefu.dev.clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

need-python:
	@test -n "$(PYTHON)" || { echo "Kefu needs Python 3.11, and there is none on the PATH. Debian, Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11"; exit 1; }

install: need-python
	@$(PYTHON) kefu/dev/bootstrap.py requirements.txt

install-dev: need-python
	@$(PYTHON) kefu/dev/bootstrap.py requirements.txt tests/requirements.txt
