"""Progress with and without ComfyUI: what is counted, what is shown, how it is cancelled."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from rife_video.nodes.host import Progress, progress


@pytest.fixture
def comfyui(loaded, monkeypatch):
    """What reached ComfyUI's bar, and what a user does: `calls`, `cancel`."""
    modules, host = loaded("comfy.utils"), SimpleNamespace(calls=[], cancelled=False)

    def throw():
        if host.cancelled:
            raise InterruptedError("cancelled")

    def bar(total):
        assert total == 1, "until more is known"
        return SimpleNamespace(update_absolute=lambda *call: host.calls.append(call))

    modules["comfy.model_management"].throw_exception_if_processing_interrupted = throw
    modules["comfy.utils"].ProgressBar = bar
    pictures = ModuleType("PIL.Image")
    pictures.fromarray = lambda array: array
    monkeypatch.setitem(sys.modules, "PIL.Image", pictures)
    return host


def test_progress_counts_with_and_without_a_total():
    with progress("work") as report:
        report(0, None)
        report(2, 4)
        report(4, 4)


def test_comfyui_is_told_what_is_done(comfyui):
    with progress("work") as report:
        report(0, None)
        report(2, 4)
    assert comfyui.calls == [(0, 1, None), (2, 4, None)], "a bar without a total is never full"


def test_a_cancelled_run_ends_at_the_next_report(comfyui):
    with progress("work") as report:
        report(0, 4)
        comfyui.cancelled = True
        with pytest.raises(InterruptedError):
            report(1, 4)
    assert len(comfyui.calls) == 1


@pytest.mark.parametrize(
    "frame",
    [
        torch.full((4, 6, 3), 0.6),
        torch.full((4, 6, 4), 0.6),
        torch.full((4, 6, 1), 153, dtype=torch.uint8),
    ],
)
def test_a_frame_is_shown_in_8_bit_colour(comfyui, frame):
    with progress("work") as report:
        report.show(frame)
        report(1, 4)
    ((*_, (kind, picture, _)),) = comfyui.calls
    assert (kind, picture.shape) == ("JPEG", (4, 6, 3))
    assert (picture == 153).all()


def test_values_beyond_the_range_are_shown_as_its_ends(comfyui):
    with progress("work") as report:
        report.show(torch.tensor([-0.5, 0, 1, 1.5]).reshape(1, 4, 1))
        report(1, 4)
    ((*_, (_, picture, _)),) = comfyui.calls
    assert picture[..., 0].tolist() == [[0, 0, 255, 255]]


def test_a_large_frame_is_shown_smaller(comfyui):
    with progress("work") as report:
        report.show(torch.zeros(40, 1400, 3))
        report(1, 4)
    ((*_, (_, picture, side)),) = comfyui.calls
    assert picture.shape == (20, 700, 3)
    assert side == 512, "ComfyUI does the rest"


def test_pictures_are_shown_twice_a_second(monkeypatch):
    shown, now = [], 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    report = Progress(lambda done, total, picture: shown.append(picture is not None))
    for now in (100.0, 100.25, 100.5, 100.75, 101.25):
        report.show(torch.zeros(4, 6, 3))
        report(1, 4)
    assert shown == [True, False, True, False, True]
