# make demo, make test: each sets up what it needs in .venv first.
PYTHON ?= python3
BIN := .venv/bin
DEMO := output/demo

.PHONY: demo test lint setup clean

demo: setup
	mkdir -p $(DEMO)
	$(BIN)/rife-video sample $(DEMO)/sample.mp4
	$(BIN)/rife-video run workflows/interpolate_clip.api.json \
		--input-dir $(DEMO) --output-dir $(DEMO) --set "Load Video.file=sample.mp4"

test: setup lint
	$(BIN)/pytest -n auto tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv output
