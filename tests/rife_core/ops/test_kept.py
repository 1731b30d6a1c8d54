"""What is kept of weights is made anew when they are others."""

import copy

import torch
from rife_video.rife_core.ops.kept import Kept
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef


def summed(kept, layer):
    return kept.get(layer, [layer.weight], lambda: layer.weight.sum().item())


@torch.no_grad()
def test_made_once_until_the_weights_change():
    kept, layer = Kept[float](), nn.Linear(2, 2)
    layer.weight.fill_(1)
    assert summed(kept, layer) == 4
    assert kept.get(layer, [layer.weight], lambda: 0.0) == 4
    layer.weight.fill_(2)
    assert summed(kept, layer) == 8
    other = copy.deepcopy(layer)
    other.weight.fill_(3)
    assert (summed(kept, other), summed(kept, layer)) == (12, 8)


@torch.no_grad()
def test_no_other_weights_can_come_to_lie_at_the_same_address():
    """As after float32, bfloat16 and float32 again, where memory let go of is taken first."""
    kept, layer = Kept[float](), nn.Linear(2, 2)
    memory = StorageWeakRef(layer.weight.untyped_storage())
    summed(kept, layer)
    layer.weight.data = torch.zeros(2, 2)
    assert not memory.expired()
    assert summed(kept, layer) == 0
    assert memory.expired()
