"""The local twins of the core nodes do what a graph expects of them."""

from fractions import Fraction

import pytest
import torch
from rife_video.nodes.host import Folders, use_folders
from rife_video.rife_core.video import VideoReader
from rife_video.workflows.core_nodes import NODE_CLASS_MAPPINGS
from support import moving_square


@pytest.fixture(autouse=True)
def folders(tmp_path):
    folders = Folders(tmp_path / "in", tmp_path / "out")
    folders.input.mkdir()
    with use_folders(folders):
        yield folders


def call(name, **inputs):
    node = NODE_CLASS_MAPPINGS[name]
    return getattr(node(), node.FUNCTION)(**inputs)


def save_video(video, prefix="clip"):
    answer = call("SaveVideo", video=video, filename_prefix=prefix, format="auto", codec="auto")
    (saved,) = answer["ui"]["images"]
    return saved


def test_a_video_in_memory_goes_through_unchanged(tone):
    clip = moving_square()
    (video,) = call("CreateVideo", images=clip, fps=23.976, audio=tone)
    images, audio, fps, depth = call("GetVideoComponents", video=video)
    assert images is clip
    assert audio is tone
    assert fps == 24000 / 1001
    assert depth == 8
    (video,) = call("CreateVideo", images=clip, fps=24, color_space="HDR")
    assert call("GetVideoComponents", video=video)[3] == 10


def test_a_file_gives_frames_sound_and_rate(folders, clip_file):
    (folders.input / "a.mp4").write_bytes(clip_file.read_bytes())
    (folders.input / "b.txt").touch()
    assert NODE_CLASS_MAPPINGS["LoadVideo"].INPUT_TYPES()["required"]["file"] == (["a.mp4"],)
    (video,) = call("LoadVideo", file="a.mp4")
    images, audio, fps, depth = call("GetVideoComponents", video=video)
    assert images.shape == (6, 36, 52, 3)
    assert audio["waveform"].shape[:2] == (1, 2)
    assert fps == 12.0
    assert depth == 8


@pytest.mark.parametrize(
    "name", ["a.mp4", "sub/b.mp4", "take [1].mp4", "take [2]", "a.mp4 [input]"]
)
def test_files_of_the_input_folder_are_read(folders, name):
    path = folders.input / name.removesuffix(" [input]")
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert NODE_CLASS_MAPPINGS["LoadVideo"].VALIDATE_INPUTS(name) is True
    (video,) = call("LoadVideo", file=name)
    assert video.frames == path


@pytest.mark.parametrize("name", ["../a.mp4", "/etc/passwd", "gone.mp4", "", "a.mp4 [temp]", "sub"])
def test_only_files_of_the_input_folder_are_read(folders, name):
    (folders.input.parent / "a.mp4").touch()
    (folders.input / "sub").mkdir()
    assert NODE_CLASS_MAPPINGS["LoadVideo"].VALIDATE_INPUTS(name) is not True
    with pytest.raises(ValueError, match=r"no file|leads out"):
        call("LoadVideo", file=name)


def test_a_file_that_a_graph_wrote_can_be_read(folders):
    (video,) = call("CreateVideo", images=moving_square(), fps=8.0)
    saved = save_video(video)
    (again,) = call("LoadVideo", file=f"{saved['filename']} [output]")
    assert len(call("GetVideoComponents", video=again)[0]) == 6


def test_counters_go_on_after_the_highest(folders):
    (video,) = call("CreateVideo", images=moving_square(2), fps=8.0)
    assert save_video(video)["filename"] == "clip_00001_.mp4"
    (folders.output / "clip_00007_.mp4").touch()
    (folders.output / "clipper_00009_.mp4").touch()
    assert save_video(video)["filename"] == "clip_00008_.mp4"
    saved = save_video(video, "video/%width%x%height%/clip")
    assert saved == {
        "filename": "clip_00001_.mp4",
        "subfolder": "video/52x36",
        "type": "output",
    }


@pytest.mark.parametrize("prefix", ["../clip", "/elsewhere/clip", "a/../../clip"])
def test_nothing_is_written_outside_the_output_folder(folders, prefix):
    (video,) = call("CreateVideo", images=moving_square(2), fps=8.0)
    with pytest.raises(ValueError, match="leads out"):
        save_video(video, prefix)
    assert {path.name for path in folders.input.parent.iterdir()} <= {"in", "out"}


def test_sound_ends_with_the_picture(folders, tone):
    (video,) = call("CreateVideo", images=moving_square(3), fps=12.0, audio=tone)
    reader = VideoReader(folders.output / save_video(video)["filename"])
    assert reader.fps == Fraction(12)
    samples = reader.read_audio()["waveform"].shape[-1]
    assert samples / 24000 == pytest.approx(3 / 12, abs=0.1)


def test_a_video_that_is_a_file_is_copied(folders, clip_file):
    (folders.input / "a.mp4").write_bytes(clip_file.read_bytes())
    (video,) = call("LoadVideo", file="a.mp4")
    saved = save_video(video)
    assert (folders.output / saved["filename"]).read_bytes() == clip_file.read_bytes()


def test_images_make_the_round_trip(folders):
    clip = (moving_square(2) * 255).round() / 255
    saved = call("SaveImage", images=clip, filename_prefix="a")["ui"]["images"]
    assert [image["filename"] for image in saved] == ["a_00001_.png", "a_00002_.png"]
    image, mask = call("LoadImage", image="a_00002_.png [output]")
    assert torch.equal(image, clip[1:])
    assert not mask.any()


def test_image_from_batch():
    clip = moving_square(6)
    (cut,) = call("ImageFromBatch", image=clip, batch_index=2, length=3)
    assert torch.equal(cut, clip[2:5])
    assert len(call("ImageFromBatch", image=clip, batch_index=99, length=3)[0]) == 1
