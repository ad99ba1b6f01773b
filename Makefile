# Everything here works on a fresh machine with Python >= 3.11 and make; `make test` also needs Go or
# network access to fetch the opa tool (scripts/opa.sh says how).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OPA    := .opa/opa
# one more than there are processors: tests wait for servers, and for the agent's start
JOBS   := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 1)))

# hundreds of processes import the package in a test run: its byte code is written, whatever the environment says
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.installed ## A real Claude Code session, offline, whose tool calls pass the guard
	@$(BIN)/hitl-opa demo

.PHONY: test
test: ## Everything: lint, types, opa test, pytest
	@$(MAKE) --no-print-directory -j 2 $(VENV)/.dev $(OPA)
	@$(MAKE) --no-print-directory lint rego-test py-test

.PHONY: py-test
py-test: $(VENV)/.dev $(OPA) ## pytest, the real Claude CLI and the real OPA included
	$(BIN)/pytest -n $(JOBS) --dist loadgroup $(PYTEST)

.PHONY: rego-test
rego-test: $(OPA) ## opa test with coverage
	$(OPA) test rego
	$(OPA) test --coverage --threshold 95 rego >/dev/null

.PHONY: mutate
mutate: $(VENV)/.dev ## Delete every rule of the policies, one at a time: some Rego test must fail (minutes)
	$(BIN)/python tests/rego/mutate.py

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Coverage-guided fuzzing of facts for SECONDS (60)
	$(BIN)/python tests/facts/fuzz.py -max_total_time=$(or $(SECONDS),60) -timeout=60 -max_len=400

.PHONY: lint
lint: $(VENV)/.dev $(OPA) ## ruff, mypy, import layers, opa fmt and opa check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@unformatted=$$($(OPA) fmt --list rego) && test -z "$$unformatted" || { echo "not opa fmt'ed: $$unformatted"; exit 1; }
	$(OPA) check --strict --schema hitl_opa/schemas/input.json --ignore approvals rego
	$(OPA) check --strict --schema hitl_opa/schemas rego

.PHONY: fmt
fmt: $(VENV)/.dev $(OPA) ## Format Python and Rego
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(OPA) fmt --write rego

.PHONY: generate
generate: $(VENV)/.dev ## Regenerate schemas, program data and docs/policies.md
	$(BIN)/python -m hitl_opa.policy.schemas
	$(BIN)/python -m hitl_opa.policy.bundle
	$(BIN)/python -m hitl_opa.facts.generate
	$(BIN)/python -m hitl_opa.database.schema
	$(BIN)/hitl-opa policy docs

.PHONY: bench
bench: $(VENV)/.dev $(OPA) ## Benchmarks: ratios measured side by side
	@missed=0; for bench in facts decide audit approvals serve replay session hook start; do \
		echo "--- $$bench"; $(BIN)/python benchmarks/$$bench.py || missed=1; done; exit $$missed

.PHONY: crash
crash: $(VENV)/.dev ## Kill writers of the record in mid-write, 200 times; 10,000 tamperings (minutes)
	HITL_CRASHES=200 $(BIN)/pytest -q -s tests/audit/test_concurrency.py -k killed --timeout 1200
	HITL_TAMPERINGS=10000 $(BIN)/pytest -q tests/audit/test_signed_tampering.py -k random --timeout 1200

.PHONY: quality
quality: $(VENV)/.dev ## Rates on labelled calls: make quality CORPORA=directory (writes docs/policy-quality.md)
	@test -n "$(CORPORA)" || { echo 'say where the labelled calls are: make quality CORPORA=directory'; exit 2; }
	$(BIN)/python benchmarks/quality.py $(CORPORA) --write docs/policy-quality.md

.PHONY: screenshots
screenshots: $(VENV)/.dev ## The pictures of the documentation, from a real browser (chromium)
	PYTHONPATH=tests $(BIN)/python scripts/screenshots.py

.PHONY: opa
opa: $(OPA) ## Get opa v1.22.2 into .opa/

$(OPA): scripts/opa.sh
	@sh scripts/opa.sh

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hitl-opa needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# pip below 25.1 knows no dependency groups
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@echo 'Installing hitl-opa and the Claude Agent SDK (about 400 MB, once) ...'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo 'Installing the development tools ...'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[apprise,metrics,notify,postgres,server]' --group dev
	@touch $@

.PHONY: clean
clean: ## Remove what make made
	rm -rf $(VENV) .opa build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
