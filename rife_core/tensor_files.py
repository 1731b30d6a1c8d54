"""Files of named tensors, read without running any code that is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor


def read_tensors(what: str, path: Path) -> Mapping[str, Tensor]:
    """The tensors in a .safetensors file or in one that torch saved, by name.

    Args:
        what: what to call the weights in an error.
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds other things than tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r} with {what} weights.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for a damaged file
        raise ValueError(
            f"{path} could not be read as {what} weights: it is damaged, or holds other things "
            "than tensors. Fetch it again."
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{path} holds a {type(content).__name__}, but {what} weights are a dictionary of "
            "named tensors."
        )
    return cast(Mapping[str, Tensor], content)
