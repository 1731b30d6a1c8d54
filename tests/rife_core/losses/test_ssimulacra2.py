"""SSIMULACRA2: the numbers of the reference, and what is said without the package."""

import importlib
import importlib.util

import pytest
import torch
from rife_video.rife_core.losses import ssimulacra2
from torch.testing import assert_close

PACKAGE = importlib.util.find_spec("frame_analytics")
needs_package = pytest.mark.skipif(not PACKAGE, reason="frame-analytics is not installed")


@pytest.fixture(scope="module")
def pair():
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(2, 3, 9, 12, generator=generator)
    image = torch.nn.functional.interpolate(small, (72, 96), mode="bicubic").clamp(0, 1)
    return image, (image + 0.05 * torch.randn(image.shape, generator=generator)).clamp(0, 1)


@needs_package
def test_ssimulacra2_of_what_it_should_be(pair):
    image, noisy = pair
    # libjxl's order: the original first. Its blur and ringing terms are not symmetric.
    package = importlib.import_module("frame_analytics.reference")
    pairs = zip(image.numpy(), noisy.numpy(), strict=True)
    expected = [package.ssimulacra2_reference(a, b, data_range=1.0) for a, b in pairs]
    scores = ssimulacra2.ssimulacra2(noisy, image)
    assert_close(scores, torch.as_tensor(expected).to(scores), rtol=1e-3, atol=1e-2)
    assert scores.max() < 90
    assert_close(ssimulacra2.ssimulacra2(image, image), torch.full((2,), 100.0).to(scores))


@needs_package
def test_ssimulacra2_leaves_the_package_as_it_was(pair):
    functional = importlib.import_module("frame_analytics.functional")
    before = functional._COMPILE_ENABLED
    ssimulacra2.ssimulacra2(*pair)
    assert functional._COMPILE_ENABLED is before


def test_without_the_package_the_error_says_what_to_install(pair, monkeypatch):
    monkeypatch.setattr(ssimulacra2.importlib.util, "find_spec", lambda name: None)
    assert not ssimulacra2.has_ssimulacra2()
    with pytest.raises(ImportError, match="pip install frame-analytics"):
        ssimulacra2.ssimulacra2(*pair)
