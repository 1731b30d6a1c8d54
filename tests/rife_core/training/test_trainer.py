"""The trainer: learns, resumes bit for bit, shares its work between processes."""

import csv
import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import load_rife
from rife_video.rife_core.losses.pretrained import MissingWeightsError
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.trainer import Trainer, schedule
from support import TINY_TRAINING


@pytest.fixture(scope="module")
def config():
    return parse_config(TINY_TRAINING)


def losses(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def weights(folder):
    return load_rife(folder / "weights.safetensors").state_dict()


def test_resuming_changes_no_bit(config, tmp_path):
    Trainer(config, tmp_path / "whole").run()
    for until in (2, 4, 6):  # inside the first stage, inside the second, to the end
        Trainer(config, tmp_path / "parts").run(until=until)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert len(losses(tmp_path / "whole")) == 6
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert (tmp_path / "whole" / "curve.svg").read_text().startswith("<svg")


def test_a_line_logged_after_the_last_save_is_logged_once(config, tmp_path):
    Trainer(config, tmp_path).run(until=2)
    log = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_text(log + "3,tied,1.0\r\n")
    Trainer(config, tmp_path).run(until=3)
    assert (tmp_path / "log.csv").read_text().count("\n3,") == 1


def test_the_average_follows_the_weights_faster_at_first(tmp_path):
    """Its decay is (1 + n) / (10 + n) after n updates, and `ema` at most."""
    trainer = Trainer(parse_config({**TINY_TRAINING, "ema": 0.2}), tmp_path)
    expected = {name: tensor.clone() for name, tensor in trainer.ema.items()}
    for number, decay in enumerate((2 / 11, 0.2, 0.2)):
        trainer.train_step(number)
        for name, parameter in trainer.network.named_parameters():
            expected[name] = decay * expected[name] + (1 - decay) * parameter.detach()
    for name, tensor in trainer.ema.items():
        torch.testing.assert_close(tensor, expected[name])


def test_long_gradients_are_clipped_and_logged_as_they_were(tmp_path):
    trainer = Trainer(parse_config({**TINY_TRAINING, "clip": 1e-3}), tmp_path)
    logged = trainer.train_step(0)["norm"]
    gradients = [p.grad for p in trainer.network.parameters() if p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)
    assert logged > 2e-3


@pytest.mark.parametrize("detach", [True, False])
def test_a_stage_says_whether_blocks_learn_apart(tmp_path, detach):
    """The whole frame's loss is the last block's; only without `detach` it is the first's too."""
    stage = {"steps": 1, "batch": 2, "lr": 1e-3, "detach": detach, "scenes": {"size": 64}}
    stage["weights"] = {"frames": 0.0, "flow": 0.0, "mask": 0.0, "frame": 1.0}
    trainer = Trainer(parse_config({**TINY_TRAINING, "stages": [stage]}), tmp_path)
    trainer.train_step(0)
    blocks = trainer.network.blocks
    reached = [
        any(p.grad is not None and bool(p.grad.any()) for p in block.parameters())
        for block in blocks
    ]
    assert reached == [not detach] * (len(blocks) - 1) + [True]


def test_frozen_blocks_stay_as_they_are(tmp_path):
    """Through a resume too, and in the averaged weights."""
    stage = {"steps": 3, "batch": 2, "lr": 1e-2, "frozen": 3, "stock": 1, "scenes": {"size": 64}}
    plan = parse_config({**TINY_TRAINING, "stages": [stage]})
    before = Trainer(plan, tmp_path / "other").network.state_dict()
    for until in (2, 3):
        trainer = Trainer(plan, tmp_path)
        trainer.run(until=until)
    after = weights(tmp_path)
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {name for name in after if name[:6] in ("block0", "block1", "block2")}
    with pytest.raises(ValueError, match="one at least must be left"):
        parse_config({**TINY_TRAINING, "stages": [{**stage, "frozen": 4}]})


def test_it_learns_motion(tmp_path):
    stage = {"steps": 90, "batch": 16, "lr": 2e-3, "warmup": 10, "tied": True, "scales": [1]}
    scenes = {"layers": 0, "speed": [1.5, 3.0], "still_camera": 0.0, "noise": 0.0, "blocks": 0.0}
    scenes |= {"acceleration": 0.0, "texture_size": 64, "size": 32, "waves": 0.0, "blur": 0.0}
    content = {"row": "4.6", "channels": [32] * 4, "seed": 1, "log_every": 15, "bf16": False}
    Trainer(parse_config({**content, "scenes": scenes, "stages": [stage]}), tmp_path).run()
    with (tmp_path / "log.csv").open(newline="") as file:
        ratios = [float(row["epe"]) / float(row["zero"]) for row in csv.DictReader(file)]
    assert ratios[0] > 0.95
    assert ratios[-1] < 0.95


def test_a_loss_that_is_not_finite_leaves_the_weights_alone(config, tmp_path):
    trainer = Trainer(config, tmp_path)
    before = {name: p.clone() for name, p in trainer.network.named_parameters()}
    take = trainer.batches.take
    broken = lambda index: replace(take(index), img0=torch.full((4, 3, 32, 32), float("nan")))  # noqa: E731
    trainer.batches.take = broken
    trainer.train_step(0)
    assert trainer.skipped == 1
    for name, parameter in trainer.network.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_a_request_to_end_stops_training_and_nothing_later(config, tmp_path):
    def earlier(*_):
        pass

    before = signal.signal(signal.SIGTERM, earlier)
    try:
        trainer = Trainer(config, tmp_path)
        step = trainer.train_step

        def interrupted(inside):
            os.kill(os.getpid(), signal.SIGTERM)
            return step(inside)

        trainer.train_step = interrupted
        trainer.run()
        assert trainer.step == 1
        assert (tmp_path / "weights.safetensors").exists()
        assert signal.getsignal(signal.SIGTERM) is earlier
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("row", ["rife", "rife_m", "4.25"])
def test_other_kinds_of_rows_train(row, tmp_path):
    """With teacher and refinement, without timestep, with head and carried features."""
    stage = {"steps": 1, "batch": 1, "lr": 1e-4, "weights": {"frame": 1.0}}
    channels = {"4.25": [8] * 5}.get(row, [8] * 3)
    scenes = {"size": 64, "layers": 1, "textures": 2, "texture_size": 64, "midpoint": 1.0}
    content = {
        "row": row,
        "channels": channels,
        "scenes": scenes,
        "stages": [stage],
        "log_every": 1,
    }
    Trainer(parse_config(content), tmp_path).run()
    assert len(losses(tmp_path)) == 1
    assert losses(tmp_path)[0] > 0


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_half_wave(config):
    plan = replace(config.stages[0], steps=8, warmup=0, lr_end=0.2)
    falling = [schedule(step, plan) for step in range(9)]
    assert falling[::2] == pytest.approx([1, 0.2 + 0.8 * (2 + 2**0.5) / 4, 0.6, 0.317157, 0.2])
    assert falling == sorted(falling, reverse=True)
    warmed = [schedule(step, replace(plan, warmup=4)) for step in range(9)]
    shares = [now / then for now, then in zip(warmed, falling, strict=True)]
    assert shares == pytest.approx([0.25, 0.5, 0.75] + [1] * 6)


def test_the_last_stage_fits_into_the_time(config, tmp_path, monkeypatch):
    """A step takes a second of a clock that only steps move."""
    clock = itertools.count()
    now = [0]
    monkeypatch.setattr(time, "monotonic", lambda: float(now[0]))
    stages = tuple(replace(stage, steps=15, warmup=1) for stage in config.stages)
    longer = replace(config, stages=stages, log_every=5, save_minutes=1000)
    trainer = Trainer(longer, tmp_path)
    rates: list[float] = []

    def step(inside):
        now[0] = next(clock) + 1
        rates.append(schedule(inside, trainer.plan))
        return {"loss": 1.0}

    monkeypatch.setattr(trainer, "train_step", step)
    trainer.run(seconds=40, fit=True)
    assert trainer.step == trainer.config.total_steps == 40
    assert rates[-1] == pytest.approx(trainer.plan.lr_end, abs=0.01)


def test_two_processes_compute_what_one_does(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(
        "\n".join(
            [
                'row = "4.6"\nchannels = [8, 8, 8, 8]\nlog_every = 1\nbf16 = false\nshards = 2',
                "[scenes]\nsize = 32\nlayers = 1\ntextures = 2\ntexture_size = 64",
                "[[stages]]\nsteps = 3\nbatch = 4\nlr = 1e-3",
            ]
        )
    )
    cli = "from rife_video.rife_core.cli import main; raise SystemExit(main())"
    script = tmp_path / "train.py"
    script.write_text(cli)
    arguments = ["train", str(path), "--device", "cpu", "--threads", "1", "--out"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    starts = {"one": [sys.executable], "two": [*torchrun, "--nproc-per-node", "2"]}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, start in starts.items():
        subprocess.run(
            [*start, str(script), *arguments, str(tmp_path / name)],
            check=True,
            env=environment,
            timeout=120,
        )
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-5, rtol=1e-4)


def test_processes_must_share_the_batch_evenly(config, tmp_path, monkeypatch):
    monkeypatch.setattr("rife_video.rife_core.training.trainer._place_in_world", lambda: (0, 2))
    with pytest.raises(ValueError, match="set shards"):
        Trainer(config, tmp_path)


def test_missing_perceptual_weights_are_an_error_before_training(tmp_path):
    stage = {"steps": 1, "batch": 1, "lr": 1e-3, "weights": {"vgg": 0.1}}
    config = parse_config({**TINY_TRAINING, "vgg": str(tmp_path / "vgg19.pth"), "stages": [stage]})
    with pytest.raises(MissingWeightsError, match=r"vgg19\.pth"):
        Trainer(config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lpips_sees_frames_from_minus_1_to_1(tmp_path, monkeypatch):
    class Seen(torch.nn.Module):
        def __init__(self, weights):
            super().__init__()

        def forward(self, a, b):
            return a, b

    monkeypatch.setattr(f"{Trainer.__module__}.LPIPSAlex", Seen)
    stage = {"steps": 1, "batch": 1, "lr": 1e-3, "weights": {"lpips": 0.1}}
    trainer = Trainer(parse_config({**TINY_TRAINING, "stages": [stage]}), tmp_path)
    assert trainer.perceptual["lpips"](torch.tensor(0.2), torch.tensor(0.75)) == (-0.6, 0.5)


def test_what_is_saved_are_the_averaged_weights(config, tmp_path):
    trainer = Trainer(replace(config, ema=0.5, stages=config.stages[1:]), tmp_path)
    trainer.train_step(0)
    learning = trainer.network.state_dict()
    saved = trainer.averaged().state_dict()
    assert all(torch.equal(saved[name], average) for name, average in trainer.ema.items())
    assert not all(torch.equal(saved[name], learning[name]) for name in saved)


def test_a_stage_that_detaches_teaches_each_block_alone(tmp_path):
    """The last block learns the same as ever, those before it nothing from the blocks behind."""
    stage = {"name": "one", "steps": 1, "batch": 2, "lr": 1e-3, "weights": {"flow": 1.0}}
    found = {}
    for detach in (False, True):
        content = {
            **TINY_TRAINING,
            "clip": 1e9,
            "stages": [{**stage, "detach": detach, "scenes": {"size": 64}}],
        }
        trainer = Trainer(parse_config(content), tmp_path / str(detach))
        with torch.no_grad():  # a network as it begins moves nothing, and has little to teach
            for name, parameter in trainer.network.named_parameters():
                if "lastconv" in name:
                    parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(1))
        trainer.train_step(0)
        found[detach] = [block.lastconv[0].weight.grad for block in trainer.network.blocks]
    assert torch.allclose(found[True][-1], found[False][-1], rtol=1e-3)
    assert not torch.allclose(found[True][0], found[False][0], rtol=1e-1)
