"""Tiles: they cover the picture, and near its edge a tile counts for nothing."""

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.memory_plan import estimate_memory
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.tiling import CROSSFADE, OVERLAP, tiles
from rife_video.rife_core.timeline import Timeline
from torch.testing import assert_close

DOUBLE = Timeline.multiply(2)


def test_neighbours_cross_fade_in_the_middle_of_their_overlap(network):
    """Where a tile sees too little around a pixel, the other tile alone is shown."""
    width, side = 1600, 960
    left, right = tiles(network, 32, width, side, 1.0)
    begin, end = right.columns.start, left.columns.stop
    assert end - begin >= OVERLAP
    middle, half = (begin + end) // 2, CROSSFADE // 2
    rising = (torch.arange(CROSSFADE) + 0.5) / CROSSFADE
    expected = torch.cat((torch.zeros(middle - half), rising, torch.ones(width - middle - half)))
    assert_close(right.weight[0], expected[right.columns])
    assert_close(left.weight[0], 1 - expected[left.columns])


@pytest.mark.parametrize("length", [961, 1280, 1601, 4000])
def test_no_pixel_is_taken_from_where_a_tile_ends(network, length):
    """The edge of a tile that is not the picture's edge is as far away as can be."""
    for tile in tiles(network, length, 32, 960, 1.0):
        weight, unseen = tile.weight[:, 0], (OVERLAP - CROSSFADE) // 2
        if tile.rows.start:
            assert not weight[:unseen].any()
        if tile.rows.stop < length:
            assert not weight[-unseen:].any()
        assert weight.max() == 1


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_tiles_lie_on_the_networks_grid(network, scale):
    multiple = round(4 * network.spec.scales[0] / scale)
    for tile in tiles(network, 2000, 1000, 700, scale):
        assert tile.rows.start % multiple == 0
        assert tile.columns.start % multiple == 0


def test_a_small_picture_is_one_tile(network):
    (tile,) = tiles(network, 30, 50, 640, 1.0)
    assert (tile.rows, tile.columns) == (slice(0, 30), slice(0, 50))
    assert torch.equal(tile.weight, torch.ones(30, 50))


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (100, 700), (700, 961), (2000, 641)])
@pytest.mark.parametrize("side", [640, 960])
def test_tiles_cover_every_pixel_once(network, size, side):
    total = torch.zeros(size)
    for tile in tiles(network, *size, side, 1.0):
        assert tile.rows.start % 32 == 0
        assert tile.columns.start % 32 == 0
        assert tile.rows.stop - tile.rows.start <= side
        total[tile.rows, tile.columns] += tile.weight
    assert_close(total, torch.ones(size))


@pytest.mark.long
def test_tiled_equals_whole(network):
    report = Report()
    clip = torch.nn.functional.avg_pool2d(torch.rand(2, 3, 64, 1100), 31, 1, 15) * 4 - 1.5
    clip = clip.permute(0, 2, 3, 1).clamp(0, 1)
    limit = estimate_memory(network, 64, 640)
    tiled = interpolate(network, clip, DOUBLE, max_memory=limit, report=report)
    whole = interpolate(network, clip, DOUBLE)
    assert report.plans == ["1 at once on cpu, tiles of 640 pixels"]
    assert report.memory <= limit
    assert torch.equal(tiled[::2], clip)
    assert (tiled - whole).abs().max() < 1 / 255


@pytest.mark.long
@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiles_carry_alpha_and_disagreement(request, kind, channels):
    network = request.getfixturevalue(kind)
    clip = torch.rand(2, 40, 1300, channels)
    apart = torch.zeros(3, 40, 1300)
    report = Report()
    limit = estimate_memory(network, 40, 650)
    output = interpolate(network, clip, DOUBLE, max_memory=limit, disagreement=apart, report=report)
    assert "tiles of 650 pixels" in report.plans[0]
    whole_apart = torch.zeros(3, 40, 1300)
    whole = interpolate(network, clip, DOUBLE, disagreement=whole_apart)
    assert (output - whole).abs().max() < 1 / 255
    assert (apart - whole_apart).abs().max() < 1 / 255
    assert output.shape == (3, 40, 1300, channels)
