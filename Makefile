# make demo, make test: each sets up what it needs in .venv first.
# make fast while coding, make docs for the pages of the API, make mutate FILE=... for a
# mutation test of one file. make gpu and make gpu-train run on the Python that is there, on a
# machine with an accelerator; CONTRIBUTING tells of them.
PYTHON ?= python3
BIN := .venv/bin
DEMO := output/demo
FAST := tests/test_habits.py $(addprefix tests/rife_core/,timeline ops networks losses \
	charts checkpoints engine/test_scenes.py engine/test_cuts.py engine/test_tiling.py)
# pdoc looks below a package, but not below one that lists its own names: there each module is named.
LISTING := checkpoints engine files files/jobs losses losses/discriminators video
DOCUMENTED := workflows rife_core rife_core/basics rife_core/charts rife_core/inference \
	rife_core/networks rife_core/ops rife_core/rife rife_core/timeline rife_core/training \
	$(patsubst %/__init__,%,$(basename $(wildcard $(LISTING:%=rife_core/%/*.py))))

.PHONY: demo test fast lint docs mutate gpu gpu-train setup clean

demo: setup
	mkdir -p $(DEMO)
	$(BIN)/rife-video sample $(DEMO)/sample.mp4
	$(BIN)/rife-video run workflows/api/interpolate_clip.api.json \
		--input-dir $(DEMO) --output-dir $(DEMO) --set "Load Video.file=sample.mp4"

test: setup lint
	$(BIN)/pytest -n auto tests

# Bytecode is kept, also where the environment says otherwise: compiling takes 0.6 s.
fast: export PYTHONDONTWRITEBYTECODE =
fast: setup
	$(BIN)/ruff check .
	$(BIN)/pytest -q -p no:xdist -p no:logging --hypothesis-profile quick \
		-m "not slow and not long and not published" --durations 5 --durations-min 1 $(FAST)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

docs: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/pdoc --docformat google --output-directory output/docs \
		$(addprefix rife_video.,$(subst /,.,$(DOCUMENTED)))

# MUTATE_ARGS: --sample 40 tries 40 mutants, --tests PATH other tests than the file's own.
mutate: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[mutate]"
	$(BIN)/python tests/mutate.py $(FILE) $(MUTATE_ARGS)

# PACK: what tests/gpu/pack.py wrote; OUT: where logs, tables and weights go.
PACK ?= output/gpu-pack
OUT ?= output/gpu

gpu:
	$(PYTHON) tests/gpu/prove.py --out $(OUT) $(if $(wildcard $(PACK)/wheels),--wheels $(PACK)/wheels) \
		$(foreach peer,$(wildcard $(PACK)/peers/*),--peer $(notdir $(peer))=$(peer)) $(GPU_ARGS)

gpu-train:
	$(PYTHON) tests/gpu/train.py $(PACK) --out $(OUT) $(GPU_ARGS)

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv output
