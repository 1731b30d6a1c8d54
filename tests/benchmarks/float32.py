"""One interpolated frame in float32 on a CPU: here, plainly, by ONNX Runtime, OpenVINO and peers.

    python tests/benchmarks/float32.py 4.26 rife.onnx vs-rife=PATH

Processor time of one thread, all in turn, so that it says something on a busy machine too.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from contextlib import ExitStack
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

import onnxruntime
import openvino
import torch
from rife_video.rife_core.benchmark.cases import Case, frames_of, network_of
from rife_video.rife_core.benchmark.contenders import parse_peer
from rife_video.rife_core.inference.precision import set_precision
from rife_video.rife_core.networks.padding import pad_to_multiple
from rife_video.rife_core.ops.dispatch import plain_ops
from rife_video.rife_core.ops.psnr import psnr

HEIGHT, WIDTH, TURNS = 480, 720, 5


@torch.no_grad()
def main(row: str, path: str, *peers: str) -> None:
    """Prints the least and the median time of each, and PSNR against the plain frame."""
    torch.set_num_threads(1)
    network = network_of(row)
    plain_network = copy.deepcopy(network)
    set_precision(network, torch.float32)
    frames = frames_of(Case(row, "480p", HEIGHT, WIDTH, 2), 2).permute(0, 3, 1, 2)
    img0, img1 = pad_to_multiple(frames, network.spec.align).contiguous().split(1)
    arrays = [img0.numpy(), img1.numpy(), torch.tensor([0.5]).numpy()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = dict(zip((each.name for each in session.get_inputs()), arrays, strict=False))
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(path, "CPU", hints)

    def plainly() -> torch.Tensor:
        with plain_ops():
            return network.inference(img0, img1)

    ways = {
        "plain": plainly,
        "here": lambda: network.inference(img0, img1),
        "onnxruntime": lambda: torch.from_numpy(session.run(None, inputs)[0]),
        "openvino": lambda: torch.from_numpy(compiled(arrays[: len(inputs)])[0].copy()),
    }
    stack = ExitStack()
    clip = torch.cat((img0, img1)).permute(0, 2, 3, 1).contiguous()
    for peer in map(parse_peer, peers):
        run = stack.enter_context(peer.open(plain_network, 2, torch.device("cpu")))
        ways[peer.name] = lambda run=run: run(clip)[1:2].permute(0, 3, 1, 2)
    made = {name: way() for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            began = time.process_time()
            way()
            times[name].append(1000 * (time.process_time() - began))
    for name, spent in times.items():
        near = float(psnr(made[name], made["plain"]))
        print(f"{row} {name}: {min(spent):.0f} ms, median {median(spent):.0f}; {near:.1f} dB")


if __name__ == "__main__":
    main(*sys.argv[1:])
