"""Which form of an operation runs here: the plain one, or a fast one that gives the same.

Every operation has a plain form, which is PyTorch as anyone would write it. Some have a
fast form for one device or number format as well. A fast form is compared with the plain
one before it is first used; where it fails or differs, it steps aside with one warning.
`RIFE_VIDEO_PLAIN_OPS=1` in the environment, `rife-video --plain-ops` and the context
manager `plain_ops` switch all fast forms off.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from threading import Lock
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

from ..basics.environment import is_on
from .recording import is_recording
from .shared import environment, shared

P = ParamSpec("P")
T = TypeVar("T")

PLAIN_OPS = "RIFE_VIDEO_PLAIN_OPS"
"""The environment variable that switches fast forms off; see `is_on`."""


class _Switch:
    """How many want plain forms at the moment: the environment, and open `plain_ops`."""

    lock = Lock()
    plain = int(is_on(PLAIN_OPS))


@contextmanager
def plain_ops(children: bool = False) -> Generator[None]:
    """Switches all fast forms off, in every thread, until the last such context is left.

    Args:
        children: also in processes that are started meanwhile.

    Example:
        >>> with plain_ops():
        ...     fast_forms_are_off()
        True
    """
    with _plain_in_children() if children else nullcontext():
        with _Switch.lock:
            _Switch.plain += 1
        try:
            yield
        finally:
            with _Switch.lock:
                _Switch.plain -= 1


_plain_in_children = shared(lambda: environment(PLAIN_OPS, "1"))


def fast_forms_are_off() -> bool:
    """Whether somebody wants plain forms only."""
    return _Switch.plain > 0


class FastForm(Generic[P, T]):
    """An operation in two forms; calling it runs the fast one where it applies and is right.

    Args:
        name: what a warning calls the fast form.
        plain: the operation.
        fast: the same, faster.
        applies: whether the fast form can take these arguments, and is faster for them.
        sample: makes small arguments like the given ones, on which the two forms are
            compared before the fast one is used; None compares them on the arguments
            themselves.
        kind: what must be compared anew, by default the type of the first tensor; None where
            there are no values to compare.
        near: the mean difference that rounding may make, as a share of the largest value.
        near_float32: the same where the result is float32, if it is another one.
        compared: the tensors of a result that are compared.
    """

    def __init__(
        self,
        name: str,
        plain: Callable[P, T],
        fast: Callable[..., T],
        applies: Callable[..., bool],
        sample: Callable[P, tuple[Any, ...]] | None = None,
        kind: Callable[P, object] | None = None,
        near: float = 1e-3,
        near_float32: float | None = None,
        compared: Callable[[T], Sequence[Tensor]] | None = None,
    ) -> None:
        self.name = name
        self.plain, self.fast, self.applies = plain, fast, applies
        self.near, self.near_float32 = near, near if near_float32 is None else near_float32
        self.off = False
        self.proven: set[object] = set()
        self._sample, self._kind = sample, kind or _dtype_of
        self._compared: Callable[[T], Sequence[Tensor]] = compared or _tensors

    def __call__(self, *args: P.args, **named: P.kwargs) -> T:
        if self.off or _Switch.plain or not self.applies(*args, **named):
            return self.plain(*args, **named)
        if torch.compiler.is_compiling():
            return self.fast(*args, **named)
        try:
            kind = self._kind(*args, **named)
            if kind is None or kind in self.proven or is_recording():
                return self.fast(*args, **named)
            if self._sample is None:
                result = self.fast(*args, **named)
                self._compare(result, self.plain(*args, **named))
                self.proven.add(kind)
                return result
            # Layers of a sample draw their weights, wherever the caller makes tensors by default.
            with torch.random.fork_rng(devices=()), torch.device("cpu"):
                sample = self._sample(*args, **named)
            plain: Callable[..., T] = self.plain
            self._compare(self.fast(*_own(sample)), plain(*_own(sample)))
            self.proven.add(kind)
            return self.fast(*args, **named)
        except Exception as error:  # whatever a library or a compiler may raise
            if is_out_of_memory(error):
                raise
            self._step_aside(error)
            return self.plain(*args, **named)

    def _compare(self, result: T, expected: T) -> None:
        for a, b in zip(self._compared(result), self._compared(expected), strict=True):
            near = self.near_float32 if b.dtype is torch.float32 else self.near
            a, b = (each.float().nan_to_num(0, 0, 0) for each in (a, b))
            difference = float((a - b).abs().mean() / b.abs().max().clamp(min=1))
            if not difference <= near:
                raise ArithmeticError(f"it differs from the plain form by {difference:.2g}")

    def _step_aside(self, error: Exception) -> None:
        told, self.off = self.off, True
        if not told:
            warnings.warn(
                f"The fast form {self.name!r} is not used: {type(error).__name__}: {error}. "
                "The plain form does its work, in more time.",
                RuntimeWarning,
                stacklevel=4,
            )


def wave(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers in [-1, 1] to compare two forms on: always the same, no two neighbours equal."""
    count = torch.Size(size).numel()
    steps = torch.arange(count, dtype=torch.float32, device="cpu")
    return steps.mul(0.7).sin().reshape(size).to(dtype)


def is_traced() -> bool:
    """Whether operations are recorded, for gradients or a compiler: then none may write in place.

    Exporting turns gradients on and counts as well.
    """
    return torch.is_grad_enabled() or torch.compiler.is_compiling()


def runs_on_cpu(device: torch.device) -> bool:
    """Whether this is a CPU that nobody records, and that computes in the types of its tensors."""
    return device.type == "cpu" and not is_traced() and not torch.is_autocast_enabled("cpu")


def uses_cpu_bf16_ops(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a CPU computes in bfloat16, untraced: there PyTorch's own ways are not the fastest.

    Under autocast they are PyTorch's business: weights stay float32 there.

    Example:
        >>> with torch.no_grad():
        ...     uses_cpu_bf16_ops(torch.device("cpu"), torch.bfloat16)
        True
    """
    return dtype is torch.bfloat16 and runs_on_cpu(device)


def uses_cpu_conv_forms(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether convolutions take a fast form on a CPU, untraced, that is faster in float32 too.

    In float32 that was found with oneDNN, and a caller who lets PyTorch round products
    (`torch.set_float32_matmul_precision`) keeps its own ways.

    Example:
        >>> with torch.no_grad():
        ...     uses_cpu_conv_forms(torch.device("cpu"), torch.float64)
        False
    """
    if dtype is not torch.float32:
        return uses_cpu_bf16_ops(device, dtype)
    # The device is asked first: a compiler, for which this is False, cannot trace the others.
    return (
        runs_on_cpu(device)
        and torch.backends.mkldnn.is_available()
        and torch.get_float32_matmul_precision() == "highest"
    )


_AUTOCASTING = ("cpu", "cuda")
_MEMORY_ENDS = (
    "out of memory",
    "not enough memory",
    "allocate memory",  # "can't", "cannot", "unable to"
    "bad_alloc",
    "could not create a memory",
    "could not create a primitive",
    "could not execute a primitive",
    "start new thread",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device and in whosever words.

    On a CPU that is a plain RuntimeError of PyTorch's allocator or of oneDNN, or a MemoryError.

    Example:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory"))
        True
        >>> is_out_of_memory(RuntimeError("shapes differ"))
        False
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _MEMORY_ENDS)


@contextmanager
def undisturbed() -> Generator[None]:
    """Here a caller's autocast and default device change nothing, while nothing is recorded.

    A network computes in the precision that it was given, on the device of its weights.
    """
    with ExitStack() as stack:
        if not is_traced():
            for kind in _AUTOCASTING:
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            # PyTorch 2.4's get_default_device knows nothing of `with torch.device(...)`.
            if torch.empty(0).device.type != "cpu":  # default device
                stack.enter_context(torch.device("cpu"))
        yield


def at_least_float32(
    x: Tensor, memory_format: torch.memory_format = torch.preserve_format
) -> Tensor:
    """Shorter precision widened to float32; wider types as they are."""
    is_byte = x.element_size() == 1  # PyTorch promotes no 8-bit floating point
    dtype = torch.float32 if is_byte else torch.promote_types(x.dtype, torch.float32)
    return x.to(dtype, memory_format=memory_format)


def _tensors(value: Any) -> Sequence[Tensor]:
    return [value] if isinstance(value, Tensor) else value


def _own(args: tuple[Any, ...]) -> list[Any]:
    """Copies of the tensors: a form may overwrite what it is given."""
    return [each.clone() if isinstance(each, Tensor) else each for each in args]


def _dtype_of(*args: Any) -> object:
    return next(each.dtype for each in args if isinstance(each, Tensor))
