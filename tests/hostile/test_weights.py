"""Weights files that are broken or malicious: refused in a sentence and at once, or owned."""

import gc
import os
import pickle
import random
import shutil
import threading
import time
import tracemalloc

import pytest
import torch
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints import pickles, tensor_files
from rife_video.rife_core.checkpoints.rife import list_weights, load_rife, save_rife
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError, read_tensors
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.losses.discriminators import files as discriminators
from rife_video.rife_core.losses.lpips import LPIPS
from rife_video.rife_core.losses.vgg import VGGPerceptualLoss
from safetensors.torch import save_file

from .bad_weights import BAD, FIRST, pickle_of


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    return build_network("4.6").state_dict()


@pytest.fixture(scope="module")
def bytes_of(weights, tmp_path_factory):
    """The content of a sound file, by suffix."""
    folder = tmp_path_factory.mktemp("sound")
    torch.save(weights, folder / "a.pth")
    torch.save(weights, folder / "a.pkl", _use_new_zipfile_serialization=False)
    save_file(weights, folder / "a.safetensors", {"rife_row": "4.6"})
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


BUNDLED = ["default"]
ODD = {
    "NaN": lambda x: x.clone().index_put_((torch.tensor(0),), torch.tensor(float("nan"))),
    "infinity": lambda x: x / 0,
    "NaN or infinite (too large for float32)": lambda x: x.double() * 1e300,
    "int8": lambda x: x.to(torch.int8),
    "int64": lambda x: x.long(),
    "bool": lambda x: x > 0,
    "complex64": lambda x: x.to(torch.complex64),
    "sparse_coo": lambda x: x.to_sparse(),
    "sparse_csr": lambda x: x.flatten(1).to_sparse_csr(),
    "meta": lambda x: x.to("meta"),
    "quantised": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8),
    "repeats": lambda x: x[:1, :1, :1, :1].clone().expand(x.shape),
}


@pytest.mark.parametrize("name", ODD)
def test_weights_that_are_none_are_refused_by_name(name, weights, tmp_path, tally):
    changed = {**weights, FIRST: ODD[name](weights[FIRST])}
    torch.save(changed, tmp_path / "odd.pth")
    with tally.one(name), pytest.raises(CheckpointError) as error:
        load_rife(tmp_path / "odd.pth")
    if name != "sparse_csr":  # its shape is told first
        assert FIRST in str(error.value)
        assert name.split()[0].lower() in str(error.value).lower().replace("infinite", "infinity")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_is_taken(weights, tmp_path, dtype):
    torch.save({name: tensor.to(dtype) for name, tensor in weights.items()}, tmp_path / "a.pth")
    assert {tensor.dtype for tensor in load_rife(tmp_path / "a.pth").parameters()} == {
        torch.float32
    }


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
def test_a_network_owns_its_memory(bytes_of, weights, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bytes_of[suffix])
    network = load_rife(path)
    with path.open("r+b") as file:
        file.write(bytes(len(bytes_of[suffix])))
    os.truncate(path, 0)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, weights[name])
    storages = [tensor.untyped_storage().data_ptr() for tensor in network.parameters()]
    assert len(set(storages)) == len(storages)


def test_a_file_that_is_replaced_is_loaded_whole(weights, tmp_path, tally):
    """Over and over: what is loaded is the one network or the other, never of both."""
    sources = []
    for value in (1.0, 2.0):
        sources.append(tmp_path / f"source{value}.safetensors")
        save_file({n: torch.full_like(t, value) for n, t in weights.items()}, sources[-1])
    path = tmp_path / "a.safetensors"
    shutil.copy(sources[0], path)
    ended = threading.Event()

    def replace():
        for number in range(10_000):
            if ended.is_set():
                return
            shutil.copy(sources[number % 2], path)
            time.sleep(0.5)

    copier = threading.Thread(target=replace)
    copier.start()
    loaded = 0
    try:
        for number in range(1000):
            if loaded and number >= 10:
                break
            with tally.one("while it is copied", CheckpointError):
                values = {float(t.unique()) for t in load_rife(path).parameters()}
                assert len(values) == 1
                loaded += 1
    finally:
        ended.set()
        copier.join()
    assert loaded


def test_bundled_weights_are_not_held_open(tmp_path):
    network = load_rife(list_weights()["default"])
    gc.collect()
    maps = "/proc/self/maps"
    if os.path.exists(maps):
        with open(maps) as file:
            assert "default.safetensors" not in file.read()
    assert network


# --- Files that are none


LOADERS = {
    "rife": load_rife,
    "discriminator": discriminators.load_discriminator,
    "vgg": lambda path: VGGPerceptualLoss(weights=path),
    "lpips": lambda path: LPIPS(weights=path),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name, tmp_path, tally):
    content = BAD[name]() if callable(BAD[name]) else BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    for who, load in LOADERS.items():
        with tally.one(f"{name} by {who}"), pytest.raises((ValueError, FileNotFoundError)) as error:
            load(path)
        assert 10 < len(str(error.value)) < 1500


CHANGED = {
    "no channels": torch.zeros(0, 7, 3, 3),
    "a scalar": torch.tensor(1.0),
    "five dimensions": torch.zeros(1, 2, 3, 3, 3),
    "one dimension": torch.zeros(504),
    "a million channels": torch.zeros(10**6, 1, 1, 1),
}


@pytest.mark.parametrize("name", [*CHANGED, "half", "more", "twice as many"])
def test_networks_that_are_almost_one(name, weights, tmp_path, tally):
    names = list(weights)
    state = {
        "half": {key: weights[key] for key in names[::2]},
        "more": {**weights, "block9.weight": torch.zeros(3)},
        "twice as many": {**weights, **{f"x.{key}": weights[key] for key in names}},
    }.get(name) or {**weights, FIRST: CHANGED[name]}
    torch.save(state, tmp_path / "a.pth")
    with tally.one(name), pytest.raises(CheckpointError, match="holds no RIFE network"):
        load_rife(tmp_path / "a.pth")


def test_what_is_only_oddly_stored_is_a_network(weights, tmp_path):
    """Strides, parts of larger storages, parameters, and bytes behind the end change nothing."""
    wide = {name: torch.zeros(10**5).index_fill_(0, torch.tensor(0), 1.0) for name in weights}
    forms = {
        "turned": {k: v.transpose(0, -1).contiguous().transpose(0, -1) for k, v in weights.items()},
        "parameters": {k: torch.nn.Parameter(v) for k, v in weights.items()},
        "parts": {
            k: wide[k][: v.numel()].copy_(v.flatten()).view_as(v) if v.numel() < 10**5 else v
            for k, v in weights.items()
        },
    }
    for state in forms.values():
        (tmp_path / "a.pth").write_bytes(pickle_of(state) + b"more")
        for name, tensor in load_rife(tmp_path / "a.pth").state_dict().items():
            assert torch.equal(tensor, weights[name])


@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
def test_a_file_takes_memory_by_its_size(bytes_of, tmp_path, suffix):
    """And not by that of the largest one there may be, which a limited process does not get."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bytes_of[suffix])
    tracemalloc.start()
    try:
        read_tensors("RIFE", path)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(bytes_of[suffix])
    finally:
        tracemalloc.stop()


class PanicException(BaseException):
    """As safetensors ends where Python gives it no memory."""


@pytest.mark.parametrize(
    "error",
    [MemoryError(), PanicException("null"), RuntimeError("DefaultCPUAllocator: not enough memory")],
)
def test_memory_that_runs_out_while_a_file_is_read(bytes_of, tmp_path, monkeypatch, error):
    def no_memory(*_, **__):
        raise error

    monkeypatch.setattr(tensor_files, "load_safetensors", no_memory)
    monkeypatch.setattr(torch, "load", no_memory)
    for suffix, content in bytes_of.items():
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"not enough memory to read a\."):
            load_rife(path)


def test_a_huge_file_is_not_read(tmp_path, tally):
    for suffix in (".pth", ".safetensors"):
        with (tmp_path / f"huge{suffix}").open("wb") as file:
            file.truncate(2**42)
        with tally.one(suffix), pytest.raises(CheckpointError, match="4096 GB"):
            load_rife(tmp_path / f"huge{suffix}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_what_is_no_file_is_not_waited_for(tmp_path, tally):
    os.mkfifo(tmp_path / "pipe.pth")
    (tmp_path / "folder.pth").mkdir()
    (tmp_path / "loop.pth").symlink_to(tmp_path / "loop.pth")
    (tmp_path / "gone.pth").symlink_to(tmp_path / "gone")
    (tmp_path / "zero.pth").symlink_to("/dev/zero")
    for path in [*tmp_path.iterdir(), tmp_path / ("x" * 5000 + ".pth"), tmp_path / "a\0.pth"]:
        with tally.one(path.name[:20]), pytest.raises(FileNotFoundError):
            load_rife(path)
    assert [*list_weights([tmp_path])] == BUNDLED


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    path.write_bytes(b"x")

    def refuses(*_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refuses)
    with pytest.raises(CheckpointError, match=r"a\.pth cannot be read \(Permission denied\)"):
        load_rife(path)


def test_one_bad_file_does_not_end_a_list(tmp_path, bytes_of, capsys):
    (tmp_path / "good.pth").write_bytes(bytes_of[".pth"])
    for name, content in BAD.items():
        if not callable(content) and len(content) < 10**5:
            (tmp_path / name).write_bytes(content)
    os.symlink("/proc/self/mem", tmp_path / "memory.pth")
    (tmp_path / os.fsdecode(b"\xff\n.pth")).write_bytes(b"x")
    assert main(["models", "--models", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list_weights([tmp_path]))
    assert [line.split("\t")[1] for line in lines if line.startswith("good.pth")] == ["4.6"]
    assert sum("cannot be loaded" in line for line in lines) == len(lines) - 1 - len(BUNDLED)
    assert [*list_weights([tmp_path / "good.pth", tmp_path / "none"])] == BUNDLED


def test_files_that_vanish_between_list_and_load(tmp_path, bytes_of, monkeypatch, capsys):
    """A file, or the folder that it is in, is gone when it is looked at."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.pth").write_bytes(bytes_of[".pth"])
    (tmp_path / "b.pth").write_bytes(bytes_of[".pth"])
    listed = list_weights([tmp_path])
    shutil.rmtree(tmp_path / "deep")
    monkeypatch.setattr("rife_video.rife_core.cli.models.list_weights", lambda _: listed)
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(BUNDLED)
    assert sum("cannot be loaded: There is no file" in line for line in lines) == 1
    walked = os.walk

    def walk(folder):
        for where, folders, names in walked(folder):
            yield where, folders, [*names, "gone.pth"]

    monkeypatch.setattr(os, "walk", walk)
    assert [*list_weights([tmp_path])] == [*BUNDLED, "b.pth"]


def test_links_in_a_circle_end(tmp_path, bytes_of, tally):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/a.pth").write_bytes(bytes_of[".pth"])
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "folder.safetensors").mkdir()
    with tally.one("circle"):
        assert [*list_weights([tmp_path])] == [*BUNDLED, "a/a.pth"]


def test_sound_files_pass_the_bounds(bytes_of):
    for suffix in (".pth", ".pkl"):
        pickles.check_archive(bytes_of[suffix])
    checked = pickle.dumps({"a": [1.5, (1, 2)], "b": ("x", None)}, protocol=2)
    pickles.check_archive(checked)


def _try_mutations(bytes_of, tally, tmp_path, seeds):
    """Sound files with some bytes changed, cut or doubled: refused, or loaded as a network."""
    for seed in seeds:
        draw = random.Random(seed)
        suffix = draw.choice(sorted(bytes_of))
        content = bytearray(bytes_of[suffix])
        reach = len(content) if draw.random() < 0.3 else 20_000  # most of it is numbers
        for _ in range(draw.choice((1, 1, 2, 8))):
            place = draw.randrange(min(reach, len(content)))
            kind = draw.randrange(4)
            if kind == 0:
                content[place] = draw.randrange(256)
            elif kind == 1:
                del content[place : place + draw.randrange(1, 200)]
            elif kind == 2:
                content[place:place] = content[place : place + draw.randrange(1, 200)]
            else:
                content[place] ^= 1 << draw.randrange(8)
        if draw.random() < 0.1:
            del content[draw.randrange(len(content)) :]
        path = tmp_path / f"changed{suffix}"
        path.write_bytes(content)
        os.utime(path, (0, 0))
        with tally.one(f"mutation {seed}", CheckpointError):
            assert all(p.isfinite().all() for p in load_rife(path).parameters())


def test_changed_files(bytes_of, tally, tmp_path):
    _try_mutations(bytes_of, tally, tmp_path, range(40))


@pytest.mark.slow
def test_many_changed_files(bytes_of, tally, tmp_path):
    _try_mutations(bytes_of, tally, tmp_path, range(40, 2000))


def test_what_is_read_is_plain_even_where_the_default_device_is_meta(bytes_of, weights, tmp_path):
    for suffix, content in bytes_of.items():
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        with torch.device("meta"):
            tensors, _ = read_tensors("RIFE", path)
            network = load_rife(path)
        assert torch.equal(tensors[FIRST], weights[FIRST])
        assert torch.equal(network.state_dict()[FIRST], weights[FIRST])


def test_saving_keeps_what_was_there_if_it_fails(weights, tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    save_rife(build_network("4.6"), path)
    before = path.read_bytes()

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rife_video.rife_core.checkpoints.rife.save_tensors", fails)
    with pytest.raises(OSError, match="No space"):
        save_rife(build_network("4.6"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
