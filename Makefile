# Every command a contributor needs; `make help` lists them.
PYTHON ?= python3
MINUTES ?= 10
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat requirements/dev.txt pyproject.toml | cksum | cut -d' ' -f1)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-faults test-stops test-failpoints soak test-parity lint format bench bench-score bench-stream bench-csv schemas requirements clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-24s%s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv from hashed requirements

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "make: $(PYTHON) is %d.%d, but Reviewmill needs Python 3.11 or later; pass one with make PYTHON=python3.12" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup 1/3: installing the pinned packages into $(VENV) (one to two minutes the first time)"
	@$(BIN)/pip install --quiet --progress-bar on --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@echo "setup 2/3: installing the reviewmill command"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "setup 3/3: compiling the scorer (ten to twenty seconds, kept in your cache folder)"
	@$(BIN)/python -m worker.kernel_cache >/dev/null || echo "setup: it is not kept; scoring goes on without it, slower"
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: $(STAMP) ## run the main job on this machine: train, publish, score, verify
	@$(BIN)/reviewmill demo

test: $(STAMP) ## run every test
	@$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-faults: $(STAMP) ## kill workers and break both services while they score; count every row (about 10 minutes)
	@$(BIN)/python -m pytest -m "" -s tests/faults --ignore tests/faults/test_failpoints.py --ignore tests/faults/test_poison.py

test-stops: $(STAMP) ## stop a worker by SIGTERM at 200 random moments, many of them inside CSV jobs (about 10 minutes)
	@REVIEWMILL_TEST_STOPS=200 $(BIN)/python -m pytest -s tests/integration/stream -k any_moment

test-failpoints: $(STAMP) ## let a worker die, fail or hang at 25 named places, and by poison (about 5 minutes)
	@$(BIN)/python -m pytest -m "" --numprocesses 3 --dist worksteal tests/faults/test_failpoints.py tests/faults/test_poison.py

soak: $(STAMP) ## load one worker under faults for MINUTES=10, and judge whether it grows
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

test-parity: $(STAMP) ## hold the scorer to scikit-learn's bits on 200,000 made-up strings and every character (minutes)
	@REVIEWMILL_PARITY_STRINGS=200000 $(BIN)/python -m pytest tests/laws/scoring/test_scoring_parity.py tests/laws/scoring/test_scoring_unicode.py

lint: $(STAMP) ## check format, rules and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP) ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## measure the main job beside a plain script (about five minutes)
	@$(BIN)/python -m benchmarks.bench_pipeline

bench-score: $(STAMP) ## measure the scorer beside scikit-learn and wc
	@$(BIN)/python -m benchmarks.bench_score

bench-stream: $(STAMP) ## measure the pull worker beside plain subscribers (about three minutes)
	@$(BIN)/python -m benchmarks.bench_stream

bench-csv: $(STAMP) ## measure a CSV job beside a plain pandas and scikit-learn script
	@$(BIN)/python -m benchmarks.bench_csv

schemas: $(STAMP) ## write schemas/v1/*.schema.json anew from the types
	@$(BIN)/python -m schemas.generate

requirements: ## resolve pyproject.toml into the hashed requirement files (needs uv on the path)
	uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-annotate --no-header pyproject.toml --extra dev -o requirements/dev.txt
	uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-annotate --no-header pyproject.toml --extra function --extra pubsub --extra compiled -c requirements/dev.txt -o requirements/function.txt
	uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-annotate --no-header pyproject.toml --extra pubsub --extra tools --extra compiled --extra report -c requirements/dev.txt -o requirements/worker.txt
	uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-annotate --no-header pyproject.toml --extra pubsub --extra tools --extra compiled --extra report --extra signing -c requirements/dev.txt -o requirements/worker-signing.txt

clean: ## remove what the other commands made
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
