"""Weights files that are listed, and the only names that are taken for one."""

import pytest
from rife_video.nodes.host import (
    Folders,
    chosen_path,
    list_models,
    model_folders,
    model_names,
    model_path,
    use_folders,
)
from rife_video.rife_core.checkpoints.published import RELEASES


@pytest.fixture
def folders(tmp_path):
    models = (tmp_path / "models/rife", tmp_path / "models/frame_interpolation")
    for folder in models:
        folder.mkdir(parents=True)
    with use_folders(Folders(tmp_path / "in", tmp_path / "out", models)):
        yield tmp_path


def test_lists_weights_of_both_folders_and_nothing_else(folders):
    for name in ("rife/a.pth", "rife/notes.txt", "rife/sub/b.pkl", "frame_interpolation/a.pth"):
        path = folders / "models" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    models = list_models()
    bundled = {models.pop("default")}
    assert {path.suffix for path in bundled} == {".safetensors"}
    assert models == {
        "a.pth": folders / "models/rife/a.pth",
        "sub/b.pkl": folders / "models/rife/sub/b.pkl",
    }


def test_weights_of_the_pack_beside_are_listed(loaded, tmp_path):
    packs = tmp_path / "custom_nodes"
    place = packs / "ComfyUI-Frame-Interpolation/ckpts/rife/rife47.pth"
    place.parent.mkdir(parents=True)
    place.touch()
    paths = loaded()["folder_paths"]
    paths.models_dir = str(tmp_path / "models")
    paths.folder_names_and_paths = {"custom_nodes": ([str(packs)], set())}

    def add(key, folder):
        paths.folder_names_and_paths.setdefault(key, ([folder], set()))

    paths.add_model_folder_path = add
    assert list_models()["rife47.pth"] == place
    own = [tmp_path / "models" / name for name in ("rife", "frame_interpolation")]
    assert model_folders() == [*own, place.parent]
    for name in ("rife", "frame_interpolation"):  # ComfyUI lists them too
        assert paths.folder_names_and_paths[name][1] >= {".safetensors", ".pkl", ".pth"}


def test_releases_are_chosen_by_number_and_other_files_by_name(folders):
    for name in ("mine.pth", "rife_v4.7.safetensors"):
        (folders / "models/rife" / name).touch()
    assert model_names() == ["default", "mine.pth", *RELEASES]
    assert chosen_path("mine.pth") == folders / "models/rife/mine.pth"
    assert chosen_path("4.7") == folders / "models/rife/rife_v4.7.safetensors"
    assert chosen_path("4.6") is None


@pytest.mark.parametrize("name", ["../secret.pth", "/etc/passwd", "gone.pth", "", "rife/../a.pth"])
def test_only_listed_weights_are_found(folders, name):
    (folders / "models/secret.pth").touch()
    (folders / "models/rife/a.pth").touch()
    with pytest.raises(ValueError, match=r"no weights file .* a\.pth.*models/rife"):
        model_path(name)
