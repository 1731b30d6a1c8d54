"""Each contender in a process of its own."""

import sys
from types import ModuleType

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


def test_a_table_of_real_processes(checkout):
    network = checkout / "vsrife" / "IFNet_HDv3_v4_6.py"
    network.write_text(network.read_text().replace("def forward", "def wrong"))
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


@pytest.mark.parametrize("file", ["unguarded", "none", None])
def test_the_program_that_calls_is_not_run_again(file, checkout, tmp_path, monkeypatch):
    """It may begin its work anew, have no file, or not be what Python takes for a module."""
    (tmp_path / "unguarded").write_text("open('begun', 'x').close(); raise SystemExit(3)")
    main = ModuleType("__main__")
    if file:
        main.__file__ = str(tmp_path / file)
    else:
        del main.__spec__
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", main)
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((2, 64, 64, 3), np.float32))
    job = Job(parse_peer(f"vs-rife={checkout}"), cases(["4.5"], ["64x64"], [2])[0], clip)
    with pytest.raises(ContenderError, match=r"^OSError: no such thing:$"):
        Worker(job)
    assert sys.modules["__main__"] is main
    assert not (tmp_path / "begun").exists()


def test_what_goes_wrong_is_one_line(checkout, tmp_path):
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((2, 64, 64, 3), np.float32))
    job = Job(parse_peer(f"vs-rife={checkout}"), cases(["4.5"], ["64x64"], [2])[0], clip)
    with pytest.raises(ContenderError) as error:
        Worker(job)
    assert str(error.value) == "OSError: no such thing:"
    assert one_line(ValueError("/a/b/c.py and /d/e")) == "ValueError: c.py and e"
