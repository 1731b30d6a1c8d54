"""What training minimises."""

from dataclasses import replace

import pytest
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.objective import LossWeights, objective
from rife_video.rife_core.training.trainer import Trainer
from support import TINY_TRAINING


@pytest.fixture(scope="module")
def config():
    return parse_config(TINY_TRAINING)


def test_the_perceptual_loss_counts_where_it_is_asked_for(config, tmp_path):
    trainer = Trainer(config, tmp_path)
    batch = trainer.batches.take(0)
    plain = LossWeights()
    seen = replace(plain, vgg=0.5)
    arguments = (trainer.network, batch, trainer.scales)
    loss, figures = objective(*arguments, plain, False)
    distances = {"vgg": lambda x, y: (x - y).square().mean() + 2}
    more, and_vgg = objective(*arguments, seen, False, distances)
    assert "vgg" not in figures
    assert more.item() == pytest.approx(loss.item() + 0.5 * and_vgg["vgg"])
    assert and_vgg["vgg"] > 2
