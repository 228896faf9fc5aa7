# make book · make pdf [PAPER=Letter] · make lab · make train [MODEL=vae] · make gallery · make bench
# make check · make test [TESTS=tests/test_site.py] · make nightly · make mutants · make coverage
# make lock · make address · make clean
PYTHON ?= python3
VENV := .venv
LOCK := constraints.txt
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PEERS := $(VENV)/peers
UV := $(VENV)/uv/bin/uv
TOOLS := node_modules/.package-lock.json
CORE := densities bounds parts label_bounds fit training model_files data
FAST := densities bounds parts chapters data colours corrections problem_set

# The book's own environment decides, whatever the caller has set; own_environment.py sees to the rest.
# It is installed without compiled modules: were none kept, each process would compile all that it imports.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
export PYTHONUTF8 := 1

.PHONY: book pdf form check test nightly mutants coverage lab train gallery bench lock lowest address clean

# SOLUTIONS=0 make book: without the solutions of the exercises, and beside the whole book
CLASS := $(if $(filter 0,$(SOLUTIONS)),_build/class)

book: $(READY)
	$(BIN)/jupyter-book build . -W -n --keep-going $(if $(CLASS),--path-output $(CLASS))
	@echo "Open $(CURDIR)/$(if $(CLASS),$(CLASS)/)_build/html/index.html in a browser."

pdf: book
	$(BIN)/python pdf.py --paper $(or $(PAPER),A4)

# Scripts and style sheets are looked at where there is npm, which nothing else needs.
form: $(READY)
	$(BIN)/python -m ruff format --check --quiet .
	$(BIN)/python -m ruff check --quiet .
	$(BIN)/python -m mypy
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory $(TOOLS) && npm run --silent check; \
	else echo "npm is not installed: scripts and style sheets are not checked."; fi

$(TOOLS): package-lock.json
	npm ci --silent --no-audit --no-fund

# What tells within a minute whether a change is sound; `make test` tells the rest.
check: form
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(addprefix tests/test_,$(addsuffix .py,$(FAST)))

# Without TESTS, all of them: first the notebooks, from which the tests then build the book. Either way pytest takes a
# process a core.
test: $(READY)
	$(BIN)/python tests/chrome.py
ifdef TESTS
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTS)
else
	rm -rf _build/executed
	mkdir -p _build/executed
	export OMP_NUM_THREADS=1 BOOK_EXECUTED=_build/executed; \
	$(BIN)/python -m pytest -p tests.executed_notebooks book; notebooks=$$?; \
	$(BIN)/python -m pytest tests && exit $$notebooks
endif

nightly: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/nightly.py --dist load

mutants coverage: export OMP_NUM_THREADS := 1

# Which small changes of the arithmetic does no test notice? It goes on where it was interrupted.
mutants: $(READY) $(TOOLS)
	$(BIN)/python -m pip install --quiet $(if $(LOCK),--constraint $(LOCK)) --editable .[mutants]
	$(BIN)/python tests/mutants.py core
	$(BIN)/python tests/mutants.py engine

# Which lines of the core do its fast tests reach?
coverage: $(READY)
	$(BIN)/python -m pip install --quiet $(if $(LOCK),--constraint $(LOCK)) --editable .[mutants]
	$(BIN)/python -m coverage run --data-file _build/.coverage --include "vae_*.py,vae_machinery/*" \
	    -m pytest -q -n 0 $(addprefix tests/test_,$(addsuffix .py,$(CORE)))
	$(BIN)/python -m coverage report --data-file _build/.coverage --show-missing

lab: $(READY)
	$(BIN)/python book/sphinx_ext/own_environment.py jupyter-lab --LabApp.default_url=/lab/tree/book/index.ipynb

# glibc hands large blocks back to the system at once; with 50 samples a step, fetching them anew takes a quarter of
# the time.
train: $(READY)
	MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=1000000000 $(BIN)/python train.py $(MODEL)

# The pictures on the page for lecturers, when a widget is new or looks different.
gallery: book
	$(BIN)/python book/gallery.py
	$(MAKE) book

# The peers go into an environment of their own, on top of the book's.
bench: $(READY)
	@test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	@site='import site; print(site.getsitepackages()[0])'; \
	echo "import site; site.addsitedir('$$($(BIN)/python -c "$$site")')" > "$$($(PEERS)/bin/python -c "$$site")/book.pth"
	$(PEERS)/bin/python -m pip install --quiet -r benchmarks/requirements.txt
	$(PEERS)/bin/python benchmarks/training.py --to-100 3 --write
	$(PEERS)/bin/python benchmarks/bounds.py --write
	$(PEERS)/bin/python benchmarks/startup.py --cells 10
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/page_training.py
	$(BIN)/python benchmarks/live_training.py
	$(MAKE) book
	$(BIN)/python benchmarks/widgets.py
	$(BIN)/python benchmarks/reading.py

# The newest versions that go together, for all Pythons that the book runs on. PyTorch is left out with all that it
# brings, so that one that is there is kept, for whichever processor or graphics card it is.
lock: $(UV)
	echo 'torch; python_version < "3"' > $(VENV)/uv/without.txt
	$(UV) pip compile --quiet --universal --upgrade --all-extras --override $(VENV)/uv/without.txt \
	    --no-emit-package setuptools --no-annotate --custom-compile-command "make lock" \
	    --output-file $(LOCK) pyproject.toml

# The oldest versions that pyproject.toml admits, to see whether it is right: make LOCK=lowest.txt test
lowest: $(UV)
	$(UV) pip compile --quiet --resolution lowest-direct --all-extras --python-version 3.11 --no-annotate \
	    --custom-compile-command "make lowest" --output-file lowest.txt pyproject.toml

$(UV):
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet uv

# After a change of the repository's address in _config.yml.
address: $(READY)
	$(BIN)/python book/sphinx_ext/address.py

clean:
	rm -rf _build $(VENV)

# An environment that is there already is kept, and so is a PyTorch in it that is new enough. Modules are compiled when
# they are first used, which most of those installed never are.
$(READY): requirements.txt pyproject.toml $(LOCK)
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "The book needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.13" % v[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install $(if $(LOCK),--constraint $(LOCK)) --requirement requirements.txt --no-compile
	@touch $@
