"""Textures: in range, the seed's own, and of many kinds."""

import torch
from rife_video.rife_core.training.textures import Draw, make_texture


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_the_seed_decides():
    assert torch.equal(make_texture(generator(1), 48), make_texture(generator(1), 48))
    assert not torch.equal(make_texture(generator(1), 48), make_texture(generator(2), 48))


def test_they_are_pictures():
    draws = [make_texture(generator(seed), 32) for seed in range(12)]
    for picture in draws:
        assert picture.shape == (3, 32, 32)
        assert picture.isfinite().all()
        assert picture.min() >= 0
        assert picture.max() <= 1
    means = torch.stack([picture.mean() for picture in draws])
    assert means.std() > 0.1  # dark ones and light ones


def test_draws_are_in_their_ranges():
    draw = Draw(generator(0))
    drawn = draw.uniform((1000,), 2, 3)
    assert 2 <= drawn.min() < 2.05
    assert 2.95 < drawn.max() <= 3
    steps = draw.log_uniform((4000,), 1, 100)
    assert steps.min() >= 1
    assert steps.max() <= 100
    assert 0.45 < (steps < 10).float().mean() < 0.55  # as many below ten as above
    assert torch.allclose(draw.direction((50,)).norm(dim=-1), torch.ones(50))
    assert set(draw.integers(200, 3)) == {0, 1, 2}


def test_textures_have_a_natural_spectrum():
    """Power falls with frequency: neither white noise nor a flat colour."""
    power = torch.zeros(64, 33)
    for seed in range(12):
        texture = make_texture(torch.Generator().manual_seed(seed), 64).mean(0)
        power += torch.fft.rfft2(texture - texture.mean()).abs().square()
    row = power[0] + power[:, 0][:33]
    assert row[1:4].mean() > 8 * row[8:16].mean() > 0
    assert row[8:16].mean() > row[24:].mean() > 0
