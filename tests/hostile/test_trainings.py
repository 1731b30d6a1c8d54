"""Trainings that somebody else wrote down: one sentence for what cannot be done."""

import copy
import dataclasses
import datetime
import io

import pytest
import torch
from rife_video.rife_core.training.config import (
    CoarseSteps,
    Stage,
    TrainConfig,
    load_config,
    parse_config,
)
from rife_video.rife_core.training.objective import LossWeights
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.state import STATE
from rife_video.rife_core.training.taught import TaughtCrops
from rife_video.rife_core.training.trainer import CURVE, LOG, WEIGHTS, Trainer
from safetensors.torch import save_file

GOOD = {
    "row": "4.6",
    "channels": [8, 8, 8, 8],
    "stages": [
        {
            **{"steps": 4, "batch": 2, "lr": 1e-4, "scenes": {"size": 64}, "weights": {}},
            "coarse": {"share": 0.5, "scales": [2, 1], "batch": 2, "scenes": {}, "weights": {}},
        }
    ],
}
WRONG = (
    *("x", "", "\0", True, -1, 0, 0.5, 1e308, 10**11, 2**63, float("nan"), float("inf")),
    *(-float("inf"), [], [1], [1, 2], [2, 1], [-1.0, -2.0], ["a"], [[1]], {}, {"a": 1}, [{}]),
    *(datetime.date(1979, 5, 27), None, [None], [0.0, 1.0], [float("nan")] * 2, [1e308] * 9),
)
TABLES = {
    TrainConfig: lambda content: content,
    Stage: lambda content: content["stages"][0],
    SceneSettings: lambda content: content["stages"][0]["scenes"],
    LossWeights: lambda content: content["stages"][0]["weights"],
    CoarseSteps: lambda content: content["stages"][0]["coarse"],
}


def _numbers(value):
    """All that is one number, at any depth."""
    if dataclasses.is_dataclass(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, (list, tuple)):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_every_entry_is_of_its_type_and_in_its_range(kind, tally):
    parse_config(GOOD)
    for field in dataclasses.fields(kind):
        for value in WRONG:
            content = copy.deepcopy(GOOD)
            TABLES[kind](content)[field.name] = value
            with tally.one(f"{field.name} = {value!r}"):
                try:
                    config = parse_config(content)
                except ValueError:
                    continue
                assert all(number == number for number in _numbers(config)), "NaN was taken"
                given = getattr(config, field.name) if kind is TrainConfig else value
                assert type(given) is not bool or field.type == "bool"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(scenes=3), "scenes is 3"),
        (lambda c: c.update(stages=[3]), "stages is 3"),
        (lambda c: c.update(stages={"a": 1}), "stages is"),
        (lambda c: c["stages"][0].update(steps="many"), "stage 1: steps is 'many', expected int"),
        (lambda c: c["stages"][0].update(coarse=3), "stage 1, coarse is 3"),
        (lambda c: c["stages"][0].update(lr=float("nan")), "stage '1': lr is nan"),
        (lambda c: c["stages"][0].update(real=1.5), "real is 1.5; .* at most 1"),
        (lambda c: c["stages"][0]["scenes"].update(size=60), "size 60; .* multiple of 32"),
        (lambda c: c["stages"][0].update(coarser=0.5, scenes={"size": 96}), "multiple of 64"),
        (lambda c: c["stages"][0]["coarse"]["scenes"].update(size=60), "coarse: scenes have size"),
        (lambda c: c["stages"][0].update(scales=[1] * 5), "scales lists 5, .* has 4 blocks"),
        (lambda c: c["stages"][0].update(batch=3) or c.update(shards=2), "2 shards cannot share"),
        (lambda c: c["stages"][0]["scenes"].update(speed=[9, 1]), "the smaller one first"),
        (lambda c: c.update(gaps=[1, 0]), r"gaps\[1\] is 0"),
        (lambda c: c["stages"][0].update(real=0.5), "nothing to learn from real clips"),
        (
            lambda c: c["stages"][0].update(weights={"flow": 0, "mask": 0}),
            "nothing to learn from scenes",
        ),
    ],
)
def test_what_is_wrong_is_named(change, words):
    content = copy.deepcopy(GOOD)
    change(content)
    with pytest.raises(ValueError, match=words):
        parse_config(content)


def test_a_file_that_is_nested_too_deeply(tmp_path):
    (tmp_path / "deep.toml").write_text("a = " + "[" * 20_000)
    with pytest.raises(ValueError, match=r"deep\.toml is (no training|not valid TOML)"):
        load_config(tmp_path / "deep.toml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training of one step that has another one to go."""
    folder = tmp_path_factory.mktemp("trained")
    Trainer(parse_config(SMALL), folder).run(until=1)
    return folder


SMALL = {
    "row": "4.6",
    "channels": [8] * 4,
    "bf16": False,
    "log_every": 1,
    "stages": [
        {
            **{"steps": 2, "batch": 1, "lr": 1e-4},
            "scenes": {"size": 32, "textures": 2, "texture_size": 32},
        }
    ],
}

STATES = {
    "no step": lambda state: state.pop("step"),
    "more": lambda state: state.update(more=1),
    "a step of text": lambda state: state.update(step="1"),
    "a step before the first": lambda state: state.update(step=-1),
    "a stage before the first": lambda state: state.update(stage=-1),
    "a stage after the last": lambda state: state.update(stage=1),
    "no updates": lambda state: state.update(updates=None),
    "no network": lambda state: state.update(network={}),
    "a list": lambda state: state.update(network=[1]),
    "no average": lambda state: state.update(ema={}),
    "an average of another shape": lambda state: state.update(
        ema={name: value[:1] for name, value in state["ema"].items()}
    ),
    "no optimiser": lambda state: state.update(optimizer={}),
    "an optimiser of fewer": lambda state: state["optimizer"]["param_groups"][0].update(params=[0]),
    "moments of another shape": lambda state: state["optimizer"]["state"][0].update(
        exp_avg=torch.zeros(3)
    ),
    "moments of text": lambda state: state["optimizer"]["state"][0].update(exp_avg="x"),
}


def test_states_that_are_none(trained, tally, tmp_path):
    files = {name: (trained / name).read_bytes() for name in (STATE, LOG, WEIGHTS)}
    whole = files[STATE]
    broken = {"empty": b"", "text": b"hello", "half": whole[: len(whole) // 2], "list": saved([1])}
    for name, change in STATES.items():
        state = torch.load(io.BytesIO(whole), weights_only=True)
        change(state)
        broken[name] = saved(state)
    for name, content in broken.items():
        for file, kept in files.items():
            (tmp_path / file).write_bytes(kept)
        (tmp_path / STATE).write_bytes(content)
        with tally.one(name), pytest.raises(ValueError, match=r"rain(ing|) into another folder"):
            Trainer(parse_config(SMALL), tmp_path)
        assert (tmp_path / STATE).read_bytes() == content
        assert (tmp_path / LOG).read_bytes() == files[LOG]


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("log", [b"", b"\xff\xfe\0", b"1,2,3\n", b"step,stage\nx,y\n1", b"a\n1"])
def test_a_log_that_is_broken_holds_nothing_up(trained, tmp_path, log):
    (tmp_path / STATE).write_bytes((trained / STATE).read_bytes())
    (tmp_path / LOG).write_bytes(log)
    trainer = Trainer(parse_config(SMALL), tmp_path)
    assert trainer.step == 1
    trainer.run()
    assert len((tmp_path / LOG).read_text().splitlines()) == 2
    assert (tmp_path / CURVE).is_file()


CROPS = {
    "images": torch.zeros(2, 3, 3, 320, 320, dtype=torch.uint8),
    "flow": torch.zeros(2, 4, 160, 160, dtype=torch.float16),
    "mask": torch.zeros(2, 1, 320, 320, dtype=torch.uint8),
    "error": torch.zeros(2, 1, 160, 160, dtype=torch.float16),
}
ODD = {
    "none": {name: value[:0] for name, value in CROPS.items()},
    "fewer flows": {**CROPS, "flow": CROPS["flow"][:1]},
    "small images": {**CROPS, "images": CROPS["images"][..., :100, :100].contiguous()},
    "images of floats": {**CROPS, "images": CROPS["images"].half()},
    "flat": {**CROPS, "flow": torch.zeros(4, dtype=torch.float16)},
    "a number": {**CROPS, "mask": torch.tensor(1, dtype=torch.uint8)},
    "NaN": {**CROPS, "flow": CROPS["flow"] * float("nan")},
    "infinity": {**CROPS, "error": CROPS["error"] + float("inf")},
    "three channels": {**CROPS, "flow": CROPS["flow"][:, :3].contiguous()},
    "no mask": {name: value for name, value in CROPS.items() if name != "mask"},
}


def test_crops_that_are_none(tally, tmp_path):
    path = tmp_path / "000.safetensors"
    save_file(CROPS, path)
    assert len(TaughtCrops(tmp_path, 0)) == 2
    for name, content in ODD.items():
        save_file(content, path)
        with tally.one(name), pytest.raises(ValueError, match=r"crops|NaN|000\.safetensors"):
            TaughtCrops(tmp_path, 0)
    for content in (b"", b"junk", b"\xff" * 9, (10**5).to_bytes(8, "little") + b"[" * 10**5):
        path.write_bytes(content)
        with tally.one(repr(content[:9])), pytest.raises(ValueError, match=path.name):
            TaughtCrops(tmp_path, 0)
    path.unlink()
    path.mkdir()
    with tally.one("a folder"), pytest.raises(OSError, match=path.name):
        TaughtCrops(tmp_path, 0)
