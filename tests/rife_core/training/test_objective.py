"""What training minimises."""

from dataclasses import asdict, replace
from math import exp, log, sqrt

import pytest
import torch
from rife_video.rife_core.losses.census import ternary
from rife_video.rife_core.losses.laplacian import lap_loss
from rife_video.rife_core.networks.estimate import Estimate, TrainingOutput
from rife_video.rife_core.training.config import parse_config
from rife_video.rife_core.training.objective import (
    TEACHER_MARGIN,
    LossWeights,
    edge_weight,
    flow_error,
    flow_loss,
    mask_loss,
    objective,
    taught_mask_loss,
)
from rife_video.rife_core.training.synthetic import SceneBatch
from rife_video.rife_core.training.taught import frame_error
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


SIZE = (2, 1, 64, 64)


class Told:
    """A network whose three blocks are off by 3 pixels right and 4 down, in the first flow.

    The first block knows nothing of the mask.
    """

    def __init__(self):
        self.gt = torch.rand(SIZE).expand(-1, 3, -1, -1) * 0.8
        self.flow = torch.rand(2, 4, 64, 64)
        self.merged = [self.gt + 0.05, self.gt + torch.rand(SIZE) / 9, self.gt + 0.1]
        self.teacher = self.gt + torch.rand(SIZE) / 5

    def forward_train(self, img0, img1, gt, timestep, scales, detach):
        off = torch.tensor([3.0, 4, 0, 0])[:, None, None]
        mask, side = torch.full(SIZE, 2.0), torch.zeros_like(gt)
        estimate = Estimate(self.flow + off, mask, side, side + 0.05)
        distilled = torch.tensor(0.7)
        estimates = [replace(estimate, mask=0 * mask), estimate, estimate]
        return TrainingOutput(estimates, self.merged, self.flow, self.teacher, distilled)

    def batch(self, **known):
        return SceneBatch(self.gt, self.gt, self.gt, torch.full((2,), 0.5), **known)


def test_every_part_counts_by_its_weight():
    network, scales = Told(), (4, 2, 1)
    occluded = torch.zeros(2, 2, 64, 64)
    occluded[:, 0, :16], occluded[:, 1, 16:24] = 1, 0.5
    weights = LossWeights(*(k / 8 for k in range(1, 8)))
    batch = network.batch(flow=network.flow, occluded=occluded)
    loss, figures = objective(network, batch, scales, weights, False)
    first, second, last = network.merged
    softened = [sqrt((5 / scale) ** 2 + 0.01) - 0.1 for scale in scales]
    masks = [log(1 + exp(logit)) / 4 + log(1 + exp(-logit)) / 16 for logit in (0, 2, 2)]
    expected = {
        "flow": sum(softened) / 6,  # three blocks, of two flows each, and one of them is right
        "mask": sum(masks) / 3,
        "frame": lap_loss(last, batch.gt) + lap_loss(network.teacher, batch.gt),
        "frames": (lap_loss(first, batch.gt) + lap_loss(second, batch.gt)) / 2,
        "squared": 0.01,
        "census": ternary(last, batch.gt).mean(),
        "distill": 0.7,
        "psnr": 20.0,
        "epe": 2.5,
        "zero": (network.flow.unflatten(1, (2, 2)).norm(dim=2)).mean(),
    }
    assert float(loss) == pytest.approx(float(figures.pop("loss")))
    assert {name: float(value) for name, value in figures.items()} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-4
    )
    counted = {name: weight for name, weight in asdict(weights).items() if weight}
    assert float(loss) == pytest.approx(sum(w * float(expected[n]) for n, w in counted.items()))


def test_parts_that_lack_what_they_need_do_not_count():
    network = Told()
    loss, figures = objective(network, network.batch(), (4, 2, 1), LossWeights(), False)
    assert set(figures) == {"distill", "loss", "psnr"}
    assert float(loss) == pytest.approx(0.01 * 0.7)
    network.merged[-1] = network.gt
    _, figures = objective(network, network.batch(), (4, 2, 1), LossWeights(), False)
    assert figures["psnr"] == 100


def test_a_teacher_is_followed_where_its_frame_is_nearer():
    """By more than a margin, in the right half; its mask counts half, as its sides are near."""
    network, half = Told(), torch.zeros(SIZE)
    half[..., 32:] = 1
    error = frame_error(network.merged[-1], network.gt)
    batch = network.batch(
        flow=network.flow,
        teacher_error=error - TEACHER_MARGIN * (0.5 + half),
        teacher_mask=torch.full(SIZE, 0.5),
    )
    weights = LossWeights(distill=0, taught=1, taught_mask=1)
    _, figures = objective(network, batch, (4, 2, 1), weights, False)
    softened = [sqrt((5 / scale) ** 2 + 0.01) - 0.1 for scale in (4, 2, 1)]
    assert float(figures["taught"]) == pytest.approx(sum(softened) / 12, rel=1e-4)
    cross = (log(1 + exp(2)) + log(1 + exp(-2))) / 2
    assert float(figures["taught_mask"]) == pytest.approx((cross - log(2)) / 4, rel=1e-4)
    assert "flow" not in figures


def test_flow_errors_of_a_block_are_in_its_pixels():
    flow = torch.zeros(1, 4, 2, 3)
    error = flow_error(flow + torch.tensor([6.0, 8, 0, 2])[:, None, None], flow, 2)
    assert error[0, :, 1, 1].tolist() == pytest.approx([sqrt(25.01) - 0.1, sqrt(1.01) - 0.1])


def test_masks_are_told_where_one_side_alone_is_visible():
    """High logits take the first frame, which is right where the second one is hidden."""
    logits, occluded = torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 2, 2, 2)
    assert mask_loss(logits, occluded) == 0
    occluded[:, 0] = 0
    assert float(mask_loss(logits, occluded)) == pytest.approx(log(1 + exp(-2)))
    assert float(mask_loss(logits, occluded.flip(1))) == pytest.approx(log(1 + exp(2)))
