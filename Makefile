# Each of these sets up .venv first where it is missing or stale, then runs. `make` alone says what there is.
# Everything is relative and goes through `.venv/bin/python -m`, so the checkout's path may hold a space.

MAKEFLAGS += --no-builtin-rules
VENV := .venv/bin/python
# How `make test` calls pytest, and what a user adds: make test ARGS="-k disorder"
PYTEST_FLAGS := --known-deviations -n auto
ARGS :=

# Under sudo what a recipe made goes to the caller, however the recipe ends.
GUARD := trap 'sh ./setup.sh --hand-back' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP;
SETUP := $(GUARD) sh ./setup.sh &&
export PYTHON

.PHONY: help reproduce test nightly bench soak pictures clean setup
.NOTPARALLEL:

help:
	@echo 'make setup      make .venv, which every other target needs and makes by itself'
	@echo 'make reproduce  show the bug that finwait was made for, on this kernel and on 5.10'
	@echo 'make test       run ruff, mypy, the tests of finwait and all scenarios'
	@echo 'make nightly    run property tests with new examples (SEED=N repeats them), the long commands of the docs,'
	@echo '                all scenarios as printed programs, a cluster whose machines fail, and captures there and back'
	@echo 'make bench      measure the figures of docs/speed.md'
	@echo 'make soak       run all scenarios 20 times on busy processors; every result must be the same'
	@echo 'make pictures   draw the pictures of docs/lectures anew, and photograph the pages of a report in Chromium'
	@echo 'make clean      remove .venv and the caches, but not the results in reports/runs'
	@echo 'Works as an ordinary user and with sudo. PYTHON=... picks an interpreter, ARGS=... adds arguments.'

setup:
	@$(SETUP) true

reproduce:
	@$(SETUP) $(VENV) -m harness reproduce $(ARGS)

# pytest runs last and in any case: a complaint about style must not hide a broken test.
test:
	@$(SETUP) { \
	  style=0; \
	  $(VENV) -m ruff check . || style=1; \
	  $(VENV) -m ruff format --check . || style=1; \
	  $(VENV) -m mypy || style=1; \
	  $(VENV) -m pytest $(PYTEST_FLAGS) $(ARGS) || exit; \
	  [ $$style = 0 ] || { echo 'make test: pytest passed, but ruff or mypy (above) did not' >&2; exit 1; }; }

# the seed is printed first, so that even a run that is cut short can be repeated
nightly:
	@$(SETUP) { seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); \
	  echo "make nightly: make nightly SEED=$$seed repeats this run"; \
	  FINWAIT_NIGHTLY=1 $(VENV) -m pytest -m hypothesis --hypothesis-seed=$$seed tests $(ARGS) && \
	  FINWAIT_NIGHTLY=1 $(VENV) -m pytest tests/docs tests/program/test_catalogue.py tests/cluster/test_machines.py && \
	  $(VENV) -m benchmarks.roundtrip --seed=$$seed; }

bench:
	@$(SETUP) $(VENV) -m benchmarks $(ARGS)

soak:
	@$(SETUP) $(VENV) -m benchmarks.soak $(ARGS)

pictures:
	@$(SETUP) $(VENV) -m benchmarks.pictures $(ARGS)

# the stamp first: a half-removed .venv must not be trusted
clean:
	@rm -f .venv/stamp
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis finwait.egg-info
	@find . -name .venv -prune -o -name .git -prune -o -type d -name __pycache__ -exec rm -rf {} +
