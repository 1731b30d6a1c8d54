"""Configurations: what is wrong with one is said in one sentence."""

import pytest
from rife_video.rife_core.training.config import load_config, parse_config

STAGE = {"steps": 3, "batch": 2, "lr": 1e-3}


def test_stages_inherit_the_scenes_of_the_file():
    config = parse_config(
        {
            "row": "4.6",
            "channels": [8, 8, 8, 8],
            "scenes": {"size": 64},
            "stages": [STAGE, {**STAGE, "scenes": {"layers": 1}, "weights": {"frame": 1.0}}],
        }
    )
    assert config.spec.channels == (8, 8, 8, 8)
    assert [stage.scenes.size for stage in config.stages] == [64, 64]
    assert config.stages[1].scenes.layers == 1
    assert config.stages[1].weights.frame == 1.0
    assert [config.place(step) for step in (0, 2, 3, 5)] == [(0, 0), (0, 2), (1, 0), (1, 2)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"row": "4.6"}, "stages"),
        ({"stages": [STAGE]}, "'row' is missing"),
        ({"row": "9.9", "stages": [STAGE]}, "no RIFE network '9.9'"),
        ({"row": "4.6", "channels": [8], "stages": [STAGE]}, "has 4 blocks"),
        ({"row": "4.6", "stages": [{**STAGE, "stesp": 1}]}, "unknown entry 'stesp'"),
        ({"row": "4.6", "stages": [{"steps": 1, "batch": 1}]}, "'lr' is missing"),
        ({"row": "4.6", "stages": [{**STAGE, "scenes": {"sice": 1}}]}, "scenes: unknown entry"),
    ],
)
def test_mistakes_are_named(content, said):
    with pytest.raises(ValueError, match=said):
        parse_config(content)


def test_broken_toml_is_named(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("row = [")
    with pytest.raises(ValueError, match=r"broken\.toml is not valid TOML"):
        load_config(path)
