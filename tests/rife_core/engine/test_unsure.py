"""What shows where the motion was not understood."""

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.memory_plan import Plan
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.unsure import unsure_share
from rife_video.rife_core.inference.rife import Synthesis
from rife_video.rife_core.networks.estimate import Estimate
from rife_video.rife_core.timeline import Timeline

HEIGHT, WIDTH = 48, 128
EARLIER, MADE, LATER = 0.25, 0.5, 0.75


@pytest.fixture
def torn(network, monkeypatch):
    """A network whose two sides contradict each other: on the left its mask takes from both."""

    def synthesize(frame0, frame1, times, scale, ensemble):
        side0, side1 = torch.zeros_like(frame0.image), torch.ones_like(frame0.image)
        mask = torch.full_like(side0[:, :1], 20.0)
        mask[..., : WIDTH // 2] = 0
        flow = mask.expand(-1, 4, -1, -1)
        return Synthesis(torch.full_like(side0, MADE), Estimate(flow, mask, side0, side1))

    monkeypatch.setattr(network, "synthesize", synthesize)
    return network


def frames_of(network, **options):
    clip = torch.stack([torch.full((HEIGHT, WIDTH, 3), grey) for grey in (EARLIER, LATER)])
    report = Report()
    return interpolate(network, clip, Timeline.multiply(4), report=report, **options), report


@pytest.mark.parametrize(
    ("unsure", "shown"),
    [("blend", [MADE] * 3), ("hold", [EARLIER] * 3), ("nearest", [EARLIER, LATER, LATER])],
)
def test_a_source_frame_shows_where_both_sides_are_mixed_and_disagree(torn, unsure, shown):
    output, report = frames_of(torn, unsure=unsure)
    torn_part, occluded_part = output[1:4, :, : WIDTH // 4], output[1:4, :, -WIDTH // 4 :]
    assert torn_part.amin((1, 2, 3)).tolist() == torn_part.amax((1, 2, 3)).tolist() == shown
    assert (occluded_part == MADE).all()
    assert report.unsure == (0 if unsure == "blend" else 3)
    assert ("motion was not understood: 3 of 3" in "\n".join(report.remarks())) == bool(
        report.unsure
    )


def test_it_reaches_to_the_region_s_border_softly(torn):
    output, _ = frames_of(torn, unsure="hold")
    row = output[1, HEIGHT // 2, :, 0]
    assert (row.diff() >= -1e-6).all()
    assert ((row > EARLIER) & (row < MADE)).any()


def test_frames_made_in_tiles_show_it_too(network):
    noise = torch.rand(2, 192, 256, 3, generator=torch.Generator().manual_seed(5))
    plan = Plan(torch.device("cpu"), 192, 256, 1, tile=128)
    output = interpolate(network, noise, Timeline.multiply(2), unsure="hold", plan=plan)
    assert (output[1] - noise[0]).abs().mean() < 0.01


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (480, 720)])
def test_a_share_of_any_size_is_between_0_and_1(size):
    doubt = torch.rand(size, generator=torch.Generator().manual_seed(1))
    share = unsure_share(doubt)
    assert share.shape == size
    assert 0 <= share.min() <= share.max() <= 1


@pytest.mark.parametrize(("doubt", "share"), [(0.16, 0.0), (0.18, 0.25), (0.2, 0.5), (0.24, 1.0)])
@pytest.mark.parametrize("size", [(1, 1), (30, 200), (480, 720)])
def test_a_share_grows_with_doubt(doubt, share, size):
    """Up to the edges of the frame."""
    found = unsure_share(torch.full(size, doubt))
    assert torch.allclose(found, torch.full(size, share), atol=1e-4)


def test_a_share_reaches_around_a_place_of_doubt():
    """Windows are of 33 pixels, a 15th of the shorter side; the rim is soft over 9 pixels."""
    doubt = torch.zeros(480, 720)
    doubt[200:280, 300:420] = 1
    share = unsure_share(doubt)
    assert (share[200:280, 300:420] == 1).all()
    rows, columns = share.nonzero().T
    reach = 11 + 16 + 4  # a sixth of a window in doubt, a window around it, half the rim
    assert (int(rows.min()), int(rows.max())) == (200 - reach, 279 + reach)
    assert (int(columns.min()), int(columns.max())) == (300 - reach, 419 + reach)


def test_a_thin_line_of_doubt_is_left_alone():
    doubt = torch.zeros(480, 720)
    doubt[:, 360:362] = 1
    assert not unsure_share(doubt).any()


def test_other_words_are_refused(network):
    with pytest.raises(ValueError, match="unsure is 'guess'; it must be one of blend, hold, near"):
        interpolate(network, torch.rand(2, 8, 8, 3), Timeline.multiply(2), unsure="guess")
