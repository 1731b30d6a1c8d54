# make demo, make test: each sets up what it needs in .venv first.
# make fast while coding, make docs for the pages of the API, make mutate FILE=... for a
# mutation test of one file.
PYTHON ?= python3
BIN := .venv/bin
DEMO := output/demo

.PHONY: demo test fast lint docs mutate setup clean

demo: setup
	mkdir -p $(DEMO)
	$(BIN)/rife-video sample $(DEMO)/sample.mp4
	$(BIN)/rife-video run workflows/api/interpolate_clip.api.json \
		--input-dir $(DEMO) --output-dir $(DEMO) --set "Load Video.file=sample.mp4"

test: setup lint
	$(BIN)/pytest -n auto tests

fast: setup
	$(BIN)/ruff check .
	$(BIN)/pytest -n auto -m "not slow and not long" --durations 5 --durations-min 1 tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

docs: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/pdoc --docformat google --output-directory output/docs \
		rife_video.rife_core rife_video.workflows

# MUTATE_ARGS: --sample 40 tries 40 mutants, --tests PATH other tests than the file's own.
mutate: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[mutate]"
	$(BIN)/python tests/mutate.py $(FILE) $(MUTATE_ARGS)

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv output
