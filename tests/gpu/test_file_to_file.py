"""The clip from file to file: a line for each encoder, whether it is there or not."""

import file_to_file


def test_an_encoder_that_does_not_answer_is_named_and_the_others_run(tmp_path, monkeypatch, capsys):
    states = {"libx264": "works", "h264_nvenc": "does not answer (no device)"}
    monkeypatch.setattr(file_to_file, "state_of", lambda row: states[row.codec])
    assert file_to_file.main("cpu", str(tmp_path)) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line[:1] == "|"]
    assert lines[0].startswith("| x264 | 9 frames | ")
    assert lines[1:] == ["| h264_nvenc | does not answer (no device) |"]


def test_every_encoder_is_one_of_the_command_line():
    assert set(file_to_file.ENCODERS) <= set(file_to_file.ENCODER_TABLE)
