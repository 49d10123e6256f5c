"""What may not be published is found by content, whatever the name."""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import json
import pickle
import pickletools
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from hf_contrastive.release.binaries import MAX_BYTES, kind_of
from hf_contrastive.release.files import folder_problems, problems

TENSORS = save({"w": np.ones((2, 3), dtype=np.float32)}, metadata={"format": "pt"})
CARD = "---\nlicense: mit\n---\n# Model\n\nA model.\n"
TOKEN = "hf_" + "aB3" * 11


class Call:
    """Unpickles into a call of a function, as an attack would."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("ran",))


def zipped(name: str = "archive/data.pkl", content: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, pickle.dumps(Call()) if content is None else content)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("data.pkl")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    return buffer.getvalue()


def found(name: str, source: Path | bytes | str) -> list[str]:
    return list(problems(name, source.encode() if isinstance(source, str) else source))


PICKLES = {f"protocol {n}": pickle.dumps(Call(), protocol=n) for n in range(pickle.HIGHEST_PROTOCOL + 1)}
PICKLES["optimised"] = pickletools.optimize(pickle.dumps(Call(), protocol=2))
PICKLES["plain data"] = pickle.dumps({"a": [1, 2]}, protocol=4)
PICKLES["old class"] = pickle.dumps(collections.OrderedDict(a=1), protocol=0)
# the call has been made before the reader sees that the rest is missing
PICKLES["torn after the call"] = pickle.dumps(Call(), protocol=0)[:-1]
PICKLES["by INST"] = b"(S'ls'\nios\nsystem\n."
PICKLES["false protocol"] = b"\x80\x00" + pickle.dumps(Call(), protocol=0)


@pytest.mark.parametrize("name", ["weights", "vocab.txt", "notes.md", "tokenizer.model", "sub/data.jinja", "a.png"])
@pytest.mark.parametrize("kind", PICKLES)
def test_a_pickle_under_any_name(tmp_path: Path, name: str, kind: str):
    path = tmp_path / "file"
    path.write_bytes(PICKLES[kind])
    for source in (PICKLES[kind], path):
        told = found(name, source)
        assert told, "let through"
        assert name in told[0]
        assert "pickle" in told[0]


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "a.pt", "a.pth", "a.PKL", "a.ckpt", "a.joblib", "a.npy", "a.npz"]
)
def test_a_name_that_loaders_unpickle_is_enough(name: str):
    assert "may hold one" in found(name, b"harmless")[0]


@pytest.mark.parametrize("name", ["model.safetensors", "weights", "data.zip", "vocab.txt"])
@pytest.mark.parametrize(
    "content",
    [zipped(), zipped("inner.zip", zipped()), gzip.compress(PICKLES["protocol 4"]), bz2.compress(b"x"), tarred()],
    ids=["zip of a pickle", "nested zip", "gzip", "bzip2", "tar"],
)
def test_an_archive_is_never_published(name: str, content: bytes):
    told = found(name, content)
    assert any("archive" in line or "no safetensors" in line for line in told)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no safetensors"),
        (b"\x10", "no safetensors"),
        (b"not tensors at all, but text", "no safetensors"),
        (struct.pack("<Q", 10**9) + TENSORS[8:], "no safetensors"),
        (struct.pack("<Q", 20) + b"{" + b"x" * 40, "can not be read"),
        (struct.pack("<Q", 9) + b'{"w":[1]}', "can not be read"),
        (struct.pack("<Q", 4) + b"[{}]", "can not be read"),
        (TENSORS + PICKLES["protocol 4"], "belong to no tensor"),
        (TENSORS[:-1], "cut off"),
    ],
    ids=["empty", "a byte", "text", "long header", "no JSON", "wrong shape", "a list", "appended pickle", "cut off"],
)
def test_a_false_safetensors_file(tmp_path: Path, content: bytes, problem: str):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert found("model.safetensors", content) == found("model.safetensors", path)
    assert problem in found("model.safetensors", content)[0]


def test_a_pickle_named_safetensors_is_called_a_pickle():
    assert "pickle" in found("model.safetensors", PICKLES["protocol 2"])[0]


def test_metadata_of_safetensors_is_searched():
    leaking = save({"w": np.ones(1)}, metadata={"from": "/home/ada/run", "token": TOKEN})
    told = found("model.safetensors", leaking)
    assert ["token" in told[0], "path" in told[1]] == [True, True]
    assert TOKEN not in "".join(told)


@pytest.mark.parametrize("name", ["modeling_x.py", "sub/setup.PY", "x.pyc", "libx.so", "run.sh"])
def test_code(name: str):
    assert "is code" in found(name, b"")[0]


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01" + bytes(99), bytes(99), "é".encode("latin-1"), "a".encode("utf-16")]
)
def test_what_can_not_be_searched_is_not_published(content: bytes):
    assert "not known here" in found("notes.txt", content)[0]


def test_a_file_too_large_to_search(tmp_path: Path):
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "is not searched" in found("big.txt", tmp_path / "big.txt")[0]


@pytest.mark.parametrize("key", ["auto_map", "custom_pipelines"])
@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", "adapter/config.json", "processor_config.json"]
)
def test_remote_code(name: str, key: str):
    assert f"`{key}`" in found(name, json.dumps({key: {"AutoModel": "x--y.Z"}}))[0]


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ([{"type": "sentence_transformers.models.Pooling"}, {"type": "evil.Module"}], "loads evil.Module"),
        ([{"type": "sentence_transformersx.models.Pooling"}], "sentence_transformersx"),
        ([{"path": ""}], "code outside"),
        ({"type": "os.system"}, "os.system"),
        (["os.system"], "os.system"),
    ],
)
def test_foreign_modules(modules: Any, told: str):
    assert told in found("modules.json", json.dumps(modules))[0]


@pytest.mark.parametrize("base", ["/home/ada/base", "./base", "C:\\base", "", None, "a/b/c", "..", {"a": 1}])
def test_an_adapter_of_no_hub_id(base: Any):
    told = found("adapter/adapter_config.json", json.dumps({"base_model_name_or_path": base}))
    assert any("no Hub id" in line for line in told)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "1_Pooling/config.json", "other.json"])
def test_json_that_does_not_parse(name: str):
    assert "no valid JSON" in found(name, "{")[0]


@pytest.mark.parametrize(
    "name", ["README.md", "config.json", "vocab.txt", "tokenizer.json", "LICENSE", "evidence.json"]
)
def test_a_hub_token_anywhere(name: str):
    text = json.dumps({"a": [{"token": TOKEN}]}) if name.endswith(".json") else f"{CARD}\n{TOKEN}\n"
    told = [line for line in found(name, text) if "Hub token" in line]
    assert told
    assert TOKEN not in told[0]


@pytest.mark.parametrize(
    "path", ["/home/ada/x", "/Users/ada/x", "/root/x", "/tmp/run/x", "/mnt/data", "/kaggle/input", "C:\\Users\\ada\\x"]
)
@pytest.mark.parametrize("name", ["config.json", "notes.txt", "chat_template.jinja"])
def test_a_path_of_this_machine(name: str, path: str):
    text = json.dumps({"deep": [{"name": path}]}) if name.endswith(".json") else f"made from {path} today"
    assert any("a path of this machine" in line for line in found(name, text))


def test_a_vocabulary_may_hold_path_like_tokens():
    assert not found("tokenizer.json", json.dumps({"vocab": {"/home/user": 1}}))
    assert not found("vocab.txt", "[PAD]\n/tmp/x\n")


def test_documents_may_quote_paths_of_the_data_but_not_of_this_machine():
    assert not found("evidence.json", json.dumps({"excerpt": "tempfile.mkdtemp() -> '/tmp/x', '/home/user/.cache'"}))
    for own in (Path.home() / "run", Path.cwd() / "run"):
        for name in ("evidence.json", "report.json", "report.html"):
            assert "home or working folder" in found(name, json.dumps({"reason": f"failed in {own}"}))[0]


def test_urls_and_escapes_are_no_paths():
    config = {"url": "https://huggingface.co/home/ada/x", "prompt": "Q:\n", "relative": "a/tmp/x"}
    assert not found("config.json", json.dumps(config))
    assert not found("chat_template.jinja", "{{ 'Q:\\n' + messages[0] }}")


@pytest.mark.parametrize("card", ["# No metadata\n\ntext\n", "---\nlicence: mit\n---\n# Model\n\ntext\n", ""])
def test_an_invalid_card(card: str):
    assert found("README.md", card)[0].startswith("README.md: ")


CLEAN = {
    "config.json": json.dumps({"model_type": "bert", "architectures": ["BertModel"]}),
    "model.safetensors": TENSORS,
    "tokenizer.json": json.dumps({"model": {"vocab": {"a": 0}}}),
    "modules.json": json.dumps([{"idx": 0, "type": "sentence_transformers.models.Transformer", "path": ""}]),
    "1_Pooling/config.json": "{}",
    "adapter/adapter_config.json": json.dumps({"base_model_name_or_path": "owner/base"}),
    "README.md": CARD,
    "LICENSE": "Apache License\n",
    "tokenizer.model": b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02",
    "empty.txt": "",
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_file(name: str):
    assert found(name, CLEAN[name]) == []


def test_a_trained_model_is_clean(trained_folder: Any, tmp_path: Path):
    folder = trained_folder(tmp_path / "model")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert "model.safetensors" in names
    assert "adapter/adapter_model.safetensors" in names
    assert [line for name in names for line in found(name, folder / name)] == []
    assert list(folder_problems(names)) == []


def test_an_adapter_beside_the_weights_it_was_merged_into():
    assert "in one root" in next(folder_problems(["adapter_config.json", "model.safetensors", "x"]))
    assert not list(folder_problems(["adapter/adapter_config.json", "model.safetensors"]))
    assert not list(folder_problems(["adapter_config.json", "adapter_model.safetensors"]))


@settings(max_examples=300)
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)), st.sampled_from([*CLEAN, "x", "a.PT"])
)
@example(b"cat\ndog\nRabbit\n.", "vocab.txt")
def test_no_content_breaks_the_search(content: bytes, name: str):
    assert all(line.startswith(name) for line in problems(name, content))


@settings(max_examples=200)
@given(st.integers(0, 5), st.text(max_size=20), st.booleans())
def test_no_pickled_call_reads_as_harmless(protocol: int, text: str, nested: bool):
    data: Any = [text, {"a": Call()}] if nested else Call()
    raw = pickle.dumps(data, protocol=protocol)
    assert kind_of(raw) == "pickle"


@pytest.mark.parametrize(
    "text",
    ["cat\ndog\nRabbit\n", "(a) first\n(b) second\n", "I\n", "Vector\n.", "", ".", "N.", "config\nfoo\nbar\n", "0123"],
)
def test_plain_text_is_not_taken_for_a_pickle(text: str):
    assert kind_of(text.encode()) == "text"


def test_a_text_that_begins_like_an_old_pickle_is_a_text():
    # M takes two bytes, i names an import in two lines
    assert kind_of(b"Mozilla Public License Version 2.0\n====\n\n1. Definitions\n") == "text"
    assert kind_of(b"Mozios\nsystem\n") == "pickle"
    assert kind_of(b"(S'ls'\nios\nsystem\n.") == "pickle"
