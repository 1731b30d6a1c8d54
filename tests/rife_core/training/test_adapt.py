"""Fine-tuning on a clip: never worse than before, and it stops when told."""

import copy
from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import get_spec
from rife_video.rife_core.training import adapt as module
from rife_video.rife_core.training.adapt import adapt
from support import moving_square


@pytest.fixture(scope="module")
def frames():
    return list(moving_square(14, 64, 96))


@torch.no_grad()
def one_sided():
    """A network that sees no motion and shows the first frame: the average is better."""
    network = RIFE(replace(get_spec("4.6"), channels=(4, 4, 4, 4)))
    for block in network.blocks:
        for parameter in block.lastconv.parameters():
            parameter.zero_()
        block.lastconv[0].bias[16:20] = 1.0  # the mask's four places before the shuffle
    return network.eval()


def test_what_is_better_is_kept(frames):
    network = one_sided()
    outcome = adapt(network, frames, steps=25, lr=3e-2)
    assert outcome.kept
    assert outcome.after > outcome.before
    assert outcome.network is not network
    assert "kept" in str(outcome)


def test_what_is_no_better_is_dropped(network, frames):
    outcome = adapt(network, frames, steps=2, lr=0.0)
    assert not outcome.kept
    assert outcome.network is network
    assert "original stays" in str(outcome)


def test_the_original_is_not_touched(network, frames):
    before = copy.deepcopy(network.state_dict())
    adapt(network, frames, steps=2, lr=1e-2)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert not network.training


def test_it_stops_after_the_seconds_given(network, frames):
    outcome = adapt(network, frames, steps=100000, seconds=1.0, lr=1e-4)
    assert 0 < outcome.steps < 1000


def test_what_the_report_raises_ends_it(network, frames):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(network, frames, report=stop)


def test_a_clip_too_short_is_named(network, frames):
    with pytest.raises(ValueError, match="needs 12 frames or more"):
        adapt(network, frames[:4])


def test_a_frame_with_nan_is_named(network, frames):
    broken = [frame.clone() for frame in frames]
    broken[6][5, 5, 1] = torch.nan
    with pytest.raises(ValueError, match="Frame 7 of the clip has NaN"):
        adapt(network, broken, steps=1)


def test_training_that_diverges_ends_with_the_reason(network, frames):
    with pytest.raises(ValueError, match=r"diverged at step .*smaller learning rate than 1e"):
        adapt(network, frames, steps=200, lr=1e30)


@pytest.mark.parametrize("length", [12, 40])
def test_what_judges_was_never_trained_on(network, monkeypatch, length):
    """The frame that a judge compares with is in none of the triplets that are trained on."""
    judged, trained = [], []

    def score(network, frames, judges, *more):
        judged.append(list(judges))
        return 20.0

    def train(network, frames, triplets, *more):
        trained.extend(triplets)
        return network, 0

    monkeypatch.setattr(module, "_score", score)
    monkeypatch.setattr(module, "_trained", train)
    adapt(network, list(moving_square(length, 64, 200)))
    before, after = judged
    assert before == after
    assert before
    assert len(trained) >= len(before)
    seen = {start + place for start in trained for place in range(3)}
    assert not seen & {start + 1 for start in before}


def test_the_copy_is_the_average_of_its_steps(network, frames):
    """AdamW's first step is the learning rate in every direction, a tenth of it while warming up;
    the average goes five sixths of the way."""
    trained, done = module._trained(network, frames, [0, 1], 1, float("inf"), 1e-2, 0, None)
    assert done == 1
    moved = [
        (after - before).abs().max()
        for after, before in zip(trained.parameters(), network.parameters(), strict=True)
    ]
    assert torch.stack(moved).max().item() == pytest.approx(1e-3 * 5 / 6, rel=0.01)


@pytest.mark.parametrize("has", [True, False])
def test_it_learns_in_bfloat16_only_where_that_is_fast(network, frames, monkeypatch, has):
    monkeypatch.setattr(module, "has_bfloat16", lambda device: has)
    seen = []
    autocast = torch.autocast

    def watched(*args, enabled, **options):
        seen.append(enabled)
        return autocast(*args, enabled=enabled, **options)

    monkeypatch.setattr(torch, "autocast", watched)
    adapt(network, frames, steps=1, lr=1e-4)
    assert any(seen) is has
