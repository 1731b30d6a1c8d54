"""Little memory, odd settings of PyTorch, odd frames: a right answer, or a clear error."""

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from rife_video.rife_core import Timeline, interpolate, load_rife, save_rife, set_precision
from rife_video.rife_core.charts.pictures import plot
from rife_video.rife_core.charts.strip import strip
from rife_video.rife_core.engine.threads import FramePool
from rife_video.rife_core.losses import LapLoss, lap_loss, sobel, ternary
from rife_video.rife_core.losses.metrics import psnr, ssim
from rife_video.rife_core.ops.dispatch import is_out_of_memory
from rife_video.rife_core.timeline.shutter import Shutter
from rife_video.rife_core.training.ladder import rungs
from rife_video.rife_core.training.scene import SceneSettings
from rife_video.rife_core.training.synthetic import SceneGenerator
from rife_video.rife_core.video import VideoReader, VideoWriter, sample_clip
from support import moving_square


@contextmanager
def float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SETTINGS = {
    "meta default device": lambda: torch.device("meta"),
    "float64 default type": float64,
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "inference mode": torch.inference_mode,
    "gradients on": torch.enable_grad,
    "gradients off": torch.no_grad,
    "deterministic": deterministic,
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_settings_of_pytorch_change_no_frame(setting, dtype, network, midpoint_network, seeded):
    clip = moving_square(3)
    img0, img1 = torch.rand(2, 1, 3, 40, 56)
    for one in (network, midpoint_network):
        set_precision(one, dtype)
        try:
            for options in ({"batch_size": 1}, {"scale": "auto"}, {}):
                expected = interpolate(one, clip, Timeline.multiply(2), **options)
                with SETTINGS[setting]():
                    made = interpolate(one, clip, Timeline.multiply(2), **options)
                assert torch.equal(made, expected)
            expected = one.inference(img0, img1)
            with SETTINGS[setting]():
                made = one.inference(img0, img1)
            assert torch.equal(made, expected)
        finally:
            set_precision(one, torch.float32)


def _values(made):
    """All tensors in what something gives, in order."""
    if isinstance(made, torch.Tensor):
        return [made.detach()]
    if isinstance(made, dict):
        made = made.values()
    elif not isinstance(made, list | tuple) and not hasattr(made, "__next__"):
        return []
    return [value for each in made for value in _values(each)]


_CLIP = moving_square(4)


def _interpolated(network):
    """Maps of doubt, a shutter, tiles."""
    clip, double = _CLIP, Timeline.multiply(2)
    maps = torch.empty(7, *clip.shape[1:3], device="cpu")
    sharp = interpolate(network, clip, double, disagreement=maps, unsure="nearest")
    blurred = interpolate(network, clip, replace(double, shutter=Shutter.of(180, 4)))
    wide = F.interpolate(clip[:2].movedim(-1, 1), (96, 1300)).movedim(1, -1)
    return [sharp, maps, blurred, interpolate(network, wide, double, max_memory=60 * 2**20)]


def _read(path):
    reader = VideoReader(path)
    return [list(reader), reader.read_audio()]


def _written(clip_file, folder):
    path = folder / "again.mp4"
    with VideoWriter(path, Fraction(12), audio=VideoReader(clip_file).read_audio()) as writer:
        for frame in VideoReader(clip_file):
            writer.write(frame)
    return _read(path)


def _scenes():
    settings = SceneSettings(size=32, textures=4, texture_size=64)
    batch = SceneGenerator(settings, seed=3).batch(0, 2)
    return [batch.img0, batch.gt, batch.img1, batch.flow]


DOINGS = {
    "sample clip": lambda *_: [sample_clip.frames(2), sample_clip.sound()],
    "ladder": lambda *_: [each.frames for each in rungs(kinds=["lines", "text"], speeds=[33])],
    "scenes": lambda *_: _scenes(),
    "charts": lambda *_: [
        plot({"psnr": [1.0, 2.0]}),
        strip([torch.ones(8, 8, 3, device="cpu")], []),
    ],
    "interpolation": lambda network, *_: _interpolated(network),
    "reading": lambda _, clip, __: _read(clip),
    "writing": lambda _, clip, folder: _written(clip, folder),
    "weights": lambda _, __, folder: load_rife(folder / "small.safetensors").state_dict(),
}


@pytest.mark.parametrize("doing", DOINGS)
def test_a_default_device_changes_nothing(doing, network, clip_file, tmp_path):
    """What is no layer stays on the CPU, whatever device new tensors go to."""
    save_rife(network, tmp_path / "small.safetensors")
    expected = _values(DOINGS[doing](network, clip_file, tmp_path))
    assert expected
    with torch.device("meta"):
        made = _values(DOINGS[doing](network, clip_file, tmp_path))
    assert len(made) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (2, 0, 8, 3), (2, 8, 0, 3), (2, 8, 8, 0), (3,)])
def test_frames_of_no_size(network, shape):
    with pytest.raises(ValueError, match=r"frames?\b"):
        interpolate(network, torch.zeros(shape), Timeline.multiply(2))


@pytest.mark.parametrize("shape", [(1, 3, 0, 8), (1, 3, 8, 0), (0, 3, 8, 8)])
def test_images_of_no_size(network, shape):
    with pytest.raises(ValueError, match=r"img|image|batch|empty"):
        network.inference(torch.zeros(shape), torch.zeros(shape))


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: clip.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1),
        lambda clip: torch.stack((clip, clip), 3).flatten(2, 3)[:, :, ::2],
        lambda clip: clip.transpose(1, 2).contiguous().transpose(1, 2),
        lambda clip: torch.from_numpy(clip.numpy()),
        lambda clip: clip.clone().requires_grad_(),
        lambda clip: torch.nn.Parameter(clip.clone()),
        lambda clip: clip.double(),
    ],
)
def test_frames_that_lie_oddly_in_memory(network, change):
    clip = moving_square(3)
    expected = interpolate(network, clip, Timeline.multiply(2))
    made = interpolate(network, change(clip), Timeline.multiply(2))
    assert torch.equal(made[::2].float(), clip)
    torch.testing.assert_close(made.float(), expected, atol=1e-5, rtol=0)  # sums in another order
    assert not made.requires_grad


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda clip: clip.numpy(), "ndarray"),
        (lambda clip: clip.tolist(), r"frames is \[\["),
        (lambda clip: clip.to_sparse(), "sparse"),
        (lambda clip: clip.to("meta"), "device meta"),
        (lambda clip: torch.nested.nested_tensor([*clip]), "nested"),
        (lambda clip: (255 * clip).short(), "int16"),
        (lambda clip: clip > 0, "bool"),
        (lambda clip: clip.to(torch.complex64), "complex64"),
    ],
)
def test_frames_that_are_none(network, change, words, tally):
    with tally.one(words), pytest.raises(ValueError, match=words):
        interpolate(network, change(moving_square(2)), Timeline.multiply(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_frames_of_a_pixel_in_every_type(network, dtype, shape):
    clip = (200 * torch.rand(2, *shape, 3)).to(dtype) / (1 if dtype == torch.uint8 else 255)
    made = interpolate(network, clip.to(dtype), Timeline.multiply(2))
    assert made.dtype == dtype
    assert torch.equal(made[::2], clip.to(dtype))
    assert made.isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, 1e-40])
def test_values_that_are_no_light_stay_in_their_neighbourhood(network, value):
    """Source frames pass as they are; frames between others are not touched."""
    clip = moving_square(4)
    clip[1, 3, 5] = value
    made = interpolate(network, clip, Timeline.multiply(2))
    assert torch.equal(made[::2], clip) or made[::2].isnan().any()
    assert torch.equal(made[5], interpolate(network, clip[2:], Timeline.multiply(2))[1])


@pytest.mark.parametrize(
    "timestep", [-1, 2, 1e9, 10**400, float("nan"), float("inf"), "x", None, [0.5], torch.rand(2)]
)
def test_times_that_are_none(network, timestep):
    img0, img1 = torch.rand(2, 1, 3, 32, 32)
    with pytest.raises(ValueError, match="timestep is"):
        network.inference(img0, img1, timestep)


def test_images_on_two_devices(network):
    image = torch.rand(1, 3, 32, 32)
    with pytest.raises(ValueError, match="one device"):
        network.inference(image, image.to("meta"))


LOSSES = {
    "laplacian": lap_loss,
    "census": ternary,
    "edges": sobel,
    "psnr": psnr,
    "ssim": ssim,
    "a module": LapLoss(),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_settings_of_pytorch_change_no_loss(loss):
    a, b = torch.rand(2, 1, 3, 40, 48)
    expected = LOSSES[loss](a, b)
    for name, setting in SETTINGS.items():
        with setting():
            assert torch.equal(LOSSES[loss](a, b), expected), name
    turned = [x.transpose(2, 3).contiguous().transpose(2, 3) for x in (a, b)]
    torch.testing.assert_close(LOSSES[loss](*turned), expected)
    for odd in (a.numpy(), a[:0], a.byte(), [1.0]):
        with pytest.raises(ValueError, match=r"found|empty"):
            LOSSES[loss](odd, odd)
    assert LOSSES[loss](a * float("nan"), b).isnan().any()


WORDS = (
    "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried",
    "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: you",
    "CUDA out of memory. Tried to allocate 20.00 MiB",
    "MPS backend out of memory",
    "std::bad_alloc",
    "could not create a memory object",
    "can't start new thread",
)


@pytest.mark.parametrize("words", WORDS)
def test_words_for_too_little_memory(words):
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(ValueError(words))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.parametrize("error", [RuntimeError(WORDS[0]), MemoryError(), RuntimeError(WORDS[-1])])
def test_a_cpu_goes_down_to_tiles(network, monkeypatch, error):
    """As the allocator of a CPU says it, injected: whole frames do not fit, tiles do."""
    clip = torch.rand(2, 96, 1300, 3)
    expected = interpolate(network, clip, Timeline.multiply(2), max_memory=0)
    synthesize = network.synthesize

    def little_memory(frame0, *rest):
        if frame0.image.shape[-1] > 700:
            raise error
        return synthesize(frame0, *rest)

    monkeypatch.setattr(network, "synthesize", little_memory)
    made = interpolate(network, clip, Timeline.multiply(2))
    assert (made - expected).abs().mean() < 0.01
    assert torch.equal(made[::2], clip)


def test_too_little_memory_for_the_smallest_tile_is_told(network, monkeypatch):
    def no_memory(*_):
        raise RuntimeError(WORDS[0])

    monkeypatch.setattr(network, "synthesize", no_memory)
    with pytest.raises(torch.OutOfMemoryError, match="not enough memory for frames of 52 x 36"):
        interpolate(network, moving_square(2), Timeline.multiply(2))


def test_threads_that_cannot_be_started_leave_none_waiting(monkeypatch):
    import threading

    start, started = threading.Thread.start, []

    def one_only(self):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", one_only)
    with pytest.raises(RuntimeError, match="start new thread"):
        FramePool(3)
    started[0].join(20)
    assert not started[0].is_alive()


_FORKED = """
import os, sys, torch
from rife_video.rife_core import build_network
torch.set_num_threads(2)
network, image = build_network("4.25.lite").eval(), torch.rand(1, 3, 64, 64)
expected = network.inference(image, image)
child = os.fork()
if not child:  # without a word to Python, which would end the parent's threads
    os._exit(0 if torch.allclose(network.inference(image, image), expected, atol=1e-4) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that divide")
def test_a_forked_process_interpolates(tally):
    """The threads of OpenMP stay behind; it waited for them for ever."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    tally.limit = 120
    with tally.one("forked"):
        subprocess.run([sys.executable, "-c", _FORKED], env=environment, check=True, timeout=120)
