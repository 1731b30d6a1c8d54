"""The bundled weights: they see motion, and their configuration gives their log again."""

import csv
from pathlib import Path

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import BUNDLED, load_rife
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.training.config import load_config
from rife_video.rife_core.training.objective import endpoint_error
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.synthetic import SceneGenerator
from rife_video.rife_core.training.trainer import Trainer

WEIGHTS = Path(BUNDLED).parent
CONFIG, LOG = WEIGHTS / "default.toml", WEIGHTS / "default.log.csv"
UNSEEN_SEED = 20_000_003
SCENES = SceneSettings(size=256, layers=2, speed=(1.0, 36.0), object_speed=(1.0, 24.0), textures=16)


@pytest.fixture(scope="module")
def default():
    return load_rife(BUNDLED)


@pytest.fixture(scope="module")
def unseen():
    scenes = SceneGenerator(SCENES, UNSEEN_SEED)
    return [scenes.batch(index, 6) for index in range(3)]


@torch.no_grad()
def test_flow_on_scenes_never_seen(default, unseen):
    errors = zeros = 0.0
    for batch in unseen:
        flow = default.flow_pyramid(batch.img0, batch.img1, batch.timestep)[-1].flow
        errors += float(endpoint_error(flow, batch.flow))
        zeros += float(endpoint_error(torch.zeros_like(flow), batch.flow))
    assert errors < 0.25 * zeros


@torch.no_grad()
def test_frames_on_scenes_never_seen(default, unseen):
    """Three decibels above the average of the two frames."""
    gains = []
    for batch in unseen:
        made = default.inference(batch.img0, batch.img1, batch.timestep)
        t = batch.timestep.reshape(-1, 1, 1, 1)
        blend = torch.lerp(batch.img0, batch.img1, t)
        worse, better = (psnr(frame, batch.gt).clamp(max=80) for frame in (blend, made))
        gains.append((better - worse).mean())
    assert torch.stack(gains).mean() > 3


def logged(path):
    with path.open(newline="") as file:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]


@pytest.mark.parametrize("steps", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_the_configuration_gives_its_log_again(steps, tmp_path):
    Trainer(load_config(CONFIG), tmp_path).run(until=steps)
    again = logged(tmp_path / "log.csv")
    assert [step for step, _ in again] == list(range(20, steps + 1, 20))
    # bfloat16 rounds differently from processor to processor, and errors grow with time.
    for (_, loss), (_, before) in zip(again, logged(LOG), strict=False):
        assert loss == pytest.approx(before, rel=0.02 if steps <= 40 else 0.1)


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.toml")), ids=lambda path: path.name)
def test_every_configuration_can_be_read(path):
    assert load_config(path).total_steps > 0
