"""Fast forms: compared once, stepping aside, switched off; autocast is left to PyTorch."""

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.networks.specs import distinct_specs, get_spec
from rife_video.rife_core.ops import banded_conv, winograd_tiles
from rife_video.rife_core.ops.dispatch import (
    FastForm,
    at_least_float32,
    fast_forms_are_off,
    is_out_of_memory,
    is_traced,
    plain_ops,
    undisturbed,
    uses_cpu_bf16_ops,
    uses_cpu_conv_forms,
    wave,
)
from support import narrow
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def pair(size=(64, 128)):
    noise = torch.rand(1, 3, size[0] // 8, size[1] // 8)
    img0 = torch.nn.functional.interpolate(noise, size, mode="bicubic").clamp(0, 1)
    return img0, img0.roll((1, 3), (-2, -1))


class Doubling:
    """An operation in two forms that count their calls."""

    def __init__(self, factor=2.0, error=None):
        self.calls = []
        self.factor, self.error = factor, error
        self.form = FastForm(
            "doubling",
            self.plain,
            self.fast,
            lambda x: not x.requires_grad,
            lambda x: (wave(4, dtype=x.dtype),),
        )

    def plain(self, x):
        self.calls.append("plain")
        return 2 * x

    def fast(self, x):
        self.calls.append("fast")
        if self.error:
            raise self.error
        return self.factor * x


def test_a_fast_form_is_compared_once_for_each_type():
    double, x = Doubling(), torch.ones(3)
    assert torch.equal(double.form(x), 2 * x)
    assert double.calls == ["fast", "plain", "fast"]
    double.form(x)
    assert double.calls[3:] == ["fast"]
    double.form(x.double())
    assert double.calls[4:] == ["fast", "plain", "fast"]
    double.form(x.requires_grad_())
    assert double.calls[7:] == ["plain"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"factor": 2.1}, "ArithmeticError: it differs from the plain form by 0.0"),
        ({"error": RuntimeError("no such kernel")}, "RuntimeError: no such kernel"),
    ],
)
def test_where_it_is_wrong_or_fails_it_steps_aside_with_one_warning(options, reason):
    double, x = Doubling(**options), torch.ones(3)
    with pytest.warns(RuntimeWarning, match=f"'doubling' is not used: {reason}") as told:
        assert torch.equal(double.form(x), 2 * x)
    assert torch.equal(double.form(x.double()), 2 * x.double())
    assert len(told) == 1
    double.calls.clear()
    double.form(x)
    assert double.calls == ["plain"]


def test_running_out_of_memory_is_for_the_caller():
    double = Doubling(error=torch.OutOfMemoryError())
    with pytest.raises(torch.OutOfMemoryError):
        double.form(torch.ones(3))
    assert not double.form.off


def test_without_a_sample_the_arguments_themselves_are_compared():
    calls = []
    form = FastForm(
        "doubling",
        lambda x: calls.append("plain") or 2 * x,
        lambda x: calls.append("fast") or 2 * x,
        lambda x: True,
        kind=lambda x: None if x.is_meta else x.ndim,
    )
    for x in (torch.ones(3), torch.ones(4), torch.ones(1, 4)):
        assert torch.equal(form(x), 2 * x)
    assert calls == ["fast", "plain", "fast", "fast", "plain"]
    form(torch.ones(1, 1, 1, device="meta"))
    assert calls[5:] == ["fast"], "without values there is nothing to compare"


def test_both_forms_are_given_a_sample_of_their_own():
    form = FastForm("doubling", lambda x: 2 * x, lambda x: x.mul_(2), bool, lambda x: (wave(4),))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        form(torch.ones(1))
    assert not form.off


@pytest.mark.parametrize(
    "odd", [lambda x: [x], lambda x: [x, x + 1], lambda x: [x, x * torch.nan], lambda x: [x, -x]]
)
def test_results_of_several_tensors_are_all_compared(odd):
    form = FastForm("both", lambda x: [x, x], odd, lambda x: True)
    with pytest.warns(RuntimeWarning, match="The fast form 'both' is not used"):
        assert torch.equal(torch.stack(form(torch.ones(3))), torch.ones(2, 3))


def test_comparing_draws_no_random_numbers():
    form = FastForm("drawing", torch.sin, torch.sin, lambda x: True, lambda x: (torch.rand(3),))
    expected = torch.manual_seed(7).get_state().clone()
    form(torch.ones(1))
    assert torch.equal(torch.get_rng_state(), expected)


def test_the_environment_is_given_back_by_the_last_user(monkeypatch):
    monkeypatch.delenv("RIFE_VIDEO_PLAIN_OPS", raising=False)
    first, second = plain_ops(children=True), plain_ops(children=True)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert os.environ["RIFE_VIDEO_PLAIN_OPS"] == "1"
    second.__exit__(None, None, None)
    assert "RIFE_VIDEO_PLAIN_OPS" not in os.environ


def test_plain_ops_counts_and_reaches_other_threads():
    double, x = Doubling(), torch.ones(3)
    before = fast_forms_are_off()
    with plain_ops():
        with plain_ops():
            assert fast_forms_are_off()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(double.form, x).result().sum() == 6
    assert double.calls == ["plain"]
    assert fast_forms_are_off() == before


@pytest.mark.long
@pytest.mark.parametrize(("value", "off"), [("1", True), ("0", False), ("", False)])
def test_the_environment_switches_fast_forms_off(value, off):
    script = "from rife_video.rife_core.ops.dispatch import *; print(fast_forms_are_off())"
    environment = {**os.environ, "RIFE_VIDEO_PLAIN_OPS": value}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(off)


@pytest.mark.long
@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
def test_switched_off_the_frames_are_the_same(monkeypatch, spec):
    """To 1e-5; in 3.1 and 3.5, where rounding takes the plain form as far from float64, to twice
    that. All that is fast in float32 runs: bands and tiles, for large frames, on small ones."""
    monkeypatch.setattr(banded_conv, "_PIXELS_FLOAT32", 0)
    monkeypatch.setattr(winograd_tiles, "_CHANNELS", 1)
    monkeypatch.setattr(winograd_tiles, "_TILES", 1)
    network, images = narrow(spec), pair()
    ensemble = spec.ensemble != "none"
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # so none steps aside
        fast = network.inference(*images, ensemble=ensemble)
    with plain_ops():
        plain = network.inference(*images, ensemble=ensemble)
        exact = network.double().inference(*(each.double() for each in images), ensemble=ensemble)
    rounding = (plain - exact).abs().max().item()
    assert rounding < 1e-5 or spec.version in ("3.1", "3.5")
    assert_close(fast, plain, atol=max(1e-5, 2 * rounding), rtol=0)


@pytest.mark.long
@pytest.mark.parametrize("version", ["rife", "4.0", "4.6", "4.26"])
def test_in_bfloat16_every_fast_form_is_right(version):
    """None steps aside: that would be a warning."""
    network, images = narrow(get_spec(version), 96), pair()
    exact = network.inference(*images)
    set_precision(network, torch.bfloat16)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        fast = network.inference(*images)
    with plain_ops():
        plain = network.inference(*images)
    for made in (fast, plain):
        assert (made - exact).square().mean() < 1e-3


@pytest.mark.long
@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
def test_under_autocast_a_validation_step_runs(spec):
    """A library user's training script: autocast is on, gradients are off."""
    network, images = narrow(spec, 96), pair()
    plain = network.inference(*images)
    x = torch.cat(images, 1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        made = network.inference(*images)
        merged = network(x if spec.align <= 64 else x.repeat(1, 1, 2, 1))[2]
    assert made.isfinite().all()
    assert (made - plain).square().mean() < 1e-2
    assert merged[-1].isfinite().all()


@pytest.mark.parametrize(
    ("dtype", "fits"), [(torch.float32, False), (torch.bfloat16, True), (torch.float64, True)]
)
def test_float32_may_have_a_narrower_mark(dtype, fits):
    form = FastForm(
        "increment",
        lambda x: x + 1,
        lambda x: x + 1.001,
        lambda x: True,
        near=0.02,
        near_float32=1e-5,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        form(torch.ones(4, dtype=dtype))
    assert form.off is not fits


def test_a_caller_who_lets_products_be_rounded_keeps_pytorchs_ways(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    cpu = torch.device("cpu")
    with torch.no_grad():
        assert uses_cpu_conv_forms(cpu, torch.float32)
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")
        assert not uses_cpu_conv_forms(cpu, torch.float32)
        assert uses_cpu_conv_forms(cpu, torch.bfloat16)
    monkeypatch.undo()
    assert not uses_cpu_conv_forms(cpu, torch.float32)


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA"), True),
        (RuntimeError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("Could not create a primitive descriptor"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_who_says_that_memory_ran_out(error, is_so):
    assert is_out_of_memory(error) == is_so


@pytest.mark.parametrize(
    ("dtype", "wider"),
    [
        (torch.float8_e4m3fn, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_at_least_float32(dtype, wider):
    x = torch.ones(1, 2, 4, 4).to(dtype).to(memory_format=torch.channels_last)
    assert at_least_float32(x).dtype is wider
    assert at_least_float32(x, torch.contiguous_format).is_contiguous()


@torch.no_grad()
def test_a_callers_settings_change_nothing_inside():
    a, b = torch.rand(2, 4, 4)
    with torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        with undisturbed():
            assert (a @ b).dtype is torch.float32
            assert torch.empty(1).device.type == "cpu"
        assert (a @ b).dtype is torch.bfloat16
        assert torch.empty(1).is_meta
        with torch.enable_grad(), undisturbed():  # what is recorded is the caller's
            assert (a @ b).dtype is torch.bfloat16
            assert torch.empty(1).is_meta


def test_bfloat16_forms_are_for_a_cpu_that_nobody_records():
    cpu, bfloat16 = torch.device("cpu"), torch.bfloat16
    assert is_traced()
    assert not uses_cpu_bf16_ops(cpu, bfloat16)
    with torch.no_grad():
        assert not is_traced()
        assert uses_cpu_bf16_ops(cpu, bfloat16)
        assert not uses_cpu_bf16_ops(cpu, torch.float32)
        assert not uses_cpu_bf16_ops(torch.device("meta"), bfloat16)
        with torch.autocast("cpu", bfloat16):
            assert not uses_cpu_bf16_ops(cpu, bfloat16)


def test_numbers_to_compare_on_are_always_the_same():
    x = wave(2, 50)
    assert torch.equal(x, wave(2, 50))
    assert x.abs().max() <= 1
    assert (x.flatten().diff() != 0).all()
    assert wave(3, dtype=torch.float64).dtype is torch.float64
