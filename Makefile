# The two commands: `make demo` and `make test`. Both need only Python 3.11+, git, gpg and ssh-keygen; everything else goes
# into .venv, at the versions and hashes of requirements/dev.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt

.PHONY: demo test lint bench lock docs clean

demo: $(VENV)/ready
	$(BIN)/python -m tests.demo

test: $(VENV)/ready
	$(BIN)/python -m pytest -q

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/ready
	$(BIN)/python -m tests.bench.hook_start
	$(BIN)/python -m tests.bench.history
	$(BIN)/python -m tests.bench.manifests

# Writes the rule pages and the schema again from their tables; the tests compare them.
docs: $(VENV)/ready
	$(BIN)/python -m tests.generate

# Resolves the development dependencies again; run it on purpose and read the diff.
lock: $(VENV)/ready
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate \
		--group dev -o $(LOCK) pyproject.toml

$(VENV)/ready: $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "chainverify needs Python 3.11 or newer; give one with: make PYTHON=python3.12 ..."; exit 2; }
	@for tool in git gpg ssh-keygen; do command -v $$tool >/dev/null || { echo "missing program: $$tool"; exit 2; }; done
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
