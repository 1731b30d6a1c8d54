"""What every backend does: builds once, checks itself, steps aside."""

import copy
import warnings

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.timeline import Timeline
from support import GAINS, EchoBackend, fill, moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=3, height=34, width=50)


def frames(network, clip=CLIP, multiplier=3, **options):
    return interpolate(network, clip, Timeline.multiply(multiplier), **options)


def test_programs_are_built_once_for_each_shape(own):
    expected = frames(own)
    own.backend = echo = EchoBackend(own)
    assert_close(frames(own, batch_size=1), expected)
    assert echo.built == [None, 1.0]
    assert echo.ran == 3 + 4
    frames(own, batch_size=1)
    assert echo.built == [None, 1.0]
    frames(own, CLIP[:, :32, :32])
    frames(own, scale=0.5)
    assert echo.built == [None, 1.0, None, 1.0, 0.5]


def test_the_last_used_programs_are_kept(own):
    own.backend = echo = EchoBackend(own)
    sizes = [(32, 32 * k) for k in range(1, 5)]
    for height, width in sizes:
        frames(own, torch.rand(2, height, width, 3))
    assert len(echo.built) == 8
    frames(own, torch.rand(2, *sizes[-1], 3))
    assert len(echo.built) == 8
    frames(own, torch.rand(2, *sizes[0], 3))
    assert len(echo.built) == 10


def raising(made, inputs):
    raise RuntimeError("the compiler fell over")


def off(made, inputs):
    return [each + 0.05 for each in made]


def no_number(made, inputs):
    return [each * torch.nan for each in made]


def too_small(made, inputs):
    return [each[..., 1:] for each in made]


def overwriting(made, inputs):
    made = [each.clone() for each in made]
    inputs[0].zero_()
    return made


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (raising, "RuntimeError: the compiler fell over"),
        (off, "not within 50 dB"),
        (no_number, "not within 50 dB"),
        (too_small, "it made"),
        (overwriting, "writes to its input"),
    ],
)
def test_what_goes_wrong_is_made_eagerly_with_one_warning(own, spoil, reason):
    expected = frames(own)
    own.backend = echo = EchoBackend(own, spoil)
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        assert_close(frames(own), expected, atol=0, rtol=0)
    assert len(caught) == 1
    assert "'echo'" in str(caught[0].message)
    ran = echo.ran
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(frames(own), expected, atol=0, rtol=0)
    assert echo.ran == ran


def test_a_failure_later_on_is_made_eagerly_too(own):
    expected = frames(own)
    own.backend = echo = EchoBackend(own)
    frames(own)
    echo.spoil = raising
    with pytest.warns(RuntimeWarning, match="fell over"):
        assert_close(frames(own), expected, atol=0, rtol=0)


def test_running_out_of_memory_is_for_the_engine(own):
    """It frees the programs, and the engine goes down its ladder."""

    def greedy(made, inputs):
        if len(inputs[0]) > 1:
            raise torch.OutOfMemoryError
        return made

    expected = frames(own)
    own.backend, report = EchoBackend(own, greedy), Report()
    assert_close(frames(own, batch_size=2, report=report), expected, atol=1e-5, rtol=0)
    assert report.plans == ["2 at once on cpu", "1 at once on cpu"]
    assert not own.backend._given_up
    assert own.backend.built == [None, 1.0, 1.0, None]  # released, so that built again


def test_in_half_precision_as_far_from_float32_as_eager_code_is_near_enough(own):
    set_precision(own, torch.bfloat16)
    image0, image1 = (each.permute(2, 0, 1)[None] for each in CLIP[:2])

    def in_float32(made, inputs):
        """Not within 50 dB of eager code in bfloat16, but nearer to the truth."""
        assert made[0].dtype == torch.float32
        return [each + 0.01 * noise for each in made]

    noise = torch.tensor(0.0)
    own.backend = EchoBackend(own, in_float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.inference(image0, image1)
    noise.fill_(5)
    own.backend = EchoBackend(own, in_float32)
    with pytest.warns(RuntimeWarning, match="not within 50 dB"):
        own.inference(image0, image1)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.double().float(),
        lambda network: network.block0.lastconv[0].weight.mul_(2),
        lambda network: network.load_state_dict(
            {name: weight.clone() for name, weight in network.state_dict().items()}, assign=True
        ),
    ],
    ids=["moved", "written to", "replaced"],
)
def test_changed_weights_are_noticed(own, change):
    own.backend = echo = EchoBackend(own)
    frames(own)
    before = len(echo.built)
    with torch.no_grad():
        change(own)
    made = frames(own)
    assert len(echo.built) == 2 * before
    own.backend = None
    assert_close(made, frames(own))


def test_weights_loaded_in_inference_mode_run_too():
    with torch.inference_mode():  # as nodes do
        network = fill(build_network("4.25.lite"), GAINS).eval()
        network.backend = echo = EchoBackend(network)
        frames(network)
        frames(network)
    assert echo.built == [None, 1.0]


def test_a_copy_is_eager(own):
    own.backend = EchoBackend(own)
    frames(own)
    assert copy.deepcopy(own).backend is None
    assert own.backend.built


def test_gradients_need_eager_code(own):
    own.backend = echo = EchoBackend(own)
    image0, image1 = (each.permute(2, 0, 1)[None] for each in CLIP[:2])
    own.synthesize(own.prepare(image0), own.prepare(image1)).image.sum().backward()
    assert not echo.built


def test_networks_that_decide_by_what_they_see_stay_eager():
    network = fill(build_network("4.0"), GAINS).eval()
    network.backend = echo = EchoBackend(network)
    frames(network)
    assert not echo.built
