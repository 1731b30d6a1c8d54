"""What the engine costs on a plain clip, beside the network that it runs.

    python tests/benchmarks/overhead.py [CLIP] [--model NAME_OR_FILE]

The network alone (prepare each frame once, make each middle frame, write it into the
result) and the engine with cuts and repeats looked for take turns; the best processor
time of one thread is compared, so that other work on the machine counts little.
"""

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from rife_video.rife_core.checkpoints.rife import find_weights, load_rife
from rife_video.rife_core.engine.loop import interpolate
from rife_video.rife_core.engine.scenes import SceneRules
from rife_video.rife_core.inference.precision import resolve_precision, set_precision
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import VideoReader
from rife_video.rife_core.video.sample_clip import frames as sample_frames

COUNT, ROUNDS = 9, 15


@torch.inference_mode()
def bare(network, clip):
    height, width = clip.shape[1:3]
    output = clip.new_empty((2 * len(clip) - 1, *clip.shape[1:]))
    left = None
    for index, frame in enumerate(clip):
        right = network.prepare(frame.permute(2, 0, 1)[None])
        output[2 * index] = frame
        if left is not None:
            made = network.synthesize(left, right).image[0, :, :height, :width]
            output[2 * index - 1] = made.permute(1, 2, 0)
        left = right
    return output


def engine(network, clip):
    rules = SceneRules(at_cut="hold", repeats="retime")
    return interpolate(network, clip, Timeline.multiply(2), batch_size=1, scenes=rules)


def seconds(work, *arguments):
    started = time.process_time()
    work(*arguments)
    return time.process_time() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?", help="default: the painted sample")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = load_rife(find_weights(args.model))
    set_precision(network, resolve_precision("auto", "cpu"))
    frames = VideoReader(args.clip) if args.clip else sample_frames(COUNT)
    clip = torch.stack(list(islice(frames, COUNT)))
    assert torch.allclose(bare(network, clip), engine(network, clip), atol=1e-5)
    times = {bare: [], engine: []}
    for index in range(ROUNDS):
        for work in (bare, engine) if index % 2 else (engine, bare):
            times[work].append(seconds(work, network, clip))
    alone, whole = (min(each) for each in times.values())
    print(f"The network alone: {1000 * alone / (COUNT - 1):.0f} ms a made frame, one thread.")
    print(f"The engine with everything on: {100 * (whole / alone - 1):+.1f} %.")


if __name__ == "__main__":
    main()
