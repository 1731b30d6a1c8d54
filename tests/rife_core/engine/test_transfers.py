"""Copies beside the computing: nothing is read before it has arrived, and nothing is lost."""

import copy

import pytest
import torch
from rife_video.rife_core.engine import synthesizer
from rife_video.rife_core.engine.loop import interpolate, stream
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.engine.transfers import Transfers, transfers_for
from rife_video.rife_core.timeline import Timeline
from support import moving_square
from torch.testing import assert_close

CLIP = moving_square(frames=6, height=20, width=30)
TRIPLE = Timeline.multiply(3)


class Late(Transfers):
    """Copies that hold garbage until they are waited for, and note what happens when."""

    ahead = 1

    def __init__(self, device):
        super().__init__(device)
        self.events = []

    def upload(self, frame):
        return self._later("send", frame)

    def download(self, made, home):
        return self._later("fetch", made) if made.ndim > 1 else super().download(made, home)

    def _later(self, what, tensor):
        place, original = torch.full_like(tensor, float("nan")), tensor.clone()
        self.events.append(what)

        def pending():
            self.events.append(what + "ed")
            return place.copy_(original)

        return pending


@pytest.fixture
def late(monkeypatch):
    transfers = Late(torch.device("cpu"))
    monkeypatch.setattr(synthesizer, "transfers_for", lambda device: transfers)
    return transfers


@pytest.mark.parametrize("kind", ["network", "midpoint_network"])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize(
    "timeline", [TRIPLE, Timeline.retime(24, 60), Timeline.multiply(2, "loop")]
)
def test_late_copies_give_the_same_clip(request, late, kind, batch_size, timeline):
    network = request.getfixturevalue(kind)
    made = interpolate(network, CLIP, timeline, batch_size=batch_size)
    assert "fetched" in late.events
    late.ahead = 0
    assert_close(made, interpolate(network, CLIP, timeline, batch_size=batch_size), atol=0, rtol=0)


def test_a_batch_begins_before_the_one_before_it_is_fetched(network, late):
    list(stream(network, CLIP, Timeline.multiply(2), batch_size=1))
    assert late.events[:10] == [
        *("send", "send", "sended", "sended", "fetch"),
        *("send", "sended", "fetch", "fetched"),  # the second frame is begun, then the first ended
        "send",
    ]
    assert late.events.count("fetched") == 5


def test_progress_counts_what_has_arrived(network, late):
    seen = []

    def progress(done, total):
        seen.append((done, late.events.count("fetched")))

    interpolate(network, CLIP, TRIPLE, batch_size=4, progress=progress)
    assert (seen[0], seen[-1]) == ((0, 0), (16, 10))
    assert all(done - (done + 2) // 3 <= arrived for done, arrived in seen)


def test_cancelling_leaves_nothing_behind(network, late):
    def cancel(done, total):
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interpolate(network, CLIP, TRIPLE, batch_size=2, progress=cancel)
    assert len(interpolate(network, CLIP, TRIPLE)) == 16


def test_frames_that_need_no_network_are_not_held_back(network, late):
    """After the one frame that is made, each frame that goes in comes out."""
    read = []

    def frames():
        for frame in CLIP:
            read.append(frame)
            yield frame

    for taken, _ in enumerate(stream(network, frames(), Timeline.multiply(1, schedule="1:2"))):
        assert len(read) <= taken + 3


def test_out_of_memory_loses_nothing_under_way(network, late, monkeypatch):
    synthesize = network.synthesize

    def small_device(frame0, *rest):
        if len(frame0.image) > 1 and late.events.count("fetch") > 2:
            raise torch.OutOfMemoryError("too large")
        return synthesize(frame0, *rest)

    expected = interpolate(network, CLIP, TRIPLE, batch_size=1)
    late.events.clear()
    monkeypatch.setattr(network, "synthesize", small_device)
    report = Report()
    assert_close(
        interpolate(network, CLIP, TRIPLE, batch_size=2, report=report), expected, atol=1e-5, rtol=0
    )
    assert report.plans == ["2 at once on cpu", "1 at once on cpu"]


def test_what_overflowed_is_made_again_after_it_arrived(network, late):
    overflowing, report = copy.deepcopy(network), Report()
    synthesize = overflowing.synthesize

    def first_overflows(*arguments):
        made = synthesize(*arguments)
        made.image[0] = float("inf")
        return made

    overflowing.synthesize = first_overflows
    overflowing.__deepcopy__ = lambda memo: copy.deepcopy(network)
    made = interpolate(overflowing, CLIP, TRIPLE, batch_size=2, report=report)
    assert report.redone == 5  # one of each batch
    assert_close(made, interpolate(network, CLIP, TRIPLE, batch_size=2), atol=1e-5, rtol=0)


def test_a_cpu_copies_at_once():
    transfers = transfers_for(torch.device("cpu"))
    frame = torch.rand(4, 4, 3)
    assert transfers.ahead == 0
    assert transfers.upload(frame)() is frame
    assert transfers.download(frame, frame.device)() is frame


class TestOnDevice:
    """Streams for real."""

    pytestmark = [  # noqa: RUF012
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ]

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_frames_come_and_go_while_the_device_computes(self, dtype):
        """Each frame passes a long computation; a copy that did not wait would show."""
        transfers = transfers_for(torch.device("cuda:0"))
        frames = [(torch.rand(270, 480, 3) * 255).to(dtype) for _ in range(20)]
        busy, arrivals = torch.rand(2048, 2048, device="cuda:0"), []
        for frame in frames:
            uploaded = transfers.upload(frame)
            for _ in range(4):
                busy = (busy @ busy).clamp(-1, 1)
            made = uploaded().clone()
            made += (busy.sum() * 0).to(dtype)
            arrivals.append(transfers.download(made, frame.device))
        for frame, pending in zip(frames, arrivals, strict=True):
            assert torch.equal(pending(), frame)

    @pytest.mark.parametrize("kind", ["network", "midpoint_network"])
    def test_a_device_makes_the_clip_that_the_cpu_makes(self, request, kind):
        network = request.getfixturevalue(kind)
        expected = interpolate(network, CLIP, TRIPLE, batch_size=2)
        try:
            made = interpolate(network.cuda(), CLIP, TRIPLE, batch_size=2)
            streamed = list(stream(network, CLIP, TRIPLE, batch_size=2))
        finally:
            network.cpu()
        assert_close(made, expected, atol=2e-3, rtol=0)
        # Not to the bit: on a device, sums of one convolution are not always in one order.
        assert_close(torch.stack(streamed), made, atol=2e-3, rtol=0)
        assert not any(frame.is_pinned() for frame in streamed)
