"""The table of releases: whose parameters each row has, and which widths it can take."""

from itertools import pairwise

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import BUNDLED
from rife_video.rife_core.networks.ifnet import FlowNetwork
from rife_video.rife_core.networks.specs import (
    OWN,
    SPECS,
    distinct_specs,
    get_spec,
    releases_of,
    with_channels,
)
from safetensors import safe_open
from support import manifest

every_row = pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)


def test_the_table_lists_all_releases():
    older = {"rife", "rife_m", "2.3", "2.4", "3.1", "3.5", "hdv3"}
    assert set(manifest("v4")) | older | {OWN} == set(SPECS)
    assert len(SPECS) == 7 + 36 + 1
    assert releases_of(SPECS["4.25"]) == ("4.25", "4.26")
    assert all(spec.version == version for version, spec in SPECS.items())


@every_row
def test_parameters_are_those_of_the_published_files(spec):
    with torch.device("meta"):
        state = FlowNetwork(spec).state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in state.items()}
    of_paper = {"rife": "IFNet", "rife_m": "IFNet_m", "hdv3": "IFNet_HDv3"}
    for version in releases_of(spec):
        if version in of_paper:
            assert shapes == manifest()["_state_dict_keys"][of_paper[version]]
        elif version in manifest("v4"):
            assert shapes == manifest("v4")[version]["state_dict"]


@every_row
def test_each_block_is_finer_than_the_one_before(spec):
    assert len(spec.scales) == len(spec.channels)
    assert spec.scales[-1] == 1
    steps = [a / b for a, b in pairwise(spec.scales)]
    assert set(steps) <= ({2, 4} if spec.version == "4.25.lite" else {2})
    assert spec.align == max(32, 4 * spec.scales[0]), "what the coarsest block reads as one pixel"


@every_row
def test_what_a_row_has_says_what_it_does(spec):
    assert spec.mask_adds == (spec.head is None), "blocks that see features give the mask anew"
    if spec.carried:
        assert spec.planes == 4 + 1 + spec.carried
    takes_times = spec.version.startswith("4.") or spec.version in ("rife_m", OWN)
    assert spec.arbitrary_timestep == takes_times
    assert spec.sums_at_half == (spec.version in ("2.3", "3.1"))


def test_the_bundled_row_is_that_of_the_bundled_weights():
    with torch.device("meta"):
        state = FlowNetwork(get_spec(OWN)).state_dict()
    with safe_open(BUNDLED, "pt") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    assert {name: list(tensor.shape) for name, tensor in state.items()} == shapes


def test_flow_is_in_pixels_of_what_a_block_reads_but_in_2():
    assert [get_spec("4.6").flow_unit(index) for index in range(4)] == [1, 1, 1, 1]
    assert [get_spec("2.3").flow_unit(index) for index in range(4)] == [8, 4, 2, 1]


def test_a_release_that_is_none_is_told_of_all():
    with pytest.raises(ValueError, match=r"no RIFE network '4\.99'. Known versions: rife, .*deep"):
        get_spec("4.99")


@pytest.mark.parametrize("widths", [(2, 2, 2, 2), (4096, 2, 3, 4)])
def test_widths_of_its_own(widths):
    spec = with_channels(get_spec("4.6"), widths)
    assert spec.channels == widths
    assert releases_of(spec) == ()
    assert with_channels(spec, ()) == spec


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ((1, 8, 8, 8), "from 2 to 4096"),
        ((4097, 8, 8, 8), "from 2 to 4096"),
        ((8.0, 8, 8, 8), "from 2 to 4096"),
        ((True, 8, 8, 8), "from 2 to 4096"),
        ((8, 8, 8), r"lists 3 widths, but the network '4\.6' has 4 blocks"),
        ((8, 8, 8, 8, 8), "lists 5 widths"),
    ],
)
def test_widths_that_cannot_be(widths, words):
    with pytest.raises(ValueError, match=words):
        with_channels(get_spec("4.6"), widths)
