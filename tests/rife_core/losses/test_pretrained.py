"""Where trained weights come from, and the files that are refused."""

import importlib.util
import re

import pytest
import torch
from rife_video.rife_core.losses import pretrained as module
from rife_video.rife_core.losses.lpips import LPIPS
from rife_video.rife_core.losses.pretrained import (
    LPIPS_FILE,
    VGG_FILES,
    MissingWeightsError,
)
from rife_video.rife_core.losses.vgg import VGGPerceptualLoss
from safetensors.torch import save_file
from support import SCALAR, golden
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")


def test_without_weights_the_error_names_file_and_folders(hub, tmp_path):
    for build, name in ((VGGPerceptualLoss, VGG_FILES[19]), (LPIPS, VGG_FILES[16])):
        with pytest.raises(MissingWeightsError) as caught:
            build(folders=[tmp_path / "models"])
        message = str(caught.value)
        assert name in message
        assert str(hub) in message
        assert str(tmp_path / "models") in message


def test_without_linear_layers_the_error_names_them(hub, lpips_files):
    with pytest.raises(MissingWeightsError, match=f"no file {LPIPS_FILE} in .*`lpips` package"):
        LPIPS(weights=lpips_files[0])


def test_a_named_file_that_is_not_there(hub):
    with pytest.raises(MissingWeightsError, match=re.escape(VGG_FILES[19])):
        VGGPerceptualLoss(weights=hub / "nothing.pth")


def test_weights_are_found_in_the_hub_and_in_folders(hub, tmp_path, lpips_files):
    vgg, linear = lpips_files
    classifier = {"classifier.0.weight": torch.zeros(1)}  # the published file has it
    torch.save(vgg | classifier, hub / VGG_FILES[16])
    models = tmp_path / "models"
    models.mkdir()
    torch.save(linear, models / LPIPS_FILE)
    inputs, outputs = golden("lpips_vgg16")
    found = LPIPS(folders=[models])
    assert_close(found(inputs["input"], inputs["target"]), outputs["loss"], **SCALAR)


def test_the_lpips_package_is_asked_without_importing_it(hub, tmp_path, monkeypatch, lpips_files):
    package = tmp_path / "site" / "lpips"
    (package / "weights" / "v0.1").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    torch.save(lpips_files[1], package / "weights" / "v0.1" / "vgg.pth")
    spec = importlib.util.spec_from_file_location(
        "lpips", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: spec)
    assert LPIPS(weights=lpips_files[0]).get_parameter("lin0.model.1.weight").shape == (1, 64, 1, 1)


def test_safetensors_of_the_bare_stack(tmp_path, vgg19):
    save_file(vgg19, tmp_path / "vgg.safetensors")
    inputs, outputs = golden("vgg_perceptual")
    loss = VGGPerceptualLoss(weights=str(tmp_path / "vgg.safetensors"))
    assert_close(loss(inputs["X"], inputs["Y"]), outputs["loss"], **SCALAR)


class Trap:
    def __reduce__(self):
        return print, ("a file ran code",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"not a weights file", "is damaged or no weights file"),
        (Trap(), "could run code on loading"),
        ([torch.zeros(1)], "holds a list"),
        ({"weight": torch.zeros(1)}, "'features.0.weight' is absent"),
        ({"features.0.weight": torch.zeros(1)}, "is (1,), expected (64, 3, 3, 3)"),
    ],
)
def test_wrong_files(tmp_path, capsys, content, message):
    path = tmp_path / VGG_FILES[19]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=re.escape(message)):
        VGGPerceptualLoss(folders=[tmp_path])
    assert "ran code" not in capsys.readouterr().out


def test_vgg16_is_not_taken_for_vgg19(lpips_files):
    with pytest.raises(ValueError, match="holds no VGG-19 weights"):
        VGGPerceptualLoss(weights=lpips_files[0])
