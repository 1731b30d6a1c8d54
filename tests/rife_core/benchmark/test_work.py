"""Operations and bytes of a network."""

import pytest
import torch
from rife_video.rife_core.benchmark.harness import (
    Rates,
)
from rife_video.rife_core.benchmark.work import Work, work_of
from rife_video.rife_core.networks.layers import ResConv
from torch import nn

pytestmark = pytest.mark.usefixtures("seeded")


def test_work_of_a_known_network():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ConvTranspose2d(8, 5, 4, 2, 1))
    image = torch.rand(2, 3, 16, 20)
    with torch.no_grad():
        work = work_of(lambda: network(image))
    small = 8 * 10
    assert work.flop == 2 * 2 * small * (3 * 8 * 9 + 8 * 5 * 16)
    parameters = sum(p.numel() for p in network.parameters())
    assert work.bytes == 4 * (parameters + 2 * (960 + 2 * 8 * small + 5 * 320))


def test_views_and_targets_cost_no_reading():
    x, row, target = torch.rand(10, 10), torch.rand(1, 10), torch.empty(10, 10)
    assert work_of(lambda: x.view(100).expand(3, 100)[:, 2:]).bytes == 0
    assert work_of(lambda: target.copy_(x)).bytes == 800
    assert work_of(lambda: torch.add(x, row.expand(10, 10), out=target)).bytes == 840
    assert work_of(lambda: x.mul_(2)).bytes == 800


def test_the_bound_is_the_longer_of_two():
    rates = Rates({"fp32": 100.0}, 10.0)
    assert rates.bound(Work(200, 10), "fp32") == 2
    assert rates.bound(Work(200, 50), "fp32") == 5
    assert rates.better(Rates({"fp32": 50.0}, 20.0)) == Rates({"fp32": 100.0}, 20.0)


@torch.no_grad()
def test_residual_convolutions_are_counted_however_they_run():
    layer, x = ResConv(8), torch.rand(1, 8, 10, 12)
    plain = work_of(lambda: layer(x)).flop
    layer.to(torch.bfloat16)
    short = x.to(torch.bfloat16, memory_format=torch.channels_last)
    layer(short)  # the fast form is compared with the plain one before its first use
    assert work_of(lambda: layer(short)).flop == plain == 2 * 9 * 8 * 8 * 120
