# Needs Python 3.11 or newer, make and a package index.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test docs slow soak parity check size format backbone clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/pip: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/featx: $(VENV)/pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/dev: $(VENV)/featx
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

demo: $(VENV)/featx  ## install into .venv and run the demonstration, offline
	$(BIN)/featx demo --overwrite

test: $(VENV)/dev  ## install into .venv and run the tests, except the slow ones
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

slow: $(VENV)/dev $(VENV)/docs  ## run the slow tests: each takes more than ten seconds
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

$(VENV)/docs: $(VENV)/featx
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

docs: $(VENV)/docs  ## build the documentation as a site, build/site/index.html; warnings are errors
	$(BIN)/python -m website.build

soak: $(VENV)/dev  ## run the cache's tests at length: hundreds of kills, every bit flipped, thousands of hostile files; and those on Ray
	$(BIN)/python -m pip install --quiet --group soak
	FEATX_SOAK=1 $(BIN)/python -m pytest --timeout 3600 tests/cache/test_embedding_cache.py tests/cache/test_segment.py tests/cache/test_memo.py tests/cache/test_merging.py tests/cache/test_compacting.py tests/embedding/test_ray.py tests/cli/test_workers.py

$(VENV)-parity/dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)-parity
	$(VENV)-parity/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)-parity/bin/python -m pip install --quiet --editable . --group dev --group parity
	@touch $@

parity: $(VENV)-parity/dev  ## compare networks and files with those of PyTorch, torchvision and timm, in an environment of their own
	$(VENV)-parity/bin/python -m pytest tests/networks/families/test_porting.py tests/networks/test_pth.py

check: $(VENV)/dev  ## check format, lint, types, the direction of imports, and the built wheel
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tests/wheel.py

size: $(VENV)/featx  ## count the lines of each module (budget: median 150, longest 350)
	@find featx -name '*.py' | xargs wc -l | grep -v total | sort -n | awk '{print; n[NR] = $$1} END \
	  {print "modules " NR ", median " n[int((NR + 1) / 2)] ", longest " n[NR]}'

format: $(VENV)/dev  ## reformat the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

backbone: $(VENV)/featx  ## train featx-mini again (training_mini/README.md says how long it takes)
	$(BIN)/python -m pip install --quiet --group training
	$(BIN)/python training_mini/train.py
	$(BIN)/python training_mini/export.py

clean:  ## remove everything the other targets made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache featx-demo
