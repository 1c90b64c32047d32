# Needs make, a POSIX shell and Python 3.11 or newer; everything else goes into .venv, from the lock files.
#   PYTHON=python3.12 make install     takes another interpreter
#   ARGS='...'                         is handed on to the command behind serve, test, lint and lock

PYTHON ?= python3
IMAGE  ?= swapmock
ARGS   ?=

VENV := .venv
BIN  := $(VENV)/bin
DEV  := $(VENV)/.installed-dev
RUN  := $(VENV)/.installed-run
LOG  := $(VENV)/install.log

# A venv that has everything also serves; a bare one gets only what the server needs.
SERVER := $(if $(wildcard $(DEV)),$(DEV),$(RUN))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install serve test test-long test-slow tools check check-static format bench fuzz mutants docs pictures site lint lock edges dist image clean

help: ## list these verbs
	@echo 'usage: make VERB [ARGS=...]'
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16 | sed 's/^/  /'

install: $(DEV) ## make .venv with everything for development

serve: $(SERVER) ## run the emulator; installs only what the server needs
	@exec $(BIN)/swapmock serve $(ARGS)

# Three workers for two cores: one of them always waits for an image, a callback or a time-out.
# Bytecode is written also where the environment says otherwise: without it every worker, and every program that a test
# starts, would compile the same modules anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

test: $(DEV) ## run the quick tests, which reach every part
	$(PYTEST) -m 'not long and not slow' $(ARGS)

test-long: $(DEV) ## run the long tests: what is installed elsewhere, the image, whole corpora; some minutes
	$(PYTEST) -m 'long and not slow' $(ARGS)

test-slow: $(DEV) ## run what takes hours and is not in CI: bad clients, mutants, planted bugs, every variant
	$(BIN)/pytest -n 2 --dist loadscope -m slow $(ARGS)

tools: $(DEV) ## run others' tools over the contracts and what is made from them; they come from npm and PyPI into .venv/tools
	$(BIN)/pytest -n 2 --dist worksteal -m slow tests/tools $(ARGS)

check: ## everything that must hold: check-static, then test
	@$(MAKE) --no-print-directory check-static
	@$(MAKE) --no-print-directory test

check-static: $(DEV) ## formatting, lint, types, and a documentation site without a broken link
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory site

format: $(DEV) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) ## measure speed beside the peers, into bench/RESULTS.md; ARGS=--install fetches the peers by npm
	$(BIN)/python -m bench $(ARGS)

fuzz: $(DEV) ## attack a server of its own; ARGS='--requests 100000 --seconds 600 --seed 0'
	$(BIN)/python -m tests.hostile.fuzz $(ARGS)

mutants: $(DEV) ## change the code in a copy, see whether a test notices; ARGS='--sample 200 --seed 0'
	@$(BIN)/python -c 'import cosmic_ray' 2>/dev/null || $(BIN)/python -m pip install --disable-pip-version-check --quiet 'cosmic-ray>=8.4,<9'
	$(BIN)/python -m tests.mutants $(ARGS)

pictures: $(DEV) ## make the pictures of the inspector in docs/images/ anew, with Chromium
	SWAPMOCK_PICTURES=1 $(BIN)/pytest tests/inspector/test_browser.py -k 'sound or pictures' $(ARGS)

lint: $(SERVER) ## lint the contracts
	$(BIN)/swapmock lint $(ARGS)

docs: $(DEV) ## write the pages of docs/ that are made from the data anew
	$(BIN)/python -m tests.examples.reference
	$(BIN)/python -m tests.examples.test_conform_docs
	$(BIN)/python -m tests.inspector.test_languages

# Mermaid draws the diagrams. Without npm they are shown as text, for the site fetches nothing from elsewhere.
site: $(DEV) ## build the documentation site into build/site
	@mkdir -p build
	@test -f build/mermaid.min.js || { cd build && npm pack --silent mermaid@11 >/dev/null && tar -xzf mermaid-*.tgz package/dist/mermaid.min.js \
	&& mv package/dist/mermaid.min.js . && rm -r package mermaid-*.tgz; } 2>/dev/null || echo 'make: without npm the diagrams are text' >&2
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)

# The development lock takes every pin of the other one, so the two cannot disagree.
lock: $(DEV) ## renew both lock files from pyproject.toml; ARGS=--upgrade takes the newest releases
	$(BIN)/uv pip compile $(ARGS) $(COMPILE) --extra fast --extra redis --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(ARGS) $(COMPILE) --all-extras --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group build

edges: $(DEV) ## try the wheel with the lowest and the highest versions that pyproject.toml allows; needs a package index
	$(BIN)/python -m tests.edges

# What pyroma would ask beside: an author's address and a page of the project, which this project does not have.
dist: $(DEV) ## build sdist and wheel into dist/, check them, and try them on every Python at hand
	rm -rf dist
	$(BIN)/python -m build --no-isolation . >$(LOG) 2>&1 || { cat $(LOG) >&2; exit 1; }
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/twine check --strict dist/*
	$(BIN)/pyroma --min 10 --skip-tests Author,AuthorEmail,Url dist/*.tar.gz
	$(BIN)/python -m tests.pythons dist

# Docker takes the Dockerfile from stdin, with a health check that looks every second while the server starts.
image: ## build the container image with buildah, podman or docker, whichever is there
	@if command -v buildah >/dev/null; then set -- buildah build --format docker; \
	elif command -v podman >/dev/null; then set -- podman build --format docker; \
	elif command -v docker >/dev/null; then set -- docker build --file -; \
	else echo 'make: building the image needs buildah, podman or docker' >&2; exit 1; fi; \
	if [ "$$1" = docker ]; then edit='s/ --start-period=10s / --start-period=10s --start-interval=1s /'; else edit=; fi; \
	revision=$$(git rev-parse HEAD 2>/dev/null || true); \
	set -x; sed "$$edit" Dockerfile | "$$@" --build-arg REVISION="$$revision" --tag $(IMAGE) $(ARGS) .

clean: ## remove .venv and everything that was built or cached
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip is silent unless it fails: then its whole log is shown. What Python compiles and contracts parses is made here, for
# the first start, and for every one where Python may write no bytecode.
define pip_install
	@echo 'Installing $(1) into $(VENV) ...' >&2
	@{ $(BIN)/python -m pip install --disable-pip-version-check --only-binary=:all: --require-hashes -r $(1) \
	&& $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e . \
	&& export PYTHONDONTWRITEBYTECODE= && $(BIN)/python -m compileall -q src contracts mock_server client_checks \
	&& $(BIN)/swapmock routes; } >$(LOG) 2>&1 \
	|| { cat $(LOG) >&2; exit 1; }
	@touch $@
endef

$(DEV): requirements-dev.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(call pip_install,requirements-dev.lock)

$(RUN): requirements.lock pyproject.toml | $(VENV)/pyvenv.cfg
	$(call pip_install,requirements.lock)

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo 'make: swapmock needs Python 3.11 or newer; name one with PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	|| { echo 'make: this Python cannot make virtual environments; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
