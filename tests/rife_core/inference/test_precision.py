"""Weights in a shorter format."""

import pytest
import torch
from rife_video.rife_core.inference import precision
from rife_video.rife_core.inference.precision import (
    default_device,
    has_bfloat16,
    resolve_precision,
    set_precision,
)
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("kind", ["plain", "transposed"])
def test_even_areas(kind):
    """Where all pixels are alike, a layer with rounded kernels is less wrong."""
    kinds = {"plain": nn.Conv2d, "transposed": nn.ConvTranspose2d}
    size = {"plain": (3, 1, 1), "transposed": (4, 2, 1)}[kind]
    layer = kinds[kind](32, 32, *size, bias=False)
    even = torch.rand(1, 32, 1, 1).expand(1, 32, 6, 6)
    with torch.no_grad():
        expected = layer(even)[..., 2:-2, 2:-2]
        nearest = layer.weight.bfloat16().float()
        set_precision(layer, torch.bfloat16)
        error = (layer.float()(even)[..., 2:-2, 2:-2] - expected).norm()
        layer.weight.copy_(nearest)
        usual = (layer(even)[..., 2:-2, 2:-2] - expected).norm()
    assert error < 0.65 * usual


def test_float32_is_left_alone():
    layer = nn.Conv2d(3, 5, 3)
    before = layer.weight.clone()
    set_precision(layer, torch.float32)
    assert_close(layer.weight.detach(), before, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("device", "has_bfloat16", "expected"),
    [
        ("cpu", True, torch.bfloat16),
        ("cpu", False, torch.float32),
        ("cuda", False, torch.float16),
        ("mps", True, torch.float32),
    ],
)
def test_auto_is_the_fastest_format_of_the_device(monkeypatch, device, has_bfloat16, expected):
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: has_bfloat16)
    assert resolve_precision("auto", device) is expected


@pytest.mark.parametrize("cpu_has", [True, False])
def test_a_processor_without_instructions_for_bfloat16_is_not_asked_for_it(monkeypatch, cpu_has):
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: cpu_has)
    found = [has_bfloat16(torch.device(name)) for name in ("cpu", "cuda", "mps")]
    assert found == [cpu_has, True, False]


@pytest.mark.parametrize(
    ("avx512", "amx", "has"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, True)]
)
def test_either_instruction_set_has_bfloat16(monkeypatch, avx512, amx, has):
    for probe, answer in (("_is_avx512_bf16_supported", avx512), ("_is_amx_tile_supported", amx)):
        monkeypatch.setattr(torch.cpu, probe, lambda answer=answer: bool(answer), raising=False)
    assert precision._cpu_has_bfloat16.__wrapped__() is has


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("fp64", "cpu", "precision is 'fp64'; it must be one of auto, fp32, bf16, fp16"),
        ("fp16", "cpu", "precision fp16 is not for the CPU"),
        ("fp32", "abacus", "There is no device 'abacus'"),
    ],
)
def test_formats_that_are_refused(name, device, message):
    with pytest.raises(ValueError, match=message):
        resolve_precision(name, device)


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_device_takes_every_format(name):
    assert resolve_precision(name, "cuda:1") is precision._DTYPES[name]


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float8_e5m2])
def test_numbers_that_no_network_computes_in_are_refused(dtype):
    layer = nn.Conv2d(3, 5, 3)
    with pytest.raises(ValueError, match=r"Networks compute in torch\.float32"):
        set_precision(layer, dtype)
    assert layer.weight.dtype is torch.float32


@pytest.mark.parametrize(
    ("cuda", "mps", "kind"), [(1, 1, "cuda"), (1, 0, "cuda"), (0, 1, "mps"), (0, 0, "cpu")]
)
def test_networks_run_on_the_accelerator_that_is_there(monkeypatch, cuda, mps, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: bool(mps))
    assert default_device().type == kind
