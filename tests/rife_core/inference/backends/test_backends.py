"""Backends: right frames, whatever happens to a backend."""

import copy
import warnings
from dataclasses import replace
from importlib import import_module

import pytest
import torch
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.report import Report
from rife_video.rife_core.inference.backends import BACKENDS, resolve_backend, set_backend
from rife_video.rife_core.inference.backends.checked import Checked, InferenceStep
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.inference.rife import RIFE, build_network
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.ops import grid_sample as sampling
from rife_video.rife_core.timeline import Timeline
from support import fill, moving_square
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CLIP = moving_square(frames=3, height=34, width=50)
GAINS = [(name, 0.2) for name in ("lastconv", "conv1.2.", "conv2.2.")]


class Echo(Checked):
    """Runs the step itself, and counts; `spoil` may change or break what it makes."""

    name = "echo"

    def __init__(self, network, spoil=None):
        super().__init__(network)
        self.built, self.ran, self.spoil = [], 0, spoil or (lambda made, inputs: made)

    def build(self, step, inputs):
        self.built.append(step.scale)

        def program(inputs):
            self.ran += 1
            return self.spoil(step(*inputs), inputs)

        return program


@pytest.fixture
def own(network):
    """A network of the test's own, eager at first."""
    return copy.deepcopy(network)


def frames(network, clip=CLIP, multiplier=3, **options):
    return interpolate(network, clip, Timeline.multiply(multiplier), **options)


def test_programs_are_built_once_for_each_shape(own):
    expected = frames(own)
    own.backend = echo = Echo(own)
    assert_close(frames(own, batch_size=1), expected)
    assert echo.built == [None, 1.0]
    assert echo.ran == 3 + 4
    frames(own, batch_size=1)
    assert echo.built == [None, 1.0]
    frames(own, CLIP[:, :32, :32])
    frames(own, scale=0.5)
    assert echo.built == [None, 1.0, None, 1.0, 0.5]


def test_the_last_used_programs_are_kept(own):
    own.backend = echo = Echo(own)
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
    own.backend = echo = Echo(own, spoil)
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
    own.backend = echo = Echo(own)
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
    own.backend, report = Echo(own, greedy), Report()
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
    own.backend = Echo(own, in_float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.inference(image0, image1)
    noise.fill_(5)
    own.backend = Echo(own, in_float32)
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
    own.backend = echo = Echo(own)
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
        network.backend = echo = Echo(network)
        frames(network)
        frames(network)
    assert echo.built == [None, 1.0]


def test_a_copy_is_eager(own):
    own.backend = Echo(own)
    frames(own)
    assert copy.deepcopy(own).backend is None
    assert own.backend.built


def test_gradients_need_eager_code(own):
    own.backend = echo = Echo(own)
    image0, image1 = (each.permute(2, 0, 1)[None] for each in CLIP[:2])
    own.synthesize(own.prepare(image0), own.prepare(image1)).image.sum().backward()
    assert not echo.built


def test_networks_that_decide_by_what_they_see_stay_eager():
    network = fill(build_network("4.0"), GAINS).eval()
    network.backend = echo = Echo(network)
    frames(network)
    assert not echo.built


def test_names_and_what_they_need(own, monkeypatch):
    assert set_backend(own) == "eager"
    assert own.backend is None
    assert resolve_backend("auto", "cuda") == "cudagraphs"
    assert resolve_backend("auto", "mps") == "eager"
    with pytest.raises(ValueError, match="'fast'; it must be one of auto, eager, openvino"):
        set_backend(own, "fast")
    with pytest.raises(ValueError, match="runs on cuda, but the network is on cpu"):
        set_backend(own, "cudagraphs")
    monkeypatch.setattr("rife_video.rife_core.inference.backends.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'Install it \(pip install "rife-video\[openvino\]"\)'):
        set_backend(own, "openvino")
    with pytest.raises(ValueError, match="needs the package torch_tensorrt"):
        resolve_backend("tensorrt", "cuda")


def test_eager_takes_a_backend_away(own):
    own.backend = Echo(own)
    assert set_backend(own, "eager") == "eager"
    assert own.backend is None


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_is_where_the_table_says(name):
    backend = BACKENDS[name]
    module = import_module(f"rife_video.rife_core.inference.backends.{backend.module}")
    kind = getattr(module, backend.class_name)
    assert issubclass(kind, Checked)
    assert kind.name == name


def test_compilers_see_a_step_as_one_graph(own):
    """Without the compiler proper, which takes minutes."""
    image0, image1 = (own.prepare(each.permute(2, 0, 1)[None]).planes.detach() for each in CLIP[:2])
    inputs = image0, image1, torch.full((1, 1, 1, 1), 0.25)
    step = InferenceStep(own, 1.0)
    with torch.no_grad():
        whole = torch.compile(step, backend="eager", fullgraph=True, dynamic=False)
        assert_close(whole(*inputs), step(*inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("version", ["4.26", "rife_m"])
def test_devices_without_a_border_mode_make_the_same_frames(version, monkeypatch):
    """MPS is one; there the samples' places are clamped instead."""
    network = fill(build_network(version), GAINS).eval()
    clip = 3 * torch.randn(2, 60, 70, 3)
    expected = frames(network, clip)
    modes = []

    def sample(input, grid, mode, padding, align_corners):
        modes.append(padding)
        return grid_sample(input, grid, mode, padding, align_corners)

    grid_sample = torch.nn.functional.grid_sample
    monkeypatch.setattr(sampling, "_NO_BORDER_MODE", ("cpu",))
    monkeypatch.setattr(torch.nn.functional, "grid_sample", sample)
    assert_close(frames(network, clip), expected, atol=1e-4, rtol=0)
    assert set(modes) == {"zeros"}


class TestOpenVINO:
    """With the real thing."""

    @pytest.fixture(autouse=True)
    def openvino(self):
        pytest.importorskip("openvino", reason="the extra rife-video[openvino] is not installed")

    @pytest.mark.parametrize("version", ["rife_m", "4.26"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    def test_frames_are_those_of_pytorch(self, version, dtype):
        spec = build_network(version).spec
        channels = {"rife_m": spec.channels}.get(version, (16,) * len(spec.channels))
        network = RIFE(replace(spec, channels=channels), teacher=False)
        set_precision(fill(network, GAINS).eval(), dtype)
        expected = frames(network, batch_size=1)
        assert set_backend(network, "openvino") == "openvino"
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("error")
            made = frames(network, batch_size=1)
        assert len(network.backend._programs) in (1, 2)
        least = 50 if dtype is torch.float32 else 45  # two right answers, rounded differently
        assert (psnr(made[1::3], expected[1::3]) > least).all()

    def test_side_by_side(self, own):
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        expected = frames(own, batch_size=1)
        set_backend(own, "openvino")
        made = frames(own, batch_size=2)
        torch.set_num_threads(threads)
        assert own.backend._programs
        assert_close(made, expected, atol=1e-4, rtol=0)

    def test_disagreement_and_alpha_come_along(self, own):
        clip = torch.cat((CLIP, CLIP[..., :1]), -1)
        apart = [torch.empty(5, *CLIP.shape[1:3]) for _ in range(2)]
        expected = interpolate(own, clip, Timeline.multiply(2), disagreement=apart[0])
        set_backend(own, "openvino")
        made = interpolate(own, clip, Timeline.multiply(2), disagreement=apart[1])
        assert_close(made, expected, atol=1e-4, rtol=0)
        assert_close(apart[1], apart[0], atol=1e-4, rtol=0)


class Transfers(TorchDispatchMode):
    """Collects what cannot go into a CUDA graph: values that come from or go to the CPU."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, made)) if isinstance(x, torch.Tensor)]
        lifted = function in (torch.ops.aten.lift_fresh.default, torch.ops.aten.lift.default)
        if lifted or any(tensor.device.type == "cpu" for tensor in tensors):
            self.found.append(str(function))
        return made


@pytest.mark.parametrize("version", ["rife", "rife_m", "hdv3", "4.6", "4.25.lite", "4.26"])
def test_steps_can_be_recorded(version, monkeypatch):
    """Seen on the meta device, which is no CPU either and has no values to read."""
    network = build_network(version).eval().half().to("meta")
    image = torch.empty(2, 3, 256, 256, device="meta")
    monkeypatch.setattr(torch, "tensor", None)  # it copies from the CPU, unseen by the mode
    with torch.no_grad(), Transfers() as transfers:
        frame = network.prepare(image)
        made = InferenceStep(network, None)(image)
        side = (frame.planes, *frame.context)
        assert [x.shape for x in made] == [x.shape for x in frame.context or (frame.planes,)]
        times = torch.empty(2, 1, 1, 1, device="meta")
        image, flow, mask, *warped = InferenceStep(network, 1.0)(*side, *side, times)
    assert transfers.found == []
    assert image.dtype is torch.float32
    assert flow.shape == (2, 4, 256, 256)
    assert mask.shape == (2, 1, 256, 256)
    assert [each.shape for each in warped] == [image.shape] * 2


class TestOnDevice:
    """CUDA graphs for real."""

    pytestmark = [  # noqa: RUF012
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ]

    @pytest.mark.parametrize("version", ["rife_m", "hdv3", "4.6", "4.26"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
    def test_graphs_make_the_same_frames(self, version, dtype):
        network = fill(build_network(version), GAINS).eval().cuda()
        set_precision(network, dtype)
        expected = frames(network, batch_size=2)
        assert set_backend(network) == "cudagraphs"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = frames(network, batch_size=2)
            assert network.backend._programs
            assert_close(frames(network, batch_size=2), made, atol=1e-4, rtol=0)
        assert (psnr(made[1:2], expected[1:2]) > 50).all()

    def test_graphs_of_several_sizes_share_their_memory(self, own):
        own.cuda()
        clips = [torch.rand(3, 64, 64 * k, 3) for k in (1, 2, 1)]
        expected = [frames(own, clip) for clip in clips]
        set_backend(own)
        for clip, right in zip(clips * 2, expected * 2, strict=True):
            assert_close(frames(own, clip), right, atol=1e-3, rtol=0)

    def test_weights_that_moved_are_recorded_anew(self, own):
        own.cuda()
        expected = frames(own)
        set_backend(own)
        frames(own)
        own.cpu()
        torch.rand(2**22, device="cuda")  # what was freed is written over
        own.cuda()
        assert_close(frames(own), expected, atol=1e-3, rtol=0)
