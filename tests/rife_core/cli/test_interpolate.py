"""rife-video interpolate: options, errors, interruption."""

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints.rife import save_rife
from rife_video.rife_core.files import resume as parts
from rife_video.rife_core.networks.ifnet import FlowNetwork
from rife_video.rife_core.networks.specs import get_spec, with_channels
from rife_video.rife_core.video import VideoReader, VideoWriter

ON_CPU = ("--device", "cpu", "--backend")


@pytest.mark.parametrize(
    ("options", "count", "fps"),
    [
        ([], 11, 24),
        (["--end", "keep_duration"], 12, 24),
        (["-m", "3", "--batch-size", "2"], 16, 36),
        (["--fps", "18"], 8, 18),
        (["-m", "5/2"], 13, 30),
        (["-m", "1.5", "--slow-motion"], 8, 12),
        (["--end", "loop"], 12, 24),
        (["--schedule", "1:4, rest 2"], 13, 24),
        (["--slow-motion", "-m", "4"], 21, 12),
        (["--blur", "180", "--exposures", "3", "--fps", "20"], 9, 20),
        (["--pacing", "eased"], 11, 24),
    ],
)
def test_interpolate(tmp_path, capsys, clip_file, weights, options, count, fps):
    output = tmp_path / "out.mp4"
    arguments = ["interpolate", str(clip_file), str(output), "--model", str(weights), *options]
    assert main(arguments) == 0
    reader = VideoReader(output)
    assert len(list(reader)) == count
    assert reader.fps == fps
    slowed = {"--schedule", "--slow-motion"} & set(options)
    assert reader.audio_codecs == ([] if slowed else ["aac"])
    assert f"{count} frames at {fps} fps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["interpolate", "{clip}", "{out}", "--model", "nothing"], "no weights 'nothing'"),
        (["interpolate", "missing.mp4", "{out}", "--model", "{model}"], "no file 'missing.mp4'"),
        (["interpolate", "{clip}", "{out}.wmv", "--model", "{model}"], "must end in .mp4"),
        (["interpolate", "{clip}", "{clip}", "--model", "{model}"], "are one file"),
        (["interpolate", "{clip}", "{out}", "--model", "{model}", "-m", "0"], "multiplier is '0'"),
        (
            ["interpolate", "{clip}", "{out}", "--model", "{model}", "--repeat-threshold", "99"],
            "repeat_threshold is 99.0; it must be from 0 to 64",
        ),
        (
            ["interpolate", "{clip}", "{out}", "--model", "{model}", "--blur", "400"],
            "shutter angle is 400",
        ),
        (
            ["interpolate", "{clip}", "{out}", "--model", "{model}", "--blur", "90", "--replace=2"],
            "--blur averages every frame",
        ),
        (
            ["interpolate", "{clip}", "{out}", "--model", "{model}", "--longest-repeat", "1"],
            "longest_repeat is 1; it must be from 2",
        ),
        (
            ["interpolate", "{clip}", "{out}", "--model", "{model}", *ON_CPU, "cudagraphs"],
            "'cudagraphs' runs on cuda, but",
        ),
        (["interpolate", "{clip}", "{out}", "--model", "{model}", "--fps", "x"], "'x'; it must be"),
        (
            [
                "interpolate",
                "{clip}",
                "{out}",
                "--model",
                "{model}",
                "--fps",
                "50",
                "--slow-motion",
            ],
            "--fps goes with neither",
        ),
    ],
)
def test_mistakes_become_one_sentence(tmp_path, capsys, clip_file, weights, arguments, message):
    places = {"clip": clip_file, "out": tmp_path / "o.mp4", "model": weights}
    assert main([argument.format(**places) for argument in arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rife-video interpolate: ")
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_refines_takes_no_other_samples(tmp_path, capsys, clip_file):
    model = tmp_path / "rife.safetensors"
    save_rife(FlowNetwork(with_channels(get_spec("rife"), (8, 8, 8))), model)
    command = ["interpolate", str(clip_file), str(tmp_path / "o.mp4"), "--model", str(model)]
    assert main([*command, "--sampling", "bicubic"]) == 1
    assert "refines frames that were blended of bilinear samples" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [model]


def test_interrupting_leaves_no_file(tmp_path, monkeypatch, clip_file, weights):
    def interrupt(self, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr("rife_video.rife_core.video.VideoWriter.write", interrupt)
    output = tmp_path / "o.mp4"
    assert main(["interpolate", str(clip_file), str(output), "--model", str(weights)]) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_says_how_to_go_on(tmp_path, monkeypatch, capsys, clip_file, weights):
    whole = VideoWriter.write

    def interrupt(self, frame):
        if self.path.stem == "000001":
            raise KeyboardInterrupt
        whole(self, frame)

    monkeypatch.setattr(parts, "LENGTH", 4)
    command = ["interpolate", str(clip_file), str(tmp_path / "o.mp4"), "--model", str(weights)]
    with monkeypatch.context() as stopped:
        stopped.setattr(VideoWriter, "write", interrupt)
        assert main(command) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert main(command) == 0
    assert "made, 4 kept from an earlier run)" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["o.mp4"]


def test_damage_is_allowed_when_asked(tmp_path, capsys, clip_file, weights):
    data = bytearray(clip_file.read_bytes())
    at = data.index(b"mdat") + 4000
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[:at])
    command = ["interpolate", str(cut), str(tmp_path / "o.mp4"), "--model", str(weights)]
    assert main(command) == 1
    assert "cut.mp4 is damaged" in capsys.readouterr().err
    assert main([*command, "--allow-damaged"]) == 0
    assert "The source is damaged" in capsys.readouterr().err


def interrupt():
    raise KeyboardInterrupt
