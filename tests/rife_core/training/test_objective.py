"""What training minimises."""

from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.networks.estimate import Estimate
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.objective import (
    LossWeights,
    edge_weight,
    flow_loss,
    objective,
    taught_mask_loss,
)
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


def test_flow_counts_for_more_beside_an_edge():
    flow = torch.zeros(1, 4, 8, 40)
    flow[:, 0, :, 20:] = 5  # a jump between columns 19 and 20
    weight = edge_weight(flow, 3.0, None)
    assert weight[0, 0, 4].tolist() == [1.0] * 17 + [4.0] * 6 + [1.0] * 17
    objects = torch.full((1, 1, 8, 40), 2.0)
    assert torch.equal(edge_weight(flow, 3.0, objects), 2 * weight)
    assert edge_weight(flow, 0.0, None) is None
    wrong_at_edge, wrong_elsewhere = flow.clone(), flow.clone()
    wrong_at_edge[..., 19] += 1
    wrong_elsewhere[..., 5] += 1
    assert flow_loss(wrong_at_edge, flow, 1, weight) > 3 * flow_loss(
        wrong_elsewhere, flow, 1, weight
    )


def test_a_teachers_mask_is_followed_where_it_shows():
    sides = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    logits, everywhere = torch.full((1, 1, 4, 4), 1.5), torch.ones(1, 1, 4, 4)
    estimate = Estimate(logits.expand(-1, 4, -1, -1), logits, *sides)
    assert taught_mask_loss(estimate, logits.sigmoid(), everywhere).abs() < 1e-6
    other = (-logits).sigmoid()
    loss = taught_mask_loss(estimate, other, everywhere)
    share = 1.5 * (logits.sigmoid() - other)  # of two Bernoulli distributions with p and 1 - p
    torch.testing.assert_close(loss, share.mean())
    assert taught_mask_loss(estimate, other, 0 * everywhere) == 0
    alike = replace(estimate, warped_img1=estimate.warped_img0)
    assert taught_mask_loss(alike, other, everywhere) == 0
