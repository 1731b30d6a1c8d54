"""What is computed from the weights of a layer once, for as long as they stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from torch import Tensor, nn

T = TypeVar("T")


class Kept(Generic[T]):
    """Results by layer. Copies of a layer have none of them, nor do files."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[nn.Module, tuple[object, list[Tensor], T]] = (
            WeakKeyDictionary()
        )

    def get(self, layer: nn.Module, weights: Sequence[Tensor], make: Callable[[], T]) -> T:
        """What `make` returns, or returned before if the weights are those of that time."""
        key = [
            # What is made in inference mode counts no changes.
            (weight.data_ptr(), weight.dtype, 0 if weight.is_inference() else weight._version)
            for weight in weights
        ]
        found = self._kept.get(layer)
        if found is None or found[0] != key:
            # Their memory is held, so that no other weights can lie at the same address.
            held = [weight.detach() for weight in weights]
            found = self._kept[layer] = key, held, make()
        return found[2]
