"""PNG files, read back by FFmpeg."""

import io

import av
import torch
from rife_video.rife_core.charts.png import encode_png


def test_pixels_survive_and_what_is_out_of_range_is_cut():
    image = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(1))
    image[0, 0], image[4, 6] = torch.tensor([-1.0, 0.5, 2.0]), 1.0
    with av.open(io.BytesIO(encode_png(image))) as file:
        (frame,) = file.decode(video=0)
    read = torch.from_numpy(frame.to_ndarray(format="rgb24"))
    assert torch.equal(read, (image.clamp(0, 1) * 255).round().byte())
