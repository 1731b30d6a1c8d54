"""Weights files that are whole, but say odd things: refused, or loaded as just what they say."""

import io
import json
import pickletools
import random
import struct
import warnings
import zipfile
from collections import OrderedDict

import pytest
import torch
from rife_video.rife_core import build_network, load_rife, save_rife
from rife_video.rife_core.checkpoints import CheckpointError
from safetensors.torch import load

BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8}
BITS |= {
    "I64": 64,
    "I32": 32,
    "I16": 16,
    "I8": 8,
    "U8": 8,
    "U16": 16,
    "BOOL": 8,
    "C64": 64,
    "F4": 4,
}
ROWS = ("4.6", "default", "x", "", "4.22.lite\0", "\u0664.6", "3.8", "default ")
WIDTHS = ("[16, 12, 8, 8]", "[16,12,8,8,8]", "[]", "null", "[1e1,12,8,8]", '["16"]', "[NaN]", "-")
WIDTHS += ("[16, 12, 8, 1000000000000]", '{"0":16}', "[[16],[12]]")


# --- .safetensors: a change of the header, so that header and content still fit each other


def _in_another_type(draw, head, names, body):
    kind, content, at = draw.choice([*BITS]), bytearray(), 0
    for name in names:
        size = torch.Size(head[name]["shape"]).numel() * BITS[kind] // 8
        content += bytes(size)
        head[name] |= {"dtype": kind, "data_offsets": [at, at + size]}
        at += size
    return content


def _one_of_another_type(draw, head, names, body):
    entry = head[draw.choice(names)]
    entry["dtype"] = draw.choice([*BITS])
    if draw.random() < 0.7 and entry["shape"]:
        entry["shape"][-1] = entry["shape"][-1] * 32 // BITS[entry["dtype"]]


def _turned(draw, head, names, body):
    draw.shuffle(head[draw.choice(names)]["shape"])


def _of_more_dimensions(draw, head, names, body):
    entry = head[draw.choice(names)]
    ones = [1] * draw.choice((1, 2, 60, 500))
    entry["shape"] = draw.choice([ones + entry["shape"], entry["shape"] + ones])


def _flat(draw, head, names, body):
    entry = head[draw.choice(names)]
    entry["shape"] = [torch.Size(entry["shape"]).numel()]


def _exchanged(draw, head, names, body):
    a, b = draw.sample(names, 2)
    head[a], head[b] = head[b], head[a]


def _renamed(draw, head, names, body):
    name = draw.choice(names)
    odd = ("", f"module.{name}", name.upper(), f"{name} ", f"{name}\0", f"{name}.weight")
    odd += (f"\u202e{name}", "__class__", "x" * 70_000)
    head[draw.choice(odd)] = head.pop(name)


def _overlapping(draw, head, names, body):
    a, b = draw.sample(names, 2)
    head[a] |= {key: head[b][key] for key in ("data_offsets", "shape")}


def _with_metadata(draw, head, names, body):
    said = {"rife_row": draw.choice(ROWS), "rife_channels": draw.choice(WIDTHS)}
    others = ({}, None, "x", {"format": None}, {"a": "b" * 10**6}, {"rife_row": None})
    head["__metadata__"] = draw.choice((said, said, said, *others))


def _without_some(draw, head, names, body):
    for name in draw.sample(names, draw.choice((1, 2, len(names) // 2, len(names) - 1))):
        del head[name]


def _with_nothing_more(draw, head, names, body):
    shapes = ([0, 2**40], [2**40, 0], [2**63, 0], [0] * 500, [0, -1], [], [2**31, 2**31, 0])
    end = [len(body)] * 2
    head["extra"] = {"dtype": "F32", "shape": draw.choice(shapes), "data_offsets": end}


def _with_an_odd_number(draw, head, names, body):
    at = head[draw.choice(names)]["data_offsets"][0]
    odd = (float("nan"), float("inf"), 3e38, 1e-45, -0.0)
    body[at : at + 4] = struct.pack("<f", draw.choice(odd))


CHANGES = (_in_another_type, _one_of_another_type, _turned, _of_more_dimensions, _flat)
CHANGES += (_exchanged, _renamed, _overlapping, _with_metadata, _without_some)
CHANGES += (_with_nothing_more, _with_an_odd_number)


def odd_safetensors(draw, content):
    size = struct.unpack("<Q", content[:8])[0]
    head, body = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    names = [name for name in head if name != "__metadata__"]
    body = draw.choice(CHANGES)(draw, head, names, body) or body
    text = json.dumps(head, ensure_ascii=draw.random() < 0.5).encode() + b" " * draw.randrange(9)
    if draw.random() < 0.1:
        text = text.replace(b'"shape"', b'"\\u0073hape"')
    return struct.pack("<Q", len(text)) + text + bytes(body)


# --- .pth: tensors that lie oddly, in dictionaries of many kinds

DTYPES = (torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.int8, torch.bool)
TENSORS = (
    lambda draw, x: torch.nn.Parameter(x),
    lambda draw, x: x.to(draw.choice(DTYPES)),
    lambda draw, x: x.expand(2, *x.shape),
    lambda draw, x: x.transpose(0, -1),
    lambda draw, x: x.transpose(0, -1).contiguous().transpose(0, -1),
    lambda draw, x: torch.zeros_like(x, device="meta"),
    lambda draw, x: x.to_sparse(),
    lambda draw, x: torch.stack((x, x))[0],
    lambda draw, x: x.clone().requires_grad_(),
    lambda draw, x: torch.full_like(x, draw.choice([float("nan"), float("inf"), 3.4e38, 1e-40])),
)
STATES = (
    lambda draw, state: state,
    lambda draw, state: OrderedDict(
        (draw.choice(["", "module."]) + k, v) for k, v in state.items()
    ),
    lambda draw, state: {draw.choice(["model", "state_dict", "params", "ema", "flownet"]): state},
    lambda draw, state: {"model": state, "ema": {k: torch.zeros(1) for k in state}, "step": 3},
    lambda draw, state: {**state, 3: torch.zeros(1)},
    lambda draw, state: {k: v if v.is_sparse else v.flip(0) for k, v in state.items()},
)


def odd_pickle(draw, state):
    name = draw.choice([*state])
    changed = {**state, name: draw.choice(TENSORS)(draw, state[name])}
    value = draw.choice(STATES)(draw, draw.choice([state, changed, changed]))
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=draw.random() < 0.8)
    return buffer.getvalue()


def said_by(content, suffix):
    """The tensors of a file, in float32 and by their own names, as PyTorch reads them."""
    if suffix == ".safetensors":
        state = load(content)
    else:
        state = torch.load(io.BytesIO(content), weights_only=True)
        while not any(isinstance(value, torch.Tensor) for value in state.values()):
            state = next(iter(state.values()))
    named = {str(name).removeprefix("module."): value for name, value in state.items()}
    return {name: value.detach().float() for name, value in named.items()}


# --- pickles of operations that are drawn

NAMES = (b"collections\nOrderedDict", b"torch\nFloatStorage", b"torch\nSize", b"torch\ndevice")
NAMES += (b"torch._utils\n_rebuild_tensor_v2", b"torch._utils\n_rebuild_parameter", b"os\nsystem")
NAMES += (b"torch._tensor\n_rebuild_from_type_v2", b"_codecs\nencode", b"builtins\nbytearray")
NAMES += (b"torch._utils\n_rebuild_meta_tensor_no_storage", b"torch._utils\n_rebuild_sparse_tensor")
NUMBERS = {"uint1": "<B", "uint2": "<H", "int4": "<i", "uint4": "<I", "uint8": "<Q", "float8": ">d"}
LINES = (b"1", b"00", b"01", b"-5", b"9" * 5000, b"x", b"1L", b"nan", b"1e999", b"'a'", b"'\\x00'")
PUSHES = ("NONE", "NEWTRUE", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "BININT1", "MARK", "GLOBAL")
PUSHES = [op for op in pickletools.opcodes if op.name in (*PUSHES, "BINFLOAT", "SHORT_BINUNICODE")]
LENGTHS = {"1": "<B", "4": "<I", "8": "<Q"}


def _argument(draw, kind):
    if kind is None:
        return b""
    if kind.name in NUMBERS:
        return struct.pack(NUMBERS[kind.name], draw.choice((0, 1, 5, 127)))
    if kind.name == "stringnl_noescape_pair":
        return draw.choice(NAMES) + b"\n"
    if "nl" in kind.name:
        return draw.choice(LINES) + b"\n"
    size = draw.randrange(6)
    return struct.pack(LENGTHS[kind.name[-1]], size) + b"abcdef"[:size]


def drawn_pickle(draw, _):
    data = b"\x80" + bytes([draw.choice((2, 2, 3, 4, 5))])
    for _ in range(draw.randrange(3, 60)):
        op = draw.choice(PUSHES if draw.random() < 0.55 else pickletools.opcodes)
        data += op.code.encode("latin1") + _argument(draw, op.arg)
    if draw.random() < 0.3:
        return data + b"."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        parts = {"data.pkl": data + b".", "version": b"3", "data/0": bytes(16)}
        parts["byteorder"] = draw.choice((b"little", b"big", b"", b"x"))
        if draw.random() < 0.2:
            parts[".storage_alignment"] = draw.choice((b"64", b"0", b"-1", b"x"))
        for name, part in parts.items():
            archive.writestr(f"a/{name}", part)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def sound(network, tmp_path_factory):
    """What each kind of odd file is made of."""
    path = tmp_path_factory.mktemp("sound") / "a.safetensors"
    save_rife(network, path)
    torch.manual_seed(0)
    return {
        odd_safetensors: path.read_bytes(),
        odd_pickle: dict(build_network("4.22.lite").state_dict()),
        drawn_pickle: None,
    }


def _try(make, seeds, sound, tmp_path, tally):
    suffix = ".safetensors" if make is odd_safetensors else ".pth"
    path = tmp_path / f"odd{suffix}"
    for seed in seeds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch, about types that it will leave behind
            content = make(random.Random(seed), sound[make])
        path.write_bytes(content)
        with tally.one(seed):
            loaded, told = {}, "it is loaded, as it should be"
            try:
                loaded = load_rife(path).state_dict()
            except CheckpointError as error:
                told = str(error)
            assert 20 < len(told) < 700, told
            assert told.isprintable(), told
            said = said_by(content, suffix) if loaded else {}
            assert all(torch.equal(value, said[name]) for name, value in loaded.items())
            assert all(value.isfinite().all() for value in loaded.values())


KINDS = pytest.mark.parametrize("make", [odd_safetensors, odd_pickle, drawn_pickle])


@KINDS
def test_files_that_say_odd_things(make, sound, tmp_path, tally):
    _try(make, range(4 if make is odd_pickle else 40), sound, tmp_path, tally)


@pytest.mark.slow
@KINDS
def test_many_files_that_say_odd_things(make, sound, tmp_path, tally):
    _try(make, range(100, 500 if make is odd_pickle else 3100), sound, tmp_path, tally)
