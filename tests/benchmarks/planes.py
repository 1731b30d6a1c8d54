"""How many full-resolution float32 planes live at once in each network.

    python tests/benchmarks/planes.py

`memory_plan.estimate_memory` is a sum fitted to this table; the last column is what it says.
"""

import weakref

import torch
from rife_video.rife_core.engine.memory_plan import estimate_memory
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import distinct_specs
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

SIDE = 256


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive, and their peak."""

    def __init__(self):
        super().__init__()
        self.sizes, self.now, self.peak = {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in tree_iter(output):
            if isinstance(tensor, torch.Tensor):
                self.seen(tensor.untyped_storage())
        return output

    def seen(self, storage):
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.gone, key)

    def gone(self, key):
        self.now -= self.sizes.pop(key, 0)


def main():
    print("| network | planes | estimate |")
    print("|---|---|---|")
    for spec in distinct_specs():
        network = RIFE(spec).eval()
        img0, img1 = torch.rand(2, 1, 3, SIDE, SIDE)
        with LiveBytes() as live:
            network.inference(img0, img1)
        planes = live.peak / SIDE**2 / 4
        estimate = estimate_memory(network, SIDE, SIDE) / SIDE**2 / 8
        print(f"| {spec.version} | {planes:.0f} | {estimate:.0f} |")


if __name__ == "__main__":
    main()
