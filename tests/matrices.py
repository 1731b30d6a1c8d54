"""What becomes of each kind of sound and of pixels in each file type: tables for docs/files.md.

    python tests/matrices.py    # writes the tables anew

The tests of `rife_core/files/test_matrices.py` try each cell, and compare it with the tables.
"""

import re
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "files.md"
RATE, FRAMES, FPS = 48000, 4, 8
WIDTH, HEIGHT = 96, 80  # what each encoder takes, at least

SOUND_TYPES = (".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi")
SOUNDS = {  # the codec's name, its encoder, layout of samples
    "aac": ("aac", "fltp"),
    "mp3": ("libmp3lame", "fltp"),
    "mp2": ("mp2", "s16"),
    "ac3": ("ac3", "fltp"),
    "eac3": ("eac3", "fltp"),
    "opus": ("libopus", "flt"),
    "vorbis": ("vorbis", "fltp"),
    "flac": ("flac", "s16"),
    "alac": ("alac", "s16p"),
    "wavpack": ("wavpack", "s16p"),
    "tta": ("tta", "s16"),
    "wmav2": ("wmav2", "fltp"),
    "adpcm_ms": ("adpcm_ms", "s16"),
    "pcm_mulaw": ("pcm_mulaw", "s16"),
    "pcm_s16le": ("pcm_s16le", "s16"),
    "pcm_s24le": ("pcm_s24le", "s32"),
    "pcm_f32le": ("pcm_f32le", "flt"),
    "pcm_u8": ("pcm_u8", "u8"),
}
ONLY_IN_AVI = ("wmav2", "adpcm_ms", "pcm_mulaw")  # of the types to which PyAV writes them

PIXEL_TYPES = (".mp4", ".mov", ".mkv", ".webm")
PIXELS = {  # what it is called, its layout in FFmpeg
    "yuv420p": "yuv420p",
    "yuv422p": "yuv422p",
    "yuv444p": "yuv444p",
    "yuv411p": "yuv411p",
    "yuv422p10le": "yuv422p10le",
    "yuv444p12le": "yuv444p12le",
    "gray": "gray",
    "pal8": "pal8",
    "gbrp": "gbrp",
    "gbrp16le": "gbrp16le",
    "yuva420p": "yuva420p",
    "YCgCo": "yuv444p",
}
ENCODED_AS = {"pal8": ("png", ".mov"), "gbrp": ("utvideo", ".avi")}  # the others as FFV1
YCGCO = 8


def pictures():
    """Soft colours that move: RGB in 8 bits."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for index in range(FRAMES):
        red = 128 + 90 * np.sin((x + 2 * index) / 9)
        green = 128 + 80 * np.cos(y / 11)
        blue = 40 + 2.5 * x
        yield np.stack((red, green, blue), -1).clip(0, 255).astype(np.uint8)


def write_sound(folder, name):
    """A clip of half a second with stereo sound of this codec."""
    codec, layout = SOUNDS[name]
    path = Path(folder) / f"{name}{'.avi' if name in ONLY_IN_AVI else '.mkv'}"
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"bf": "0"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream(codec, rate=RATE, options={"strict": "-2"})
        audio.layout, audio.format, audio.bit_rate = "stereo", layout, 128000
        for picture in pictures():
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        for begin in range(0, RATE * FRAMES // FPS, 1024):
            wave = 0.5 * np.sin(np.arange(begin, begin + 1024) / 20, dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack((wave, wave / 2)), "fltp", "stereo")
            frame.sample_rate, frame.pts = RATE, begin
            frame.time_base = Fraction(1, RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def write_pixels(folder, name):
    """A clip without loss whose pixels lie in this layout."""
    layout = PIXELS[name]
    codec, suffix = ENCODED_AS.get(layout, ("ffv1", ".mkv"))
    path = Path(folder) / f"{name}{suffix}"
    with av.open(path, "w") as container:
        video = container.add_stream(codec, rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, layout
        if name == "YCgCo":
            video.codec_context.colorspace, video.codec_context.color_range = YCGCO, 1
        elif layout.startswith("yuv"):
            video.codec_context.colorspace, video.codec_context.color_range = 1, 1
        for index, picture in enumerate(pictures()):
            frame = _laid_out(picture, name)
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def _laid_out(picture, name):
    """A frame of one of PIXELS."""
    layout = PIXELS[name]
    if name == "pal8":  # 8 levels of red and green, 4 of blue
        red, green, blue = (picture[..., k].astype(int) for k in range(3))
        indices = ((red >> 5) << 5 | (green >> 5) << 2 | blue >> 6).astype(np.uint8)
        codes = np.arange(256)
        colours = np.stack((codes & 3, codes >> 2 & 7, codes >> 5), -1) * (85, 36, 36)
        palette = np.concatenate((colours[:, ::-1], np.full((256, 1), 255)), 1)
        argb = np.roll(palette, 1, axis=1).astype(np.uint8)
        return av.VideoFrame.from_ndarray((indices, argb), "pal8")
    if name == "YCgCo":
        red, green, blue = (picture[..., k].astype(float) / 255 for k in range(3))
        luma, cg = red / 4 + green / 2 + blue / 4, green / 2 - red / 4 - blue / 4
        planes = (16 + 219 * luma, 128 + 224 * cg, 128 + 224 * (red - blue) / 2)
        frame = av.VideoFrame(WIDTH, HEIGHT, layout)
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.zeros((HEIGHT, plane.line_size), np.uint8)
            rows[:, :WIDTH] = values.round()
            plane.update(rows.tobytes())
        frame.colorspace = YCGCO
        return frame
    if layout == "yuva420p":
        alpha = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
        picture = np.concatenate((picture, alpha[..., None]), -1)
    frame = av.VideoFrame.from_ndarray(picture, "rgba" if layout == "yuva420p" else "rgb24")
    return frame.reformat(
        format=layout, dst_colorspace=1 if layout.startswith("yuv") else None, threads=1
    )


def copied(network, source, result):
    """What `rife-video interpolate` makes of a clip with as many frames: result and report."""
    from rife_video.rife_core.files import interpolate_file
    from rife_video.rife_core.files.sources import open_source
    from rife_video.rife_core.timeline import Timeline

    reader = open_source(str(source), str(result))
    return interpolate_file(network, reader, result, Timeline.multiply(1))


def sound_cell(network, source, result):
    """What became of the sound, in a word or two; and the notes."""
    report = copied(network, source, result)
    with av.open(str(result)) as after:
        tracks = [each.codec_context.name for each in after.streams.audio]
    if not tracks:
        return "left out", report.notes
    again = any("encoded again" in note for note in report.notes)
    return tracks[0].removesuffix("float") if again else "kept", report.notes


def pixel_cell(network, source, result):
    """Codec and layout of the result; and the notes."""
    report = copied(network, source, result)
    with av.open(str(result)) as after:
        stream = after.streams.video[0]
        layout = stream.codec_context.pix_fmt
        if stream.metadata.get("alpha_mode") == "1":
            layout = layout.replace("yuv", "yuva")
        codec = stream.codec_context.codec.canonical_name
    noted = any("keeps less" in note or "transparency" in note for note in report.notes)
    return f"{codec} {layout}{', a note' if noted else ''}", report.notes


def tables(network):
    """Both tables as lines of Markdown, by the name of their mark in the document."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        sound = {name: write_sound(here, name) for name in SOUNDS}
        pixels = {name: write_pixels(here, name) for name in PIXELS}
        return {
            "sound": _table("sound", SOUND_TYPES, sound, lambda *a: sound_cell(network, *a)[0]),
            "pixels": _table("pixels", PIXEL_TYPES, pixels, lambda *a: pixel_cell(network, *a)[0]),
        }


def _table(title, suffixes, sources, cell):
    lines = [f"| {title} | {' | '.join(suffixes)} |", "|---" * (len(suffixes) + 1) + "|"]
    for name, source in sources.items():
        cells = [cell(source, source.with_name(f"out{suffix}")) for suffix in suffixes]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stated():
    """The tables that the document has: cells by table, row and column."""
    found = {}
    for name, body in re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", _text(), re.S):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.split("\n")]
        for row in rows[2:]:
            for suffix, cell in zip(rows[0][1:], row[1:], strict=True):
                found[name, row[0], suffix] = cell
    return found


def _text():
    return DOCUMENT.read_text(encoding="utf-8")


def write(made):
    """Puts tables between their marks in the document."""
    text = _text()
    for name, table in made.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        text = mark.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    from rife_video.rife_core import build_network

    torch.set_num_threads(1)
    made = tables(build_network("4.22.lite").eval())
    write(made)
    sys.stdout.write("\n\n".join(made.values()) + "\n")
