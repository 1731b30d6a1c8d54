"""SSIMULACRA2: how well an image keeps what people see, as the package frame-analytics counts it.

It weighs structure, ringing and blur of an opponent colour space at six sizes, and was
fitted to what people said of compressed pictures. It knows nothing of the features that
LPIPS compares, so a network trained on the one can be judged by the other.

Reference: Sneyers, "SSIMULACRA 2", libjxl and cloudinary/ssimulacra2, 2022.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ..ops.dispatch import at_least_float32
from .checks import check_pair

PACKAGE = "frame_analytics"
_SMALLEST = 8


class MissingPackageError(ImportError):
    """An optional package that is not installed; the message says how it is."""


def has_ssimulacra2() -> bool:
    """Whether the package that computes it is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def ssimulacra2(input: Tensor, target: Tensor) -> Tensor:
    """SSIMULACRA2 of each image; higher is better.

    Shape:
        input, target: B 3 H W, in [0, 1], sRGB; both sides at least 8
        returns: B; 100 for equal images, 90 where nobody sees a difference, 50 where
            everybody does, below 0 for very bad ones

    Raises:
        MissingPackageError: the package frame-analytics is not installed.
        ValueError: shapes differ, no images, or too small.

    Example:
        >>> img = torch.rand(1, 3, 64, 64)
        >>> ssimulacra2(img, img).item()  # doctest: +SKIP
        100.0
    """
    check_pair("SSIMULACRA2", input, target, channels=3, shortest=_SMALLEST)
    if not has_ssimulacra2():
        raise MissingPackageError(
            "SSIMULACRA2 needs the package frame-analytics. Install it: "
            'pip install "rife-video[metrics]", or pip install frame-analytics.'
        )
    package: Any = importlib.import_module(PACKAGE)
    functional: Any = importlib.import_module(f"{PACKAGE}.functional")
    a, b = (at_least_float32(each).clamp(0, 1) for each in (input, target))
    with _uncompiled(functional):
        return package.ssimulacra2(b, a, data_range=1.0, reduction="none")


@contextmanager
def _uncompiled(functional: Any) -> Generator[None]:
    """Runs the package's plain form: compiling takes half a minute and needs a compiler."""
    was: bool = functional._COMPILE_ENABLED
    if was:
        functional.set_compile_enabled(False)
    try:
        yield
    finally:
        if was:
            functional.set_compile_enabled(True)
