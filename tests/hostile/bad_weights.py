"""Files that are no weights, or more than that: their content, by a name that says what is odd."""

import gzip
import io
import json
import pickle
import struct
import warnings
import zipfile

import torch

FIRST = "block0.conv0.0.0.weight"


def pickle_of(value):
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
        pickle_of({"x": torch.zeros(4)}),
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


def _nested(levels):
    value = {}
    for _ in range(levels):
        value = {"state_dict": value}
    return value


def _marked(at_local, at_central, change):
    """A sound archive, a byte of the header of each entry changed."""
    content = bytearray(pickle_of({"x": torch.zeros(4)}))
    for mark, at in ((b"PK\x03\x04", at_local), (b"PK\x01\x02", at_central)):
        place = content.find(mark)
        while place >= 0:
            content[place + at] = change(content[place + at])
            place = content.find(mark, place + 4)
    return bytes(content)


def _zip_of(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def _script():
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are old, and files of them are about
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def _entry(**fields):
    """A header whose only tensor says something else."""
    return _safetensors({"x": {**HEADER["x"], **fields}}, bytes(4))


_EMPTY = b"\x80\x02}."
DEEP = b"[" * 10**6 + b"]" * 10**6
HEADER = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}

BAD = {
    "empty.pth": b"",
    "zeros.pth": bytes(100_000),
    "text.pth": b"hello " * 1000,
    "page.safetensors": b"<!doctype html><html>not found</html>",
    "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "itself.pth": lambda: pickle_of(_itself("state_dict")),
    "itself module.pth": lambda: pickle_of(_itself("module")),
    "itself model.pth": lambda: pickle_of(_itself("model")),
    "list.pth": lambda: pickle_of([1, 2]),
    "number.pth": lambda: pickle_of(3),
    "tensor.pth": lambda: pickle_of(torch.zeros(3)),
    "empty dict.pth": lambda: pickle_of({}),
    "odd keys.pth": lambda: pickle_of({3: torch.zeros(1), (1, 2): torch.zeros(1), None: 0}),
    "texts.pth": lambda: pickle_of({"a": "b", FIRST: "c"}),
    "long prefix.pth": lambda: pickle_of({"module." * 1_200_000 + "x": torch.zeros(1)}),
    "long name.pth": lambda: pickle_of({"x" * 8_000_000: torch.zeros(1)}),
    "escapes.pth": lambda: pickle_of({"\x1b[2J\ud800": torch.zeros(1)}),
    "many names.pth": lambda: pickle_of({str(i): torch.zeros(0) for i in range(10_000)}),
    "nested dicts.pth": lambda: pickle_of(_nested(200)),
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
    "many tensors in other words.safetensors": lambda: _safetensors(
        json.dumps(
            {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(50_000)}
        )
        .replace("data_offsets", "data\\u005foffsets")
        .encode()
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
        pickle_of({"x": torch.zeros(8_000_000)}), compression=zipfile.ZIP_DEFLATED
    ),
    "two pickles of one name.pth": lambda: _rezipped(
        pickle_of({"x": torch.zeros(4)}),
        lambda name, data: [data, b"\x80\x02cos\nsystem\n."][: 1 + name.endswith(".pkl")],
    ),
    "storage cut short.pth": lambda: _rezipped(
        pickle_of({"x": torch.zeros(4)}),
        lambda name, data: [data[:2]] if name.endswith("data/0") else [data],
    ),
    "storage left out.pth": lambda: _rezipped(
        pickle_of({"x": torch.zeros(4)}),
        lambda name, data: [] if name.endswith("data/0") else [data],
    ),
    "bytes for names.pth": lambda: pickle_of({b"\xff": torch.zeros(1), "a": torch.zeros(1)}),
    "a module.pth": lambda: pickle_of(torch.nn.Linear(2, 2)),
    "a list of itself.pth": lambda: pickle_of({"a": _list_of_itself()}),
    "nested tensors.pth": lambda: pickle_of({FIRST: _nested_tensor(), "x": _nested_tensor()}),
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
    "another ending.bin": lambda: pickle_of({"x": torch.zeros(1)}),
    "no ending": b"x",
    "index.safetensors.index.json": b'{"weight_map": {}}',
    "model.gguf": b"GGUF" + bytes(100),
    "model.npz": lambda: _zip_of([("x.npy", b"\x93NUMPY")]),
    "packed.pth": lambda: gzip.compress(pickle_of({"x": torch.zeros(4)})),
    "script.pth": _script,
    "many entries.pth": lambda: _zip_of(
        [("a/data.pkl", _EMPTY), *((f"a/data/{i}", b"") for i in range(20_000))]
    ),
    "entries that lead out.pth": lambda: _zip_of(
        [("../../a/data.pkl", _EMPTY), ("../../a/version", b"3")]
    ),
    "entries from the root.pth": lambda: _zip_of(
        [("/etc/data.pkl", _EMPTY), ("/etc/version", b"3")]
    ),
    "encrypted.pth": lambda: _marked(6, 8, lambda flags: flags | 1),
    "packed in an unknown way.pth": lambda: _marked(8, 10, lambda method: 99),
    "packed as it is not.pth": lambda: _marked(8, 10, lambda method: 14),
    "behind rubbish.pth": lambda: b"x" * 1000 + pickle_of({"x": torch.zeros(4)}),
    "a huge place in the memo.pth": _zip_with(b"\x80\x02}r\xff\xff\xff\x7f."),
    "bytes of 2**60.pth": _zip_with(b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"."),
    "text of 2**60.pkl": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b".",
    "a number of 2**31 digits.pkl": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
    "a number of -5 digits.pkl": b"\x80\x02\x8b" + struct.pack("<i", -5) + b"1.",
    "a million digits.pkl": b"\x80\x02L" + b"9" * 10**6 + b"L\n.",
    "a frame of 2**62.pkl": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
    "a buffer from outside.pkl": b"\x80\x05\x97.",
    "a million marks.pkl": b"\x80\x02" + b"(" * 10**6 + b".",
    "an empty stack.pkl": b"\x80\x020000.",
    "registered.pkl": b"\x80\x02\x84\x01\x00\x00\x00.",
    "system by the stack.pth": _zip_with(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."),
    "system as an instance.pth": _zip_with(b"\x80\x02(S'true'\nios\nsystem\n."),
    "system as an object.pth": _zip_with(b"\x80\x02(cos\nsystem\nS'true'\no."),
    "torch load.pth": _zip_with(b"\x80\x02ctorch\nload\n(X\x01\x00\x00\x00xtR."),
    "a dtype with a state.pth": _zip_with(b"\x80\x02ctorch\nfloat32\n}X\x01\x00\x00\x00aK\x01sb."),
    "optimizer.pth": lambda: pickle_of(torch.optim.Adam([torch.zeros(3)]).state_dict()),
    "arrays.pth": lambda: pickle_of({FIRST: torch.zeros(2).numpy()}),
    "numbers for tensors.pth": lambda: pickle_of({FIRST: [[0.5, 1.5]]}),
    **{
        f"a header of {number}.safetensors": _safetensors(text)
        for number, text in enumerate((b"[1, 2]", b"null", b'"x"', b"3", b"{}" * 9, b""))
    },
    **{
        f"{name} {number}.safetensors": _entry(**{name: value})
        for name, values in {
            "shape": (None, ["1"], [1.0], [True], [2**64], {"a": 1}),
            "data_offsets": (None, ["0", "4"], [0], [0.0, 4.0], [0, 2**70], {"a": 1}),
            "dtype": (None, 3, "f32", "", ["F32"]),
        }.items()
        for number, value in enumerate(values)
    },
    "digits.safetensors": _safetensors(
        b'{"x":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}', bytes(4)
    ),
    "not a number.safetensors": _safetensors(
        b'{"x":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', bytes(4)
    ),
    "metadata is a list.safetensors": _safetensors({"__metadata__": [1], **HEADER}, bytes(4)),
    "a tensor of nothing.safetensors": _safetensors({"x": None}),
    "nameless.safetensors": _safetensors({"": HEADER["x"]}, bytes(4)),
}
