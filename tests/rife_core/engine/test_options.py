"""Options are checked where they are made, before any file or network is touched."""

import dataclasses

import pytest
import torch
from rife_video.rife_core.engine.loop import stream
from rife_video.rife_core.engine.options import OptionFields, Options
from rife_video.rife_core.files.convert import interpolate_file
from rife_video.rife_core.timeline import Timeline

BAD = [
    ({"scale": 3}, "scale is 3; it must be one of auto, 0.25, 0.5, 1.0, 2.0, 4.0"),
    ({"batch_size": -1}, "batch_size is -1; it must be 0"),
    ({"batch_size": 1025}, "batch_size is 1025; it must be 0 .* at most 1024"),
    ({"max_memory": -1}, "max_memory is -1; it must be 0"),
    ({"keep": torch.zeros(4)}, "keep is .4,.; it must be H W or N H W"),
    ({"keep": torch.zeros(1, 1, 1, 4)}, "keep is .*; it must be H W or N H W"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_values_that_no_run_can_have(fields, message, network, tmp_path):
    double = Timeline.multiply(2)
    with pytest.raises(ValueError, match=message):
        Options(**fields)
    with pytest.raises(ValueError, match=message):
        stream(network, iter(()), double, **fields)
    with pytest.raises(ValueError, match=message):
        interpolate_file(network, tmp_path / "gone.mp4", tmp_path / "out.mp4", double, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ensemble": True}, "without an ensemble mode"),
        ({"keep": torch.zeros(36, 50)}, "but the frames are 36 high and 52 wide"),
    ],
)
def test_a_file_is_not_begun_with_options_that_do_not_fit(
    network, clip_file, tmp_path, fields, message
):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ValueError, match=message):
        interpolate_file(network, clip_file, out / "a.mp4", Timeline.multiply(2), **fields)
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    "fields",
    [
        {"batch_size": 0, "max_memory": 0},
        {"batch_size": 1024, "max_memory": 1},
        {"keep": torch.zeros(36, 52)},
        {"keep": torch.zeros(3, 36, 52)},
    ],
)
def test_the_least_and_the_most_are_taken(network, fields):
    Options(**fields).check(network, 36, 52)


def test_options_with_masks_can_be_compared():
    """Each is equal to itself alone: masks are not compared pixel by pixel."""
    mask = torch.zeros(2, 3)
    options = Options(keep=mask)
    assert options == options
    assert options != Options(keep=mask.clone())


def test_keyword_arguments_are_the_options():
    fields = [field.name for field in dataclasses.fields(Options)]
    assert fields == list(OptionFields.__annotations__)
