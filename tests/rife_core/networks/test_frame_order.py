"""A pair seen from its other end: what changes places, what changes sign."""

import torch
from rife_video.rife_core.networks.frame_order import (
    average,
    frame_orders,
    listed,
    mirror_flow,
)
from torch.testing import assert_close


def planes(value):
    return torch.full((1, 1, 2, 2), float(value))


NAMED = {"img0": planes(1), "img1": planes(2), "timestep": planes(0.25), "mask": planes(3)}
NAMES = ("img0", "img1", "timestep", "mask")


def test_both_flows_change_places():
    flow = torch.arange(4.0).reshape(1, 4, 1, 1)
    assert mirror_flow(flow).flatten().tolist() == [2, 3, 0, 1]
    assert torch.equal(mirror_flow(mirror_flow(flow)), flow)


def test_the_other_order_swaps_frames_time_and_mask():
    flow = torch.arange(4.0).reshape(1, 4, 1, 1)
    (there, flow_there), (back, flow_back) = frame_orders(NAMES, NAMED, flow, swap=True)
    assert [float(part[0, 0, 0, 0]) for part in there] == [1, 2, 0.25, 3]
    assert [float(part[0, 0, 0, 0]) for part in back] == [2, 1, 0.75, -3]
    assert torch.equal(flow_there, flow)
    assert torch.equal(flow_back, mirror_flow(flow))


def test_without_swap_there_is_one_order():
    ((parts, flow),) = frame_orders(NAMES, NAMED, None, swap=False)
    assert len(parts) == 4
    assert flow is None


def test_the_first_block_has_no_flow_in_either_order():
    assert [flow for _, flow in frame_orders(NAMES, NAMED, None, swap=True)] == [None, None]


def test_names_of_no_width_are_left_out():
    assert len(listed(NAMED, ("img0", "feat0", "mask"))) == 2


def test_what_both_orders_agree_on_is_their_average():
    update = torch.randn(2, 6, 4, 4)
    seen_back = torch.cat((update[:, 2:4], update[:, :2], -update[:, 4:]), 1)
    assert_close(average([update, seen_back]), update)
    assert average([update]) is update
    assert_close(average([update, torch.zeros_like(update)]), update / 2)
