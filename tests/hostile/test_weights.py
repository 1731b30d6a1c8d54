"""Weights files that are broken or malicious: refused in a sentence and at once, or owned."""

import gc
import io
import json
import os
import pickle
import random
import shutil
import struct
import threading
import time
import warnings
import zipfile

import pytest
import torch
from rife_video.__main__ import main
from rife_video.rife_core.checkpoints import pickles
from rife_video.rife_core.checkpoints.rife import list_weights, load_rife, save_rife
from rife_video.rife_core.checkpoints.tensor_files import CheckpointError, read_tensors
from rife_video.rife_core.inference.rife import build_network
from rife_video.rife_core.losses.discriminators import files as discriminators
from rife_video.rife_core.losses.lpips import LPIPS
from rife_video.rife_core.losses.vgg import VGGPerceptualLoss
from safetensors.torch import save_file


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


FIRST = "block0.conv0.0.0.weight"

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
        for _ in range(10):
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


def _pickle_of(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _zip_with(data, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/version", "3")
        archive.writestr("a/byteorder", "little")
    return buffer.getvalue()


def _rezipped(content, change=lambda name, data: [data], compression=zipfile.ZIP_STORED):
    """What torch saved, each entry replaced by others of its name."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", compression) as new,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of two entries of one name
        for name in old.namelist():
            for data in change(name, old.read(name)):
                new.writestr(name, data)
    return buffer.getvalue()


def _view(size, stride, offset=0, numel=4):
    """A tensor of four numbers, looked at in an odd way."""

    def put(*numbers):
        return b"".join(pickle.dumps(number, 2)[2:-1] for number in numbers)

    data = (
        b"\x80\x02}X\x01\x00\x00\x00xctorch._utils\n_rebuild_tensor_v2\n(("
        b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpu" + put(numel) + b"tQ" + put(offset)
        + b"(" + put(*size) + b"t(" + put(*stride)
        + b"t\x89ccollections\nOrderedDict\n)RtRs."
    )  # fmt: skip
    return _rezipped(
        _pickle_of({"x": torch.zeros(4)}),
        lambda name, old: [data] if name.endswith(".pkl") else [old],
    )


def _list_of_itself():
    value = []
    value.append(value)
    return value


def _nested_tensor():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


def _safetensors(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _itself(key):
    value = {}
    value[key] = value
    return value


def _nested_tuples(levels):
    """A dictionary whose key is (((), ()), ((), ())) and so on, each tuple twice in the next."""
    steps = b"\x80\x02})q\x00" + b"".join(
        b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(levels)
    )
    return steps + b"K\x01s."


def _deep_tuples(levels):
    return b"\x80\x02})" + b"\x85" * levels + b"K\x01s."


def _call(module, name, *arguments):
    """A pickle that calls something; of what may be called, some takes all memory."""
    numbers = b"".join(b"\x8a" + bytes([9]) + n.to_bytes(9, "little") for n in arguments)
    return b"\x80\x02c" + module + b"\n" + name + b"\n(" + numbers + b"tR."


DEEP = b"[" * 10**6 + b"]" * 10**6
HEADER = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}

BAD = {
    "empty.pth": b"",
    "zeros.pth": bytes(100_000),
    "text.pth": b"hello " * 1000,
    "page.safetensors": b"<!doctype html><html>not found</html>",
    "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "itself.pth": lambda: _pickle_of(_itself("state_dict")),
    "itself module.pth": lambda: _pickle_of(_itself("module")),
    "itself model.pth": lambda: _pickle_of(_itself("model")),
    "list.pth": lambda: _pickle_of([1, 2]),
    "number.pth": lambda: _pickle_of(3),
    "tensor.pth": lambda: _pickle_of(torch.zeros(3)),
    "empty dict.pth": lambda: _pickle_of({}),
    "odd keys.pth": lambda: _pickle_of({3: torch.zeros(1), (1, 2): torch.zeros(1), None: 0}),
    "texts.pth": lambda: _pickle_of({"a": "b", FIRST: "c"}),
    "long prefix.pth": lambda: _pickle_of({"module." * 1_200_000 + "x": torch.zeros(1)}),
    "long name.pth": lambda: _pickle_of({"x" * 8_000_000: torch.zeros(1)}),
    "escapes.pth": lambda: _pickle_of({"\x1b[2J\ud800": torch.zeros(1)}),
    "many names.pth": lambda: _pickle_of({str(i): torch.zeros(0) for i in range(10_000)}),
    "nested dicts.pth": lambda: _pickle_of(_nested(200)),
    "tuples.pth": _zip_with(_nested_tuples(60)),
    "old tuples.pkl": _nested_tuples(60),
    "deep tuples.pth": _zip_with(_deep_tuples(10**6)),
    "deep lists.pth": _zip_with(b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b"."),
    "bytearray.pth": _zip_with(_call(b"builtins", b"bytearray", 10**15)),
    "size.pth": _zip_with(_call(b"torch", b"Size", 10**18)),
    "system.pth": _zip_with(b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truetR."),
    "bomb.pth": _zip_with(b"\x80\x02" + b"N" * 50_000_000 + b".", zipfile.ZIP_DEFLATED),
    "no end.pth": _zip_with(b"\x80\x02}"),
    "no pickle.pth": _zip_with(b"hello"),
    "too few.pth": _zip_with(b"\x80\x02tR."),
    "half zip.pth": b"PK\x03\x04" + bytes(1000),
    "header of nothing.safetensors": _safetensors({}),
    "one tensor.safetensors": _safetensors(HEADER, bytes(4)),
    "header too long.safetensors": struct.pack("<Q", 2**63) + b"{}",
    "header of 2**40.safetensors": struct.pack("<Q", 2**40) + b"{}",
    "deep header.safetensors": _safetensors(DEEP),
    "overlapping.safetensors": _safetensors({"x": HEADER["x"], "y": HEADER["x"]}, bytes(4)),
    "outside.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}, bytes(4)
    ),
    "overflow.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}
    ),
    "many tensors.safetensors": lambda: _safetensors(
        {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(50_000)}
    ),
    "one name twice.safetensors": _safetensors(
        b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        bytes(8),
    ),
    "one field twice.safetensors": _safetensors(
        b'{"x":{"dtype":"F32","dtype":"I8","shape":[1],"data_offsets":[0,4]}}', bytes(4)
    ),
    "negative shape.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "negative offset.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, bytes(4)
    ),
    "backwards.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, bytes(4)
    ),
    "a gap.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)
    ),
    "more behind it.safetensors": _safetensors(HEADER, bytes(400)),
    "not UTF-8.safetensors": _safetensors(
        b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)
    ),
    "half a character.safetensors": _safetensors(
        b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)
    ),
    "many dimensions.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [1] * 100_000, "data_offsets": [0, 4]}}, bytes(4)
    ),
    "nothing times much.safetensors": _safetensors(
        {"x": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}}
    ),
    "much metadata.safetensors": _safetensors(
        {"__metadata__": {str(i): "x" * 100 for i in range(50_000)}, **HEADER}, bytes(4)
    ),
    "spaces.safetensors": _safetensors(b" " * 9_000_000 + b"{}"),
    **{
        f"{name}.pth": (lambda view=view: _view(*view))
        for name, view in {
            "shape larger than the storage": ([10**12], [1]),
            "negative size": ([-4], [1]),
            "negative stride": ([4], [-1]),
            "offset behind the end": ([4], [1], 10**15),
            "offset before the beginning": ([4], [1], -4),
            "overflow": ([2**62, 4], [0, 0]),
            "one value a million million times": ([2**40], [0]),
            "overlapping": ([4, 4], [1, 0]),
            "storage larger than its file": ([4], [1], 0, 10**14),
            "storage of negative size": ([4], [1], 0, -5),
        }.items()
    },
    "unpacks to a thousand times its size.pth": lambda: _rezipped(
        _pickle_of({"x": torch.zeros(8_000_000)}), compression=zipfile.ZIP_DEFLATED
    ),
    "two pickles of one name.pth": lambda: _rezipped(
        _pickle_of({"x": torch.zeros(4)}),
        lambda name, data: [data, b"\x80\x02cos\nsystem\n."][: 1 + name.endswith(".pkl")],
    ),
    "storage cut short.pth": lambda: _rezipped(
        _pickle_of({"x": torch.zeros(4)}),
        lambda name, data: [data[:2]] if name.endswith("data/0") else [data],
    ),
    "storage left out.pth": lambda: _rezipped(
        _pickle_of({"x": torch.zeros(4)}),
        lambda name, data: [] if name.endswith("data/0") else [data],
    ),
    "bytes for names.pth": lambda: _pickle_of({b"\xff": torch.zeros(1), "a": torch.zeros(1)}),
    "a module.pth": lambda: _pickle_of(torch.nn.Linear(2, 2)),
    "a list of itself.pth": lambda: _pickle_of({"a": _list_of_itself()}),
    "nested tensors.pth": lambda: _pickle_of({FIRST: _nested_tensor(), "x": _nested_tensor()}),
    "dtype.safetensors": _safetensors(
        {"x": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "metadata of no text.safetensors": _safetensors(
        {"__metadata__": {"a": [1]}, **HEADER}, bytes(4)
    ),
    "row.safetensors": _safetensors(
        {"__metadata__": {"rife_row": "x" * 10**6}, **HEADER}, bytes(4)
    ),
    **{
        f"channels {i}.safetensors": _safetensors(
            {"__metadata__": {"rife_row": "4.6", "rife_channels": text}, **HEADER}, bytes(4)
        )
        for i, text in enumerate(
            (
                DEEP.decode(),
                "[1e999, 2, 3, 4]",
                "[" + "9" * 5000 + "]",
                "[0, 0, 0, 0]",
                "[-1, 2, 2, 2]",
                "[true, 2, 2, 2]",
                "[1000000000, 1000000000, 1000000000, 1000000000]",
                json.dumps([8] * 10**6),
                "{}",
                "x" * 10**6,
            )
        )
    },
}


def _nested(levels):
    value = {}
    for _ in range(levels):
        value = {"state_dict": value}
    return value


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
    assert list(list_weights([tmp_path])) == ["default"]


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
    assert sum("cannot be loaded" in line for line in lines) == len(lines) - 2
    assert len(list_weights([tmp_path / "good.pth", tmp_path / "none"])) == 1


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
    assert len(lines) == 3
    assert sum("cannot be loaded: There is no file" in line for line in lines) == 1
    walked = os.walk

    def walk(folder):
        for where, folders, names in walked(folder):
            yield where, folders, [*names, "gone.pth"]

    monkeypatch.setattr(os, "walk", walk)
    assert list(list_weights([tmp_path])) == ["default", "b.pth"]


def test_links_in_a_circle_end(tmp_path, bytes_of, tally):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/a.pth").write_bytes(bytes_of[".pth"])
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "folder.safetensors").mkdir()
    with tally.one("circle"):
        assert list(list_weights([tmp_path])) == ["default", "a/a.pth"]


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

    monkeypatch.setattr("rife_video.rife_core.checkpoints.rife.save_file", fails)
    with pytest.raises(OSError, match="No space"):
        save_rife(build_network("4.6"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
