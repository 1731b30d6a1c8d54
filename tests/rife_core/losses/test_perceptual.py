"""VGG and LPIPS distances: golden vectors, gradients, and where the weights come from."""

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
    vgg_features,
)
from rife_video.rife_core.losses.vgg import VGGPerceptualLoss
from safetensors.torch import save_file
from support import SCALAR, fill, golden, manifest
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures("seeded")

WIDTHS = (64, 128, 256, 512, 512)


@pytest.fixture(scope="module")
def vgg19():
    return fill(vgg_features(19)).state_dict()


@pytest.fixture(scope="module")
def lpips_files():
    """VGG-16 and linear weights under their published names, drawn as the golden vectors' are."""
    nets = [n for n in manifest()["lpips_vgg16"]["keys"] if n.startswith("net.")]
    bare = LPIPS(
        weights=vgg_features(16).state_dict(),
        linear_weights={
            f"lin{i}.model.1.weight": torch.zeros(1, c, 1, 1) for i, c in enumerate(WIDTHS)
        },
    )
    state = fill(bare).state_dict()
    vgg = {"features." + n.split(".", 2)[2]: state[n] for n in nets}
    return vgg, {n: t.abs() for n, t in state.items() if n.startswith("lin")}


@pytest.fixture
def lpips(lpips_files):
    vgg, linear = lpips_files
    return LPIPS(weights=vgg, linear_weights=linear)


# --- Golden vectors and behaviour


def test_golden_vgg(vgg19):
    inputs, outputs = golden("vgg_perceptual")
    loss = VGGPerceptualLoss(rank=0, weights=vgg19)
    assert_close(loss(inputs["X"], inputs["Y"]), outputs["loss"], **SCALAR)
    assert_close(loss(inputs["X"], inputs["Y"], indices=[2]), outputs["loss"], **SCALAR)


def test_golden_lpips(lpips):
    inputs, outputs = golden("lpips_vgg16")
    shapes = {n: list(t.shape) for n, t in lpips.state_dict().items()}
    assert shapes == manifest()["lpips_vgg16"]["keys"]
    assert_close(lpips(inputs["input"], inputs["target"]), outputs["loss"], **SCALAR)


def test_lpips_is_the_same_in_training(lpips):
    a, b = torch.rand(2, 1, 3, 16, 16) * 2 - 1
    calm = lpips.eval()(a, b)
    assert all(torch.equal(lpips.train()(a, b), calm) for _ in range(3))
    assert not any(p.requires_grad for p in lpips.parameters())
    assert lpips(a, a) == 0


def test_gradients_go_to_the_prediction_alone(vgg19):
    x, y = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    VGGPerceptualLoss(weights=vgg19)(x, y).backward()
    assert x.grad.abs().sum() > 0
    assert y.grad is None


@pytest.mark.parametrize("kind", ["vgg", "lpips"])
def test_gradients_by_difference(kind, vgg19, lpips):
    loss = (VGGPerceptualLoss(weights=vgg19) if kind == "vgg" else lpips).double()
    x, y, step = torch.rand(
        3, 1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    x.requires_grad_()
    (grad,) = torch.autograd.grad(loss(x, y).sum(), x)
    with torch.no_grad():
        slope = (loss(x + 1e-7 * step, y) - loss(x - 1e-7 * step, y)).sum() / 2e-7
    assert (grad * step).sum().item() == pytest.approx(slope.item(), rel=1e-3)


def test_lpips_gradient_is_finite_where_features_vanish(lpips):
    dead = torch.full((1, 3, 16, 16), -50.0, requires_grad=True)
    lpips(dead, torch.zeros(1, 3, 16, 16)).sum().backward()
    assert dead.grad.isfinite().all()


def test_lower_precision(vgg19, lpips):
    x, y = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for loss in (VGGPerceptualLoss(weights=vgg19), lpips):
        expected = loss(x, y)
        assert_close(loss(x.bfloat16(), y.bfloat16()), expected, rtol=0.05, atol=0)
        with torch.autocast("cpu", torch.bfloat16):
            found = loss(x, y)
        assert found.dtype == torch.float32
        assert_close(found, expected, rtol=0.05, atol=0)


REFUSED = {
    "other size": (torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 17), "must be the same"),
    "too small": (torch.rand(1, 3, 15, 20),) * 2 + ("both sides must have at least 16",),
    "one pixel": (torch.rand(1, 3, 1, 1),) * 2 + ("1 x 1 pixels is too small",),
    "grey": (torch.rand(1, 1, 16, 16),) * 2 + ("expected (B, 3, H, W)",),
    "empty": (torch.rand(0, 3, 16, 16),) * 2 + ("is empty",),
    "bytes": (torch.zeros(1, 3, 16, 16, dtype=torch.uint8),) * 2 + ("torch.uint8",),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_images(case, vgg19, lpips):
    a, b, message = REFUSED[case]
    for loss in (VGGPerceptualLoss(weights=vgg19), lpips):
        with pytest.raises(ValueError, match=re.escape(message)):
            loss(a, b)


# --- Weights


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder for torch.hub, and no `lpips` package."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        module.importlib.util, "find_spec", lambda name: None if name == "lpips" else real(name)
    )
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


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
        (b"not a weights file", "was refused: it is damaged"),
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


def test_the_callers_tensors_stay_trainable(vgg19):
    mine = {name: tensor.clone().requires_grad_() for name, tensor in vgg19.items()}
    VGGPerceptualLoss(weights=mine)
    assert all(tensor.requires_grad for tensor in mine.values())
