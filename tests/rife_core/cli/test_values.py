"""Values on the command line that none can be: refused before anything is begun."""

import argparse

import pytest
from rife_video.__main__ import main
from rife_video.rife_core.cli.network import add_network

NUMBERS = ("nan", "-1", "x", "", "0.5.1", "9" * 30)
OPTIONS = {
    ("train", "--device", "none.toml"): ("cuda:99", "meta", "cpu:x"),
    ("interpolate", "--device", "none.mp4"): ("meta",),
    ("train", "--minutes", "none.toml"): ("0", "-inf"),
    ("train", "--until", "none.toml"): ("1.5", "inf"),
    ("train", "--threads", "none.toml"): ("0", "1.5", "100000"),
    ("train", "--shard-mib", "none.toml"): ("1.5",),
    ("crops", "--files", "none.mp4"): ("0", "1.5"),
    ("evaluate", "--frames", "default"): ("0", "1.5"),
    ("evaluate", "--pictures", "default"): ("0", "1.5"),
    ("evaluate", "--speeds", "default"): ("0", ",", "8,nan", "inf", "8,-8"),
}


@pytest.mark.parametrize("option", OPTIONS, ids=" ".join)
def test_values_that_are_none_begin_nothing(option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command, name, what = option
    endless = name in ("--minutes", "--speeds")  # 9e29 is a number
    for value in (*NUMBERS[: 5 if endless else 6], *OPTIONS[option]):
        with pytest.raises(SystemExit) as stopped:
            main([command, what, f"{name}={value}", *_needed(command)])
        assert stopped.value.code == 2
        assert f"argument {name}: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def _needed(command):
    needed = {"crops": ["--out", "out", "--teacher", "none"], "interpolate": ["out.mp4"]}
    return needed.get(command, [])


def test_a_job_may_be_planned_for_a_device_of_another_machine():
    parser = argparse.ArgumentParser()
    add_network(parser)
    assert parser.parse_args(["--device", "cuda:99"]).device == "cuda:99"
