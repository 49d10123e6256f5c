"""What loading a file would run, found wherever it is packed, and told as the reason for which the file is refused."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from hf_contrastive.release.contents import pickles, unpacking
from hf_contrastive.release.contents.binaries import kind_of
from hf_contrastive.release.contents.files import problems
from hf_contrastive.release.contents.pickles import (
    MOST_OPCODES,
    embedded_pickle,
    is_old_pickle,
    pickle_words,
    read_pickle,
)
from hf_contrastive.release.contents.sentencepiece_files import sentencepiece_problem
from hf_contrastive.release.contents.unpacking import MOST_BYTES, MOST_MEMBERS, inside, zip_begins


class Call:
    """Unpickles into a call of a function, as an attack would."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("true",))


RUNS = "import and call posix.system (dangerous)"
DOES = f"it would {RUNS}"
PICKLES = {n: pickle.dumps(Call(), protocol=n) for n in range(pickle.HIGHEST_PROTOCOL + 1)}
EVIL = PICKLES[4]
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(9)
PIECE = b"\n\x0e\n\x05hello\x15\x00\x00\x00\x00\x18\x01"
TENSORS = save({"w": np.ones((2, 3), dtype=np.float32)}, metadata={"format": "pt"})


def zipped(members: dict[str, bytes], *, before: bytes = b"", how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO(before)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def by_torch(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def by_numpy(write: Callable[..., Any], value: Any) -> bytes:
    buffer = io.BytesIO()
    write(buffer, value)
    return buffer.getvalue()


def by_joblib(compress: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(Call(), buffer, compress=compress)
    return buffer.getvalue()


def encrypted() -> bytes:
    raw = bytearray(zipped({"data.pkl": EVIL}, how=zipfile.ZIP_STORED))
    raw[6] |= 1
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def nested(depth: int) -> bytes:
    content = EVIL
    for i in range(depth):
        content = zipped({"inner.zip" if i else "data.pkl": content})
    return content


def with_numbered_members(count: int) -> bytes:
    return zipped({f"m{i}": b"" for i in range(count)}, how=zipfile.ZIP_STORED)


OBJECTS = np.array([Call()], dtype=object)
# name of the file, its content, what its refusal says
CRAFTED: dict[str, tuple[str, bytes, str]] = {
    **{f"protocol {n}": ("weights", raw, f"weights is a pickle or may hold one; loading it can run code ({DOES}")
       for n, raw in PICKLES.items()},
    "a pickle named as safetensors": ("model.safetensors", EVIL, RUNS),
    "a pickle named as text": ("vocab.txt", PICKLES[0], RUNS),
    "a pickle named as settings": ("config.json", PICKLES[2], RUNS),
    "a pickle named as image": ("LICENSE.png", EVIL, RUNS),
    "a pickle without its first bytes": ("weights", EVIL[2:], RUNS),
    "a pickle that is valid UTF-8": ("vocab.txt", b"Vposix\nVsystem\nq\xc2\x93(S'ls'\ntR.", RUNS),
    "a pickle behind junk": ("weights", b"\xff\xfejunk\0" + EVIL, "at byte 7 begins a pickle"),
    "an old pickle behind junk": ("weights", b"\xff\xfejunk\0" + PICKLES[0], "begins a pickle"),
    "a pickle behind another": ("weights", pickle.dumps(119547037146038801333356) + EVIL, RUNS),
    "a torn pickle": ("weights", EVIL[:-1], "can not be read to its end"),
    "names from the memo": (
        "weights", b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x02ls\x85R.", RUNS),
    "a computed name": ("weights", b"\x80\x04\x8c\x05posixK\x01\x93)R.", "a name that it computes"),
    "a registered extension": ("weights", b"\x80\x02\x82\x01)R.", "a name that it computes"),
    "many names before the bad one": (
        "weights", b"\x80\x04" + b"".join(b"ctorch\nstorage%d\n0" % i for i in range(9)) + EVIL[2:],
        "import and call posix.system (dangerous), torch.storage0, torch.storage1, torch.storage2 and 6 more"),
    "a call of os by its own name": ("weights", b"cos\nsystem\n(S'ls'\ntR.", "call os.system (dangerous)"),
    "subprocess": ("weights", b"\x80\x04csubprocess\nPopen\n(S'ls'\ntR.", "subprocess.Popen (dangerous)"),
    "an attribute of an attribute": ("weights", b"cbuiltins\ngetattr\n(I1\ntR.", "builtins.getattr (dangerous)"),
    "by INST": ("weights", b"(S'ls'\nios\nsystem\n.", "os.system (dangerous)"),
    "no import at all": ("weights", pickle.dumps({"a": 1}), "imports nothing, as far as it can be read"),
    "torch, zip": ("pytorch_model.bin", by_torch({"x": Call()}), f"archive/data.pkl: it would {RUNS}"),
    "torch, harmless": ("pytorch_model.bin", by_torch({"w": torch.ones(2)}), "torch._utils._rebuild_tensor_v2"),
    "torch, before zip": (
        "pytorch_model.bin", by_torch({"x": Call()}, _use_new_zipfile_serialization=False), RUNS),
    "torch, without a name": ("weights", by_torch({"x": Call()}), "weights is an archive"),
    "an array of objects": ("a.npy", by_numpy(np.save, OBJECTS), f"an array of objects: it would {'import and call'}"),
    "an array without a name": ("weights", by_numpy(np.save, OBJECTS), "an array of NumPy"),
    "an array whose header is torn": ("a.npy", b"\x93NUMPY\x01\x00v\x00{'descr': ", "header can not be read"),
    "arrays": ("a.npz", by_numpy(np.savez, OBJECTS), "arr_0.npy: an array of objects"),
    "packed arrays": ("a.npz", by_numpy(np.savez_compressed, OBJECTS), "posix.system (dangerous)"),
    "joblib": ("model.joblib", by_joblib(0), RUNS),
    **{f"joblib, {how}": ("model.joblib", by_joblib((how, 3)), f"unpacked: it would {RUNS}")
       for how in ("zlib", "gzip", "bz2", "xz", "lzma")},
    "zlib without a name": ("weights", zlib.compress(EVIL), RUNS),
    "gzip": ("weights", gzip.compress(EVIL), "weights is an archive"),
    "gzip in two parts": ("weights", gzip.compress(EVIL[:20]) + gzip.compress(EVIL[20:]), RUNS),
    "zip in tar in gzip": (
        "data.tar.gz", gzip.compress(tarred({"a/b.zip": zipped({"data.pkl": EVIL})})), "unpacked > a/b.zip > data.pkl"),
    "tar": ("data.tar", tarred({"data.pkl": EVIL}), f"data.pkl: it would {RUNS}"),
    "code in a zip": ("data.zip", zipped({"a/setup.py": b"print()"}), "a/setup.py: it is code"),
    "deeper than anybody packs": ("data.zip", nested(8), "deeper than 5 levels"),
    "encrypted": ("data.zip", encrypted(), "data.pkl in it is encrypted"),
    "packed otherwise": ("data.zip", zipped({"data.pkl": EVIL}, how=zipfile.ZIP_LZMA), "not unpacked here"),
    "too many members": ("data.zip", with_numbered_members(MOST_MEMBERS + 1), "more than 1,000 members"),
    "a torn zip": ("data.zip", zipped({"data.pkl": EVIL})[:-30], "can not be unpacked"),
    "7z": ("data.7z", b"7z\xbc\xaf\x27\x1c" + bytes(40), "packed with 7z"),
    "zstandard": ("weights", b"\x28\xb5\x2f\xfd" + bytes(40), "packed with Zstandard"),
    "lz4 of joblib": ("model.joblib", b"\x04\x22\x4d\x18" + bytes(40), "packed with LZ4"),
    "a zip behind an image": ("LICENSE.png", zipped({"data.pkl": EVIL}, before=IMAGE), "is an image"),
    "a zip behind a tokenizer": (
        "tokenizer.model", zipped({"data.pkl": EVIL}, before=PIECE), "no sentencepiece model, whatever its name"),
    "a zip behind a program": ("weights", zipped({"x": b"x"}, before=b"\x7fELF"), "a ZIP archive is appended to it"),
    "a zip behind tensors": ("model.safetensors", zipped({"data.pkl": EVIL}, before=TENSORS), "belong to no tensor"),
    "a pickle behind a tokenizer": ("tokenizer.model", PIECE + EVIL, "no sentencepiece model"),
    "a line break and a pickle": ("tokenizer.model", b"\n" + EVIL, "no sentencepiece model"),
    "Keras with a layer of code": (
        "weights", b"\x89HDF\r\n\x1a\n" + bytes(9) + b'{"class_name": "Lambda"}', "a Lambda layer"),
    "HDF5": ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(9), "HDF5"),
    "GGUF": ("model.gguf", b"GGUF\x03" + bytes(30), "GGUF"),
    "ONNX": ("model.onnx", b"\x08\x07\x12\x07pytorch\xff", "not known here"),
    "a program": ("weights", b"\x7fELF\x02\x01" + bytes(90), "a program or library of Linux"),
    "Parquet": ("LICENSE", b"PAR1\x15\x00" + bytes(9), "Parquet"),
}  # fmt: skip


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_file_is_refused_with_what_it_would_run(tmp_path: Path, case: str):
    name, content, told = CRAFTED[case]
    path = tmp_path / "file"
    path.write_bytes(content)
    lines = list(problems(name, content))
    assert lines == list(problems(name, path))
    assert any(told in line for line in lines), lines
    assert all(line.startswith(name) and "\n" not in line for line in lines)


def test_there_are_more_than_forty_of_them():
    assert len(CRAFTED) > 60


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda raw: gzip.compress(raw, 1), id="gzip"),
        pytest.param(lambda raw: lzma.compress(raw, preset=0), id="lzma"),
        pytest.param(bz2.compress, id="bz2"),
        pytest.param(lambda raw: zlib.compress(raw, 1), id="zlib"),
    ],
)
def test_a_bomb_fills_no_memory(pack: Callable[[bytes], bytes]):
    bomb = pack(bytes(200_000_000))
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    told = inside(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"more than {MOST_BYTES:,} bytes" in told
    assert peak < 5 * MOST_BYTES


def test_a_zip_whose_members_unpack_to_too_much():
    flat = zipped({f"m{i}": bytes(1_050_000) for i in range(70)})
    assert len(flat) < 1_000_000
    assert f"more than {MOST_BYTES:,} bytes" in inside(flat)


def test_a_zip_whose_members_overlap():
    # 900 entries of the list name one member of 1 MB
    raw = zipped({"m": bytes(2_000_000)})
    begins = zip_begins(raw)
    entry = raw[begins : raw.rindex(b"PK\x05\x06")]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 900, 900, len(entry) * 900, begins, 0)
    assert f"more than {MOST_BYTES:,} bytes" in inside(raw[:begins] + entry * 900 + end)


def test_a_list_of_members_that_is_longer_than_anybody_reads():
    raw = zipped({"m": b""})
    begins = zip_begins(raw)
    entry = raw[begins : raw.rindex(b"PK\x05\x06")]
    count = 4_100_000 // len(entry)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) * count, begins, 0)
    assert "too long to be looked through" in inside(raw[:begins] + entry * count + end)


def test_more_steps_than_a_pickle_needs_end_the_reading():
    assert "more than 300,000 steps" in pickle_words(b"\x80\x04" + b"N0" * 400_000 + EVIL[2:])


NO_PICKLE = b"\x80\x04" + b"N0" * 2_600
BEGINNINGS = {
    "long ones": NO_PICKLE * 200,
    "short ones": b"\xff\0" + b"\x80\x04" * 500_000,
    "ones with a long argument": b"\x80\x04X\xff\xff\x0f\x00" * 150_000,
}


@pytest.fixture
def opcodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all opcodes that are read."""
    read: list[str] = []
    plain = pickles._Machine.run

    def run(machine: Any, opcode: Any, argument: Any) -> None:
        read.append(opcode.name)
        plain(machine, opcode, argument)

    monkeypatch.setattr(pickles._Machine, "run", run)
    return read


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_all_that_begins_like_a_pickle_is_read_within_one_bound(kind: str, opcodes: list[str]):
    raw = b"\xff\0" + BEGINNINGS[kind] + EVIL
    told = embedded_pickle(raw)
    # what is not read to its end is told, and never taken for clean
    assert "can not be read to its end, so much of it begins like a pickle" in told
    assert len(opcodes) <= MOST_OPCODES


def test_a_pickle_behind_many_beginnings_is_found():
    raw = b"\xff\0" + b"\x80\x04\xff" * 300 + EVIL
    assert embedded_pickle(raw) == f"at byte 902 begins a pickle: {DOES}"


def test_members_of_an_archive_share_one_bound(opcodes: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unpacking, "MOST_OPCODES", 1_000)
    # each member on its own would be read to its end, and is no pickle
    raw = zipped({f"m{i}": b"N0" * 400 + b"\xff" for i in range(400)})
    assert "can not be read to its end" in inside(raw)
    assert len(opcodes) < 8_000
    assert inside(zipped({"m": b"N0" * 400 + b"\xff"})) == ""


SYSTEM = b"cos\nsystem\n(S'true'\ntR."


@pytest.mark.parametrize(
    "before",
    [
        b"N0" * 300_001,
        b"N0" * 3_000_000,
        b"V" + b"a" * (1 << 20) + b"\n0",
        b"V" + b"a" * 20_000_000 + b"\n0",
        b"I0x1\n0",
        b"L0x1L\n0",
        b"S'\xc3\xa9'\n0",
    ],
    ids=["many steps", "more steps than are read", "a long line", "a longer line", "hexadecimal", "long", "no ASCII"],
)
def test_nothing_that_stands_before_a_call_hides_it(before: bytes):
    assert kind_of(before + SYSTEM) == "pickle"


def test_a_large_text_is_a_text():
    words = "\n".join(f"N0word{i}" for i in range(300_000))
    assert kind_of(words.encode()) == "text"
    assert kind_of(json.dumps({"vocab": dict.fromkeys(words.split(), 0)}).encode()) == "text"


def test_a_file_of_a_pickle_scanner_that_gives_up_is_still_refused(monkeypatch: pytest.MonkeyPatch):
    def give_up(*_: object, **__: object) -> None:
        raise ValueError("not 2 values for STACK_GLOBAL")

    monkeypatch.setattr("picklescan.scanner.scan_pickle_bytes", give_up)
    assert any("import and call posix.system" in line for line in problems("weights", EVIL))


def test_no_log_of_the_scanner_reaches_the_user(caplog: pytest.LogCaptureFixture):
    list(problems("weights", EVIL))
    assert caplog.records == []


@settings(max_examples=150)
@given(
    st.integers(0, 5), st.binary(max_size=40), st.sampled_from(["x", "vocab.txt", "a.safetensors", "a.model", "a.bin"])
)
def test_a_call_is_never_clean_where_a_loader_could_make_it(protocol: int, tail: bytes, name: str):
    raw = pickle.dumps([tail, Call()], protocol=protocol)
    assert list(problems(name, raw))
    assert list(problems(name, raw + tail))
    if name == "a.bin":
        # loaders of this name skip nothing, and yet: refused whatever stands before
        assert list(problems(name, tail + raw))


@settings(max_examples=300)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x80\x04", b"PK\x03\x04", b"\x1f\x8b\x08", b"\x93NUMPY\x01\x00", b"x\x9c", b"BZh9"]),
)
def test_no_bytes_break_the_readers(raw: bytes, start: bytes):
    raw = start + raw
    assert "\n" not in inside(raw)
    read_pickle(raw)
    assert "\n" not in embedded_pickle(raw)
    sentencepiece_problem(raw)
    kind_of(raw)


WHOLE = [
    zipped({"a.pkl": EVIL, "b.zip": zipped({"c": EVIL})}),
    tarred({"a": EVIL}),
    gzip.compress(EVIL),
    EVIL,
    by_numpy(np.save, OBJECTS),
]


@settings(max_examples=300)
@given(st.sampled_from(WHOLE), st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_no_torn_archive_breaks_the_readers(raw: bytes, at: int, byte: int, cut: bool):
    at %= len(raw)
    raw = raw[:at] if cut else raw[:at] + bytes([byte]) + raw[at + 1 :]
    assert "\n" not in inside(raw)
    assert list(problems("weights.pkl", raw))


OPCODES = [
    bytes([code]) for code in b"(.0123FNIJKLMPQRSTUVXabcd}ehij]lopqrstu\x80\x81\x82\x85\x86\x87\x88\x89\x8c\x93\x94\x95"
]


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([*OPCODES, b"cposix\nsystem\n", b"\x8c\x05posix", b"q\x01", b"h\x01", b"S'a'\n", b"I1\n"]),
        max_size=30,
    )
)
def test_no_order_of_opcodes_breaks_the_machine(parts: list[bytes]):
    raw = b"".join(parts)
    assert isinstance(pickle_words(raw), str)
    is_old_pickle(raw)


class Recording(pickle.Unpickler):
    """Notes what a pickle asks to import, and gives it something harmless."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(io.BytesIO(raw))
        self.asked: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        self.asked.append(f"{module}.{name}")
        return Harmless

    def persistent_load(self, pid: Any) -> Any:
        return None


class Harmless:
    def __init__(self, *_: Any) -> None:
        pass


BUILDING = [
    *(bytes([code]) for code in b"(.012N)lt}e]u\x81\x85\x86\x87\x88\x93\x94Rbo"),
    b"cposix\nsystem\n", b"ios\nsystem\n", b"\x8c\x05posix", b"\x8c\x06system", b"Vposix\n", b"S'system'\n",
    b"q\x01", b"h\x01", b"h\x00", b"p1\n", b"g1\n", b"I1\n", b"K\x01", b"I0x1\n", b"L0x1L\n",
]  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.sampled_from(BUILDING), max_size=14), st.booleans())
def test_everything_that_python_would_import_is_read(parts: list[bytes], framed: bool):
    raw = (b"\x80\x04" if framed else b"") + b"".join(parts)
    real = Recording(raw)
    # whatever ends it, what was asked for before counts
    with contextlib.suppress(Exception):
        real.load()
    imports = read_pickle(raw).imports
    assert [name for name in real.asked if name not in imports and "?" not in imports] == []


def test_where_an_archive_with_long_records_begins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    raw = zipped({"data.pkl": EVIL}, before=b"x" * 100)
    assert raw[zip_begins(raw) or 0 :].startswith(b"PK\x01\x02")
    # a record that is not where it should be does not make it less of an archive
    assert zip_begins(raw.replace(b"PK\x06\x06", b"PK\x06\x08")) is not None
    assert zip_begins(raw[-42:]) is not None


@pytest.mark.parametrize("text", ["PK", "cat\ndog\n", "the end PK\x05\x06", json.dumps({"a": "PK\x05\x06"})])
def test_a_text_is_no_archive(text: str):
    assert zip_begins(text.encode()) is None
    assert inside(text.encode()) == ""


def test_a_text_that_is_an_archive_too():
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0)
    assert zip_begins(b"text" + end) == 4
    # so far none is free of NUL, which a text never holds
    assert kind_of(b"text" + end) == "unknown"
