"""How a node's function is called: arguments checked, errors in the words of the node."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch

from ...rife_core.basics.arguments import checked
from ...rife_core.ops.dispatch import is_out_of_memory
from .advice import advising

_C = TypeVar("_C", bound=Callable[..., Any])


def work(function: _C) -> _C:
    """A node's function, whose arguments are checked, and whose errors speak of its inputs.

    Too little memory, whoever tells of it, becomes the error for which ComfyUI frees its own.
    """
    function = checked(function)

    @wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        try:
            with advising():
                return function(*args, **options)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, torch.OutOfMemoryError) or not is_out_of_memory(error):
                raise
            asked = re.search(r"allocate (\d+) bytes", str(error))
            size = f": {int(asked[1]) / 2**30:,.1f} GiB more are needed" if asked else ""
            raise torch.OutOfMemoryError(
                f"There is not enough memory{size}. Give fewer or smaller frames."
            ) from error

    return run  # pyright: ignore[reportReturnType]
