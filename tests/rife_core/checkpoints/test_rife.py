"""Weights files: good ones of every kind, and the ones that must be refused."""

import os
import pickle
from dataclasses import replace

import pytest
import torch
from rife_video.rife_core.checkpoints.rife import (
    detect_spec,
    find_weights,
    list_weights,
    load_rife,
    save_rife,
)
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError
from rife_video.rife_core.inference.rife import RIFE
from rife_video.rife_core.networks.specs import distinct_specs, get_spec
from safetensors.torch import save_file
from support import released

NARROW = replace(get_spec("4.6"), channels=(16, 12, 8, 8))


def shapes_of(network):
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def assert_same_weights(network, state):
    assert network.state_dict().keys() == state.keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name].float()), name


@pytest.mark.parametrize("spec", distinct_specs(), ids=lambda spec: spec.version)
def test_every_row_is_detected(spec):
    with torch.device("meta"):
        assert detect_spec(shapes_of(RIFE(spec))) == spec


@pytest.mark.parametrize("suffix", [".pkl", ".pth", ".safetensors"])
def test_round_trip(tmp_path, suffix):
    network = released("4.15.lite")
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_rife(network, path)
    else:
        torch.save(network.state_dict(), path)
    loaded = load_rife(path)
    assert loaded.spec.version == "4.15.lite"
    assert not loaded.training
    assert_same_weights(loaded, network.state_dict())


@pytest.mark.long
@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"module.{name}",
        lambda name: f"flownet.{name}",
        lambda name: f"module.flownet.{name}",
        lambda name: f"_orig_mod.{name}",
        lambda name: f"model.flownet.{name}",
        lambda name: name.replace("block", "blocks.", 1) if name.startswith("block") else name,
    ],
)
def test_published_spellings(tmp_path, rename):
    network = released("4.15.lite")
    state = {rename(name): tensor for name, tensor in network.state_dict().items()}
    torch.save(state, tmp_path / "flownet.pkl")
    assert_same_weights(load_rife(tmp_path / "flownet.pkl"), network.state_dict())


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_wrapped_state_and_half_precision(tmp_path, wrapper):
    state = {name: tensor.half() for name, tensor in released("4.15.lite").state_dict().items()}
    torch.save({wrapper: state, "epoch": 3}, tmp_path / "w.pth")
    loaded = load_rife(tmp_path / "w.pth")
    assert next(loaded.parameters()).dtype == torch.float32
    assert_same_weights(loaded, state)


@pytest.mark.long
def test_known_strays_are_dropped_and_unknown_ones_are_not(tmp_path):
    network = released("4.0")
    with torch.device("meta"):
        paper = RIFE(get_spec("rife"))
    strays = {f"teacher.{name}": torch.zeros(1) for name in ("a", "b")}
    strays |= {"caltime.0.weight": torch.zeros(2)}
    strays |= {
        name: torch.zeros(1)
        for name in paper.state_dict()
        if name.startswith(("block_tea.", "contextnet.", "unet."))
    }
    torch.save({**network.state_dict(), **strays}, tmp_path / "w.pkl")
    assert_same_weights(load_rife(tmp_path / "w.pkl"), network.state_dict())
    torch.save({**network.state_dict(), "stranger.weight": torch.zeros(1)}, tmp_path / "x.pkl")
    with pytest.raises(CheckpointError, match=r"x\.pkl holds no RIFE network"):
        load_rife(tmp_path / "x.pkl")


@pytest.mark.long
def test_the_teacher_may_be_left_out(tmp_path):
    state = released("rife").state_dict()
    state = {name: tensor for name, tensor in state.items() if not name.startswith("block_tea.")}
    torch.save(state, tmp_path / "w.pkl")
    network = load_rife(tmp_path / "w.pkl")
    assert network.block_tea is None
    assert network.inference(*torch.rand(2, 1, 3, 32, 32)).shape == (1, 3, 32, 32)


def test_own_widths_travel_in_the_metadata(tmp_path):
    network = RIFE(NARROW)
    save_rife(network, tmp_path / "narrow.safetensors")
    loaded = load_rife(tmp_path / "narrow.safetensors")
    assert loaded.spec == NARROW
    assert_same_weights(loaded, network.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["narrow.safetensors"]


def test_release_numbers_travel_in_the_metadata(tmp_path):
    save_rife(released("4.17.lite"), tmp_path / "w.safetensors")
    assert load_rife(tmp_path / "w.safetensors").spec.version == "4.17.lite"


class Hostile:
    def __reduce__(self):
        return (os.mkdir, (self.path,))

    def __init__(self, path):
        self.path = path


def _files(folder):
    """Every kind of bad file: name, content, and what the message must say."""
    network = RIFE(NARROW)
    good = folder / "good.safetensors"
    save_rife(network, good)
    state = network.state_dict()
    torch.save(state, folder / "good.pkl")
    marker = str(folder / "executed")

    def saved(content):
        torch.save(content, folder / "content.pth")
        return (folder / "content.pth").read_bytes()

    def tagged(**metadata):
        save_file(state, folder / "tagged.safetensors", metadata)
        return (folder / "tagged.safetensors").read_bytes()

    return [
        ("empty.pkl", b"", "empty.pkl is empty"),
        ("noise.pth", b"no weights " * 50, "noise.pth is damaged or no weights file"),
        ("noise.safetensors", b"no weights " * 50, "is damaged"),
        ("cut.safetensors", good.read_bytes()[:-100], "is damaged"),
        ("cut.pkl", (folder / "good.pkl").read_bytes()[:-400], "is damaged"),
        ("hostile.pkl", pickle.dumps(Hostile(marker), protocol=2), "refused.*could run code"),
        ("hostile.pth", saved({"block0": Hostile(marker)}), "refused.*could run code"),
        ("foreign.pth", saved({"encoder.0.weight": torch.zeros(3)}), "no key.*'encoder.0.weight'"),
        ("nothing.pth", saved({}), "no key 'block0.*among 0 keys"),
        ("list.pth", saved([torch.zeros(1)]), "holds a list"),
        ("numbers.pth", saved({"epoch": 3}), "other things than tensors.*'epoch'"),
        ("widths.pth", saved(state), "of no published release"),
        ("row.safetensors", tagged(rife_row="9.9"), "the network '9.9', which"),
        ("liar.safetensors", tagged(rife_row="4.6"), "parameters do not fit.*expected"),
        (
            "huge.safetensors",
            tagged(rife_row="4.6", rife_channels="[1000000000, 1, 1, 1]"),
            "channels is .*numbers from 2 to 4096",
        ),
        ("words.safetensors", tagged(rife_row="4.6", rife_channels="wide"), "'wide'; it must be"),
        ("model.onnx", b"x", "does not end in .safetensors, .pkl, .pth"),
    ]


NAMES = [
    *("empty.pkl", "noise.pth", "noise.safetensors", "cut.safetensors", "cut.pkl"),
    *("hostile.pkl", "hostile.pth", "foreign.pth", "nothing.pth", "list.pth", "numbers.pth"),
    *("widths.pth", "row.safetensors", "liar.safetensors", "huge.safetensors"),
    *("words.safetensors", "model.onnx"),
]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    return folder, {name: rest for name, *rest in _files(folder)}


@pytest.mark.parametrize("name", NAMES)
def test_bad_files_are_refused_with_one_sentence(bad_files, name):
    folder, files = bad_files
    assert set(files) == set(NAMES)
    content, message = files[name]
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_rife(folder / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "executed").exists()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_rife(tmp_path / "gone.pkl")


def test_saving_asks_for_safetensors_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"w\.pkl should be written as \.safetensors"):
        save_rife(RIFE(NARROW), tmp_path / "w.pkl")

    def full_disk(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr("rife_video.rife_core.checkpoints.rife.save_tensors", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_rife(RIFE(NARROW), tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_weights_are_found_by_name_and_by_path(tmp_path):
    path = tmp_path / "sub" / "mine.safetensors"
    path.parent.mkdir()
    save_rife(RIFE(NARROW), path)
    (tmp_path / "readme.txt").touch()
    listed = list_weights([tmp_path])
    assert listed["sub/mine.safetensors"] == path
    assert set(listed) == {"default", "sub/mine.safetensors"}
    assert find_weights("sub/mine.safetensors", [tmp_path]) == path
    assert find_weights(str(path)) == path
    with pytest.raises(FileNotFoundError, match=r"no weights 'other'.*sub/mine"):
        find_weights("other", [tmp_path])


@pytest.mark.long
def test_a_release_of_three_files_is_read_by_its_flownet(early_files, tmp_path):
    for name, content in early_files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert load_rife(tmp_path / "model31" / "flownet.pkl").spec.version == "3.1"
    assert [*list_weights([tmp_path])] == ["default", "model31/flownet.pkl"]
    for name in ("alike.pkl", "weights.pkl"):  # two parts belong to a flownet only
        (tmp_path / "model31" / name).write_bytes(early_files["model31/flownet.pkl"])
        with pytest.raises(CheckpointError, match="not its refinement"):
            load_rife(tmp_path / "model31" / name)
    (tmp_path / "model31" / "unet.pkl").unlink()
    with pytest.raises(CheckpointError, match=r"flow of RIFE 3\.1, but not its refinement"):
        load_rife(tmp_path / "model31" / "flownet.pkl")
    (tmp_path / "model31" / "unet.pkl").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"^unet\.pkl"):
        load_rife(tmp_path / "model31" / "flownet.pkl")


def test_what_lies_beside_a_whole_network_is_not_read(tmp_path):
    torch.save(released("4.6").state_dict(), tmp_path / "flownet.pkl")
    (tmp_path / "unet.pkl").write_bytes(b"damaged")
    assert load_rife(tmp_path / "flownet.pkl").spec.version == "4.6"
