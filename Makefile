# make demo, make test, make lint, make bench: each sets up what it needs in .venv and then does its work.
# Only Python 3.11 or newer and make are needed beforehand.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= demo
MUTANTS ?= 600
SEED ?= 1
OLDEST_PYTHON ?= $(PYTHON)
VERSIONS := build/versions

# Whatever meets a kernel; what only does something often (the marker campaign) leaves itself out without the JIT.
KERNEL_TESTS := tests/detect tests/measure tests/test_regression.py tests/test_environment.py
# A walk through what other packages can break: kernels and arrays, readers, models, store, figures, verbs.
VERSION_TESTS := tests/test_regression.py tests/test_same_everywhere.py tests/test_exchange.py tests/measure \
	tests/detect/test_kernels.py tests/detect/test_whole.py tests/detect/test_mark.py tests/detect/test_rules.py \
	tests/detect/test_late.py tests/detect/test_truth.py tests/detect/test_planes.py tests/io/test_compliance.py tests/io/test_adapters.py \
	tests/io/test_arrays.py tests/io/test_edf_continuous.py tests/store/test_round_trip.py tests/store/test_queries.py \
	tests/longitudinal/test_statistics.py tests/longitudinal/test_slope.py tests/report/test_waveforms.py \
	tests/cli/test_command_line.py tests/cli/test_export.py
VERSION_OPTIONS := -n 2 --dist loadfile -p no:cacheprovider -W default::DeprecationWarning -m 'not slow and not campaign'
# What is to be covered by tests, and by which of them: those that were written for it.
COVERED := ncs/io ncs/detect ncs/measure ncs/store ncs/longitudinal
COVERED_BY := tests/io tests/detect tests/measure tests/store tests/longitudinal tests/test_split_studies.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-kernels test-boundscheck test-nojit test-versions test-oldest test-newest coverage lint format \
	bench mutants clean

help:
	@echo "make demo    simulate a study, carry it to its sentence and two pages (into $(DEMO)/)"
	@echo "make test    run the whole test suite"
	@echo "make test-kernels   what meets a kernel: with bounds checked, and without the JIT"
	@echo "make coverage       how much of $(COVERED) the tests reach, without the JIT"
	@echo "make test-versions  a part of the suite with the oldest and the newest packages (into $(VERSIONS)/)"
	@echo "make lint    ruff, mypy --strict, import contracts"
	@echo "make bench   measure speed and memory, print ratios"
	@echo "make mutants change the code by a little, count how often a test notices (MUTANTS=$(MUTANTS) or all, SEED=$(SEED))"
	@echo "make format  let ruff format and fix the code"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ncs needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,parquet,postgres,stats,recorders,cluster]'
	@touch $@

demo: $(STAMP)
	$(BIN)/ncs demo $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-kernels: test-boundscheck test-nojit

test-boundscheck: $(STAMP)
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(KERNEL_TESTS)

test-nojit: $(STAMP)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(KERNEL_TESTS)

# Without the JIT, so that the kernels are seen; what only repeats statistics leaves itself out then.
coverage: $(STAMP)
	$(BIN)/coverage erase
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run -m pytest -q -n 2 --dist loadfile $(COVERED_BY) $(COVERED)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	@$(BIN)/coverage json --quiet -o - | $(BIN)/python tests/covered.py $(COVERED)

test-versions: test-oldest test-newest

# The oldest bioread asks for a newer numpy than ncs does: recorders without it, and without its tests.
$(VERSIONS)/oldest/.installed: pyproject.toml tests/oldest.py
	@$(OLDEST_PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "the oldest packages are for Python 3.11; set OLDEST_PYTHON=")'
	$(OLDEST_PYTHON) -m venv --clear $(VERSIONS)/oldest
	$(VERSIONS)/oldest/bin/python tests/oldest.py test parquet stats recorders > $(VERSIONS)/oldest/constraints.txt
	$(VERSIONS)/oldest/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(VERSIONS)/oldest/constraints.txt \
		--editable '.[test,parquet,stats]' neo pyabf pydicom h5py
	@touch $@

test-oldest: $(VERSIONS)/oldest/.installed
	NUMBA_CACHE_DIR=$(CURDIR)/$(VERSIONS)/oldest/cache $(VERSIONS)/oldest/bin/ncs check fixtures/reference
	NUMBA_CACHE_DIR=$(CURDIR)/$(VERSIONS)/oldest/cache $(VERSIONS)/oldest/bin/python -m pytest $(VERSION_OPTIONS) \
		-k 'not ends_too_early and not acq and not would_not_have_claimed' $(VERSION_TESTS)

$(VERSIONS)/newest/bin/python:
	$(PYTHON) -m venv $(VERSIONS)/newest

test-newest: $(VERSIONS)/newest/bin/python
	$(VERSIONS)/newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager \
		--editable '.[test,parquet,stats,recorders]'
	NUMBA_CACHE_DIR=$(CURDIR)/$(VERSIONS)/newest/cache $(VERSIONS)/newest/bin/ncs check fixtures/reference
	NUMBA_CACHE_DIR=$(CURDIR)/$(VERSIONS)/newest/cache $(VERSIONS)/newest/bin/python -m pytest $(VERSION_OPTIONS) \
		-k 'not ends_too_early' $(VERSION_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

mutants: $(STAMP)
	$(BIN)/python tests/mutants.py --count $(MUTANTS) --seed $(SEED)

clean:
	rm -rf $(VENV) build dist mutants .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
