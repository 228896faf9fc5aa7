# make book · make test · make lab · make train [MODEL=vae] · make bench · make clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PEERS := $(VENV)/peers

.PHONY: book test lab train bench clean

book: $(READY)
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "Open $(CURDIR)/_build/html/index.html in a browser."

test: $(READY)
	$(BIN)/python tests/chrome.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest  # which takes a process a core

lab: $(READY)
	$(BIN)/jupyter lab book

# glibc hands large blocks back to the system at once; with 50 samples a step, fetching them anew takes a quarter of
# the time.
train: $(READY)
	MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=1000000000 $(BIN)/python train.py $(MODEL)

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
	$(MAKE) book
	$(BIN)/python benchmarks/widgets.py

clean:
	rm -rf _build $(VENV)

# An environment that is there already is kept, and so is a PyTorch in it that is new enough.
$(READY): requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 10) <= v < (3, 14) else "The book needs Python 3.10 to 3.13, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -r requirements.txt
	@touch $@
