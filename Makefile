# Every job of the project, by name. `make` or `make help` lists them.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
N_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo docs tutorial bench test test-slow browser lint format type contracts golden lock clean \
	history rd-smoke rd-quick rd-kodak rd-anchors rd-latent rd-ablations plots report meta-smoke meta-ablation

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install the locked packages (again only when they change)

demo: $(STAMP) ## encode, inspect and decode a small picture
	@$(BIN)/python -m experiments.demo

docs: $(STAMP) ## the documentation as a site, out/docs/index.html
	@$(BIN)/python -m sphinx --builder html --fail-on-warning --quiet docs out/docs
	@echo out/docs/index.html

tutorial: $(STAMP) ## execute experiments/tutorial.ipynb and store what it shows
	@$(BIN)/python -m experiments.tutorial

bench: $(STAMP) ## time the encoder and the decoder
	@$(BIN)/python -m experiments.bench

RESULTS := experiments/results
PUBLISHED := --published experiments/published/kodak
EVALUATE := $(BIN)/inrc evaluate

rd-smoke: $(STAMP) ## rate-distortion of a small picture, with its figures and report
	@$(EVALUATE) experiments/smoke.py --smoke
	@$(BIN)/inrc plot out/smoke/smoke.jsonl -o out/smoke
	@$(BIN)/inrc report out/smoke/smoke.jsonl -o out/smoke/report.html --pictures experiments/assets

rd-quick: $(STAMP) ## measure what is missing on six Kodak pictures (INRC_KODAK)
	@$(EVALUATE) experiments/kodak_quick.py

rd-kodak: $(STAMP) ## measure what is missing on all of Kodak
	@$(EVALUATE) experiments/kodak_rd.py

rd-anchors: $(STAMP) ## measure the classical codecs on all of Kodak
	@$(EVALUATE) experiments/kodak_anchors.py

rd-latent: $(STAMP) ## measure latent grids on six Kodak pictures, beside Cool-Chic's published points
	@$(EVALUATE) experiments/latent_rd.py
	@$(BIN)/python -m experiments.latent_rd

history: $(STAMP) ## measure what is missing of every published system, and print the tables (hours; resumes)
	@for name in reproduction_offsets history history_anytime history_speed retrained reproduction \
		reproduction_means; do \
		$(EVALUATE) experiments/$$name.py || exit; done
	@for name in history history_anytime history_speed reproduction; do \
		$(BIN)/python -m experiments.$$name || exit; done

rd-ablations: $(STAMP) ## measure losses, bits, encodings, sizes and efforts on two or three Kodak pictures
	@for name in loss_ablation quant_ablation encoding_ablation resolution effort; do \
		$(EVALUATE) experiments/$$name.py || exit; done

plots: $(STAMP) ## figures and tables of the records, in docs/figures
	@$(BIN)/inrc plot $(RESULTS)/kodak.jsonl $(PUBLISHED) -o docs/figures

report: $(STAMP) ## one page with curves, tables and pictures, out/report.html
	@$(BIN)/inrc report $(RESULTS)/kodak.jsonl $(PUBLISHED) -o out/report.html

meta-smoke: $(STAMP) ## learn a small shared init in a minute, and compare it (INRC_TRAIN)
	@$(BIN)/inrc meta train meta_init/smoke.py
	@$(BIN)/inrc meta compare out/meta/smoke --pictures 3

meta-ablation: $(STAMP) ## ways to learn a start at equal seconds, 15 minutes (INRC_TRAIN)
	@$(BIN)/python -m experiments.init_ablation

# Most of the time of tests is compiling programs that run once, so LLVM leaves out its optimisations there. The slow
# tests and the golden files run beside them as users' programs do.
test: lint type contracts ## all checks and every test but the slow ones
	@XLA_FLAGS="$(XLA_FLAGS) --xla_backend_optimization_level=0" $(BIN)/pytest -n $(N_WORKERS) --dist loadfile

test-slow: $(STAMP) ## the slow tests
	@$(BIN)/pytest -m slow
	@$(BIN)/pytest tests/golden

browser: ## install Chromium, which tests of pages drive (Debian, as root)
	apt-get install --yes --no-install-recommends chromium

lint: $(STAMP) ## formatting and lint rules
	@$(BIN)/ruff format --check --quiet --diff
	@$(BIN)/ruff check --quiet

format: $(STAMP) ## rewrite the files as lint wants them
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

type: $(STAMP) ## static types
	@$(BIN)/pyright

contracts: $(STAMP) ## the import rules between rooms
	@$(BIN)/lint-imports --no-cache --no-logo

golden: $(STAMP) ## write tests/golden/v1 anew: only ever to add a file
	@$(BIN)/python -m tests.golden.make

lock: $(STAMP) ## pin what pyproject.toml asks for; UPGRADE=1 takes the newest of everything
	@$(BIN)/pip install -qq uv
	@$(BIN)/uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 --extra dev \
		--no-annotate --no-emit-index-url --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

clean: ## remove everything that make can make again
	rm -rf $(VENV) build dist out .pytest_cache .ruff_cache .hypothesis
	find src tests experiments -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python from 3.11 on, the locked one first; PYTHON=... chooses another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))

# Where Python comes without ensurepip (Debian's python3), its own pip fills the environment.
$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "inrc needs Python 3.11 or newer on PATH" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install -qq pip; }
	@echo "installing requirements.lock into $(VENV)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@
