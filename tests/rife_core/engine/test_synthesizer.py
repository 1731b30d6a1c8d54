"""How frames are made: on which device, by which copies, and what is made just once."""

import copy
from fractions import Fraction
from threading import current_thread, main_thread
from time import sleep

import pytest
import torch
from rife_video.rife_core.engine import synthesizer
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.memory_plan import Plan
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.synthesizer import Synthesizer
from rife_video.rife_core.engine.tasks import Pair, Request, SourceFrame
from rife_video.rife_core.engine.transfers import Transfers
from rife_video.rife_core.timeline import Timeline
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=2, height=20, width=30)
DOUBLE = Timeline.multiply(2)


@torch.no_grad()
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("too large"), MemoryError()], ids=repr)
def test_the_last_rung_is_the_cpu_in_float32(network, monkeypatch, error):
    """Where a device has no room, a copy of the network goes on, by transfers of the CPU."""
    devices = []

    def transfers_for(device):
        devices.append(device.type)
        return Transfers(torch.device("cpu"))  # "meta" stands for a device; it holds no pixels

    def prepare(*_):
        raise error

    monkeypatch.setattr(synthesizer, "transfers_for", transfers_for)
    full = copy.deepcopy(network).bfloat16()
    monkeypatch.setattr(full, "prepare", prepare)
    monkeypatch.setattr(full, "__deepcopy__", lambda _: copy.deepcopy(network), raising=False)
    report = Report()
    pair = Pair(*(SourceFrame(frame, number, report) for number, frame in enumerate(CLIP, 1)))
    wanted = Request(pair, Fraction(0), Fraction(1, 2), Fraction(1), 1)
    with Synthesizer(full, Plan(torch.device("meta"), 20, 30, 1), report) as made_by:
        (made,) = made_by.synthesize([wanted])
    assert report.plans == ["1 at once on meta", "1 at once on cpu"]
    assert devices == ["meta", "cpu"]
    assert {each.dtype for each in made_by.network.parameters()} == {torch.float32}
    assert_close(made.image.permute(1, 2, 0), interpolate(network, CLIP, DOUBLE)[1])
    assert not made.maps.any()  # nobody asked for them


def test_whole_frames_stay_off_a_device_that_has_room_for_tiles_only(network, monkeypatch):
    class NoRoom(Transfers):
        ahead = 1

        def upload(self, frame):
            raise AssertionError("a whole frame")

    monkeypatch.setattr(synthesizer, "transfers_for", NoRoom)
    plan = Plan(torch.device("cpu"), 20, 30, 1, tile=640)
    assert len(interpolate(network, CLIP, DOUBLE, plan=plan)) == 3


@pytest.mark.parametrize("cores", [2, 3])
def test_frames_of_a_batch_are_made_side_by_side(network, monkeypatch, cores):
    """Each by itself, on a CPU of several cores; features of a source frame are made once."""
    calls, before = [], torch.get_num_threads()

    def noted(name, compute):
        def call(*arguments):
            assert current_thread() is not main_thread()
            calls.append(name)
            sleep(0.01)  # so that others come meanwhile
            return compute(*arguments)

        return call

    for name in ("prepare", "synthesize"):
        monkeypatch.setattr(network, name, noted(name, getattr(network, name)))
    torch.set_num_threads(cores)
    try:
        interpolate(network, CLIP, Timeline.multiply(3), batch_size=2)
    finally:
        torch.set_num_threads(before)
    assert sorted(calls) == ["prepare"] * 2 + ["synthesize"] * 2
