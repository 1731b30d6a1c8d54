"""Files as ffprobe and Chromium see them; the outcome is a table of docs/files.md."""

import base64
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from fractions import Fraction
from types import SimpleNamespace

import matrices
import numpy as np
import pytest
import torch
from rife_video.rife_core.files import interpolate_file
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.timeline import Timeline
from rife_video.rife_core.video import ENCODER_TABLE, EncoderRequest, VideoReader, VideoWriter
from rife_video.rife_core.video.encoders import fault_of

pytestmark = pytest.mark.slow
STATED = matrices.stated()
RATE, FRAMES, WIDTH, HEIGHT = Fraction(24000, 1001), 12, 256, 128
ANIMATIONS = (".gif", ".webp")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
CASES = [
    *((name, suffix) for name, row in ENCODER_TABLE.items() for suffix in row.suffixes),
    *((None, suffix) for suffix in ANIMATIONS),
]
PLAYED = """async ({url, type, time, index}) => {
    const data = await (await fetch(url)).blob();
    const painted = (picture, width, height) => {
        const context = new OffscreenCanvas(width, height).getContext("2d");
        context.drawImage(picture, 0, 0);
        const pixels = context.getImageData(0, 0, width, height).data;
        return btoa(Array.from(pixels, (each) => String.fromCharCode(each)).join(""));
    };
    if (type.startsWith("image")) {
        const decoder = new ImageDecoder({data: await data.arrayBuffer(), type});
        await Promise.all([decoder.tracks.ready, decoder.completed]);
        const frames = decoder.tracks.selectedTrack.frameCount;
        let duration = 0, pixels = "";
        for (let frameIndex = 0; frameIndex < frames; frameIndex++) {
            const {image} = await decoder.decode({frameIndex});
            duration += image.duration / 1e6;
            if (frameIndex === index)
                pixels = painted(image, image.displayWidth, image.displayHeight);
        }
        return {duration, pixels};
    }
    const video = document.createElement("video");
    video.muted = true;
    await new Promise((done) => {
        video.oncanplaythrough = video.onerror = done;
        video.src = URL.createObjectURL(data);
    });
    if (video.error || !video.videoWidth) return null;
    await new Promise((done) => { video.onseeked = done; video.currentTime = time; });
    const pixels = painted(video, video.videoWidth, video.videoHeight);
    return {duration: video.duration, pixels, ready: video.readyState};
}"""


def answers(name):
    """Whether an encoder works here."""
    row = ENCODER_TABLE[name]
    return row.available and not (
        row.instead and fault_of(row.codec, row.available[0], WIDTH, HEIGHT)
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip without sound whose frames differ, and those frames."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    path = tmp_path_factory.mktemp("clips") / "in.mp4"
    with VideoWriter(path, RATE, crf=4) as writer:
        for index in range(FRAMES):
            wave = torch.sin((x + 8 * index) / 25) * torch.cos(y / 17)
            colours = (0.5 + 0.4 * wave, 0.5 - 0.3 * wave, x / WIDTH)
            writer.write(torch.stack(colours, -1))
    return SimpleNamespace(path=path, frames=torch.stack(list(VideoReader(path))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("played")


@pytest.fixture
def write(network, clip, folder, monkeypatch):
    """Writes the clip with an encoder into a file that is joined from two parts."""

    def written(name, suffix):
        path = folder / f"{name}{suffix}"
        if not path.exists():
            monkeypatch.setattr(parts, "LENGTH", FRAMES // 2)
            request = EncoderRequest(name)
            interpolate_file(network, clip.path, path, Timeline.multiply(1), encoder=request)
        return path

    return written


def row_of(name, suffix):
    """The cells that the table has for a file."""
    row = f"`{name}`" if name else f"`{suffix}`"
    cells = {
        column: cell
        for (table, one, column), cell in STATED.items()
        if (table, one) == ("played", row)
    }
    return SimpleNamespace(**{column.split()[0]: cell for column, cell in cells.items()})


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe, which ffmpeg brings")
@pytest.mark.parametrize(("name", "suffix"), CASES, ids=[f"{n or ''}{s}" for n, s in CASES])
def test_ffprobe_sees_what_the_table_says(write, name, suffix):
    if name and not answers(name):
        pytest.skip(f"{name} does not answer here")
    if suffix == ".webp":
        pytest.skip("ffprobe reads no animated WebP")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json"]
    done = subprocess.run([*command, write(name, suffix)], capture_output=True, check=True)
    assert not done.stderr
    (stream,) = json.loads(done.stdout)["streams"]
    assert int(stream["nb_read_frames"]) == FRAMES
    if suffix != ".gif":  # whose times are in 1/100 s
        assert Fraction(stream["avg_frame_rate"]) == Fraction(stream["r_frame_rate"]) == RATE
    if duration := stream.get("duration"):
        assert float(duration) == pytest.approx(float(FRAMES / RATE), abs=0.011)
    if name and ENCODER_TABLE[name].instead:
        return  # layouts and profiles are the hardware's
    stated = row_of(name, suffix)
    profile = stream.get("profile", "").replace("Profile ", "")
    assert " ".join(filter(None, (stream["codec_name"], profile))) == stated.ffprobe
    assert stream["pix_fmt"] == stated.pixels
    assert suffix in stated.files.split()
    told = [stream.get(f"color_{each}", "") for each in ("space", "transfer", "primaries")]
    is_rgb = "gbr" in stated.pixels or "rgb" in stated.pixels
    if not (suffix in (".avi", ".gif") and name in ("ffv1", None)):  # they have no room for it
        assert told == ["gbr" if is_rgb or stated.pixels == "bgr0" else "bt709", "bt709", "bt709"]


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    """A page of Chromium beside the files."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser_path:
        pytest.skip("needs chromium (or CHROMIUM, the path of one)")
    (folder / "page.html").write_text("<p>")
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=browser_path, args=QUIET)
            opened = browser.new_page()
            opened.goto(f"http://127.0.0.1:{server.server_port}/page.html")
            yield opened
            browser.close()
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("name", "suffix"), CASES, ids=[f"{n or ''}{s}" for n, s in CASES])
def test_chromium_plays_what_the_table_says(write, page, clip, name, suffix):
    if name and (not answers(name) or ENCODER_TABLE[name].instead):
        pytest.skip(f"{name} is not stated, or does not answer here")
    path, middle = write(name, suffix), FRAMES // 2
    kind = f"image/{suffix[1:]}" if suffix in ANIMATIONS else "video"
    moment = float((middle + Fraction(1, 2)) / RATE)
    given = {"url": f"/{path.name}", "type": kind, "time": moment, "index": middle}
    seen = page.evaluate(PLAYED, given)
    assert (seen is not None) == (suffix in row_of(name, suffix).Chromium.split())
    if seen is None:
        return
    assert seen.get("ready", 4) >= 2
    assert seen["duration"] == pytest.approx(float(FRAMES / RATE), abs=0.011)
    pixels = np.frombuffer(base64.b64decode(seen["pixels"]), np.uint8)
    picture = torch.from_numpy(pixels.reshape(HEIGHT, WIDTH, 4)[..., :3].astype(np.float32)) / 255
    apart = (clip.frames - picture).abs().mean((1, 2, 3))
    assert int(apart.argmin()) == middle
    assert apart.min() < 6 / 255  # without a GPU Chromium paints blue too pale by that much
